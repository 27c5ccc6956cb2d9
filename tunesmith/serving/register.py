"""The stage `register`: an archive of a model in, the model's folder out, if it can answer."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging as transformers_logging

from tunesmith.artifacts import (
    MANIFEST,
    Manifest,
    commit_folder,
    read_manifest,
    verify,
    write_json,
)
from tunesmith.errors import ArtifactCorrupt, ModelRejected
from tunesmith.events import Emit, PhaseStarted, Warned
from tunesmith.modeling.answer import check_end
from tunesmith.modeling.config import SETTINGS
from tunesmith.modeling.inspect import empty_model
from tunesmith.modeling.methods.lora import CONFIG, Pairs
from tunesmith.modeling.unpack import unpack_model
from tunesmith.serving.adapters import VirtualPrompt, read_adapter
from tunesmith.serving.job import RegisterJob
from tunesmith.serving.layers import ModelLayers
from tunesmith.serving.load import cache_shape
from tunesmith.text.codec import TextCodec
from tunesmith.training.job import PinnedModel

_SHOWN_LEFT_OUT = 5


def run_register(job: RegisterJob, into: Path, *, emit: Emit) -> Manifest:
    """Unpack and check what `job` names, and commit `into`.

    Raises:
        ModelRejected: it is no model, damaged, brings code or pickles, or does not fit its base.
        NotEnoughDisk: there is no room for it.
    """
    emit(PhaseStarted(phase="unpacking", detail=job.filename))
    with TemporaryDirectory(prefix=".unpacked-", dir=into.parent) as scratch:
        folder = Path(scratch)
        left_out = unpack_model(Path(job.archive), folder, shown=job.filename)
        if left_out:
            emit(Warned(message=_about_left_out(left_out)))
        origin = _checked_manifest(folder, shown=job.filename)
        emit(PhaseStarted(phase="checking", detail=job.filename))
        lineage = {
            "name": job.name,
            "source": job.filename,
            "archive_sha256": job.sha256,
            "origin": origin.lineage if origin else {},
        }
        is_adapter = (folder / CONFIG).is_file()
        if is_adapter:
            base = _adapter_base(job, folder)
            lineage |= {"base": base.digest, "base_reference": base.reference}
        else:
            lineage |= {"base": "", "base_reference": _check_model(folder)}
        return commit_folder(
            into,
            kind="adapter" if is_adapter else "model",
            write=lambda target: _move(folder, target),
            lineage=lineage,
        )


def _about_left_out(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN_LEFT_OUT]) + (", ..." if names[_SHOWN_LEFT_OUT:] else "")
    return f"{len(names)} files of the archive are left out: {shown}"


def _move(folder: Path, target: Path) -> None:
    for path in folder.iterdir():
        path.rename(target / path.name)


def _checked_manifest(folder: Path, *, shown: str) -> Manifest | None:
    """The manifest that one of ours brings, whose hashes must hold; it is taken away."""
    manifest = read_manifest(folder)
    if manifest is not None:
        try:
            verify(folder)
        except ArtifactCorrupt as error:
            raise ModelRejected(
                f"{shown}: a file does not match the manifest beside it", hint="export it again"
            ) from error
    (folder / MANIFEST).unlink(missing_ok=True)
    return manifest


# --- adapters --------------------------------------------------------------------------------


def _adapter_base(job: RegisterJob, folder: Path) -> PinnedModel:
    """The base of the adapter in `folder`, which it fits; its files name it from now on.

    Raises:
        ModelRejected: the base is not here, is another than it was trained on, or does not fit.
    """
    config = _read(folder / CONFIG)
    parts = read_adapter(folder)
    settings = _read(folder / SETTINGS) if (folder / SETTINGS).is_file() else {}
    base = _find_base(job, config, settings)
    _check_fit(parts, Path(base.folder))
    write_json(folder / CONFIG, {**config, "base_model_name_or_path": base.folder})
    write_json(folder / SETTINGS, {**settings, "name": job.name, "base": base.model_dump()})
    return base


def _find_base(job: RegisterJob, config: dict[str, Any], settings: dict[str, Any]) -> PinnedModel:
    recorded: dict[str, Any] = settings.get("base") or {}
    digest = recorded.get("digest")
    trained_on = [base for base in job.bases.values() if base.digest == digest]
    if trained_on:
        return trained_on[0]
    named = str(job.base or recorded.get("reference") or config.get("base_model_name_or_path"))
    base = job.bases.get(named) or job.bases.get(Path(named).name)
    if base is None:
        raise ModelRejected(
            f"{job.filename} is an adapter of {named!r}, which is not here",
            hint="fetch that base model, or say which one it is for",
        )
    if digest is not None:
        raise ModelRejected(
            f"{job.filename} was trained on another {named} than the one here",
            hint=f"digests: {str(digest)[:12]} and {base.digest[:12]}",
        )
    return base


def _check_fit(parts: Any, base: Path) -> None:
    model = empty_model(base)
    config: Any = model.config.get_text_config()
    if isinstance(parts, Pairs):
        ModelLayers.of(model).check(parts)
    elif isinstance(parts, VirtualPrompt):
        width = parts.embeddings_VD.shape[1]
        if width != config.hidden_size:
            raise ModelRejected(
                f"the adapter's virtual tokens have {width} values, the base's {config.hidden_size}"
            )
    else:
        parts.shaped(cache_shape(config, torch.float32))


# --- whole models ----------------------------------------------------------------------------


def _check_model(folder: Path) -> str:
    """The architecture of the whole model in `folder`, which can answer.

    Raises:
        ModelRejected: it cannot be loaded, lacks weights, or cannot write.
    """
    architecture = empty_model(folder).config.model_type
    transformers_logging.disable_progress_bar()
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype="auto", local_files_only=True, use_safetensors=True,
            output_loading_info=True,
        )  # fmt: skip
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelRejected(f"the model cannot be loaded: {reason}") from error
    missing = sorted(loaded[1]["missing_keys"])
    if missing:
        raise ModelRejected(
            f"the model lacks {len(missing)} weights, among them {missing[0]}",
            hint="pack all of its safetensors files",
        )
    check_end(TextCodec.from_folder(folder), "the model")
    return architecture


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelRejected(f"{path.name} cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise ModelRejected(f"{path.name} is no JSON object")
    return values
