"""Models from archives: taken in as they are if they can answer, else refused in one sentence."""

import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from tests.conftest import make_tiny_model
from tests.serving.adapters import KINDS, make_adapter
from tunesmith.artifacts import Manifest, commit_folder, sha256_file, verify, write_json
from tunesmith.errors import ModelRejected
from tunesmith.events import Event, Warned
from tunesmith.modeling.answer import SETTINGS, base_of, read_settings
from tunesmith.serving.adapters import read_adapter
from tunesmith.serving.job import RegisterJob
from tunesmith.serving.register import run_register
from tunesmith.training.job import PinnedModel


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bases") / "tiny"
    commit_folder(folder, kind="base-model", write=lambda target: make_tiny_model(target) and None)
    return folder


@pytest.fixture(scope="module")
def lora(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_adapter(base, tmp_path_factory.mktemp("adapters") / "lora", kind="lora", seed=1)


def pinned(base: Path) -> PinnedModel:
    return PinnedModel(reference="tiny", digest=verify(base).digest, folder=str(base))


def register(
    archive: Path, base: Path, into: Path, *, chosen: str | None = None
) -> tuple[Manifest, list[str]]:
    """Register it; its manifest and the warnings."""
    events: list[Event] = []
    bases = {name: pinned(base) for name in ("tiny", "owner/tiny-chat")}
    job = RegisterJob(
        name="mine",
        archive=str(archive),
        filename=archive.name,
        sha256=sha256_file(archive),
        base=chosen,
        bases=bases,
    )
    manifest = run_register(job, into, emit=events.append)
    return manifest, [event.message for event in events if isinstance(event, Warned)]


def packed(folder: Path, archive: Path, *, within: str = "") -> Path:
    """The files of `folder` as a tar file or a zip, in a folder of the archive."""
    form = {".zip": "zip", ".gz": "gztar", ".tar": "tar"}[archive.suffix]
    root = archive.parent / f"{archive.name}-packed"
    shutil.copytree(folder, root / within)
    made = shutil.make_archive(str(root), form, root)
    return Path(made).rename(archive)


@pytest.mark.parametrize(
    ("kind", "suffix"), [*((kind, "zip") for kind in KINDS), ("lora", "tar"), ("lora", "tar.gz")]
)
def test_an_adapter_of_stock_peft_is_taken_as_it_is(
    kind: str, suffix: str, base: Path, tmp_path: Path
) -> None:
    made = make_adapter(base, tmp_path / "made", kind=kind, seed=1)
    archive = packed(made, tmp_path / f"adapter.{suffix}", within="checkpoint-30")
    manifest, warnings = register(archive, base, tmp_path / "result")
    assert manifest.kind == "adapter"
    assert verify(tmp_path / "result") == manifest
    weights = "adapter_model.safetensors"
    assert (tmp_path / "result" / weights).read_bytes() == (made / weights).read_bytes()
    assert base_of(tmp_path / "result") == base
    assert type(read_adapter(tmp_path / "result")) is type(read_adapter(made))
    assert manifest.lineage["base_reference"] == "tiny"
    assert warnings == ["1 files of the archive are left out: checkpoint-30/README.md"]


def test_what_one_of_ours_says_of_its_training_stays(
    base: Path, lora: Path, tmp_path: Path
) -> None:
    """An adapter exported elsewhere: its base is known by its digest, under whatever name."""

    def write(target: Path) -> None:
        shutil.copytree(lora, target, dirs_exist_ok=True)
        (target / "README.md").unlink()
        recorded = {"reference": "of another name", "digest": verify(base).digest}
        write_json(target / SETTINGS, {"base": recorded, "system_prompt": "Be brief"})

    exported = commit_folder(tmp_path / "ours", kind="adapter", write=write, lineage={"steps": 7})
    archive = packed(tmp_path / "ours", tmp_path / "ours.tar")
    manifest, warnings = register(archive, base, tmp_path / "result")
    assert read_settings(tmp_path / "result")["system_prompt"] == "Be brief"
    assert (manifest.lineage["origin"], warnings) == (exported.lineage, [])


def test_a_whole_model_is_taken(base: Path, tmp_path: Path) -> None:
    made = make_tiny_model(tmp_path / "made", seed=3)
    (made / "optimizer.pt").write_bytes(b"a pickle")
    manifest, warnings = register(packed(made, tmp_path / "m.zip"), base, tmp_path / "result")
    assert (manifest.kind, manifest.lineage["base_reference"]) == ("model", "llama")
    assert "optimizer.pt" not in manifest.files
    assert warnings == ["1 files of the archive are left out: optimizer.pt"]


@pytest.mark.parametrize(
    ("chosen", "named"), [("tiny", "nobody/knows"), (None, "owner/tiny-chat"), (None, "x/tiny")]
)
def test_the_base_is_the_chosen_one_or_the_one_that_is_named(
    chosen: str | None, named: str, base: Path, lora: Path, tmp_path: Path
) -> None:
    made = shutil.copytree(lora, tmp_path / "made")
    change(made / "adapter_config.json", base_model_name_or_path=named)
    register(packed(made, tmp_path / "a.zip"), base, tmp_path / "result", chosen=chosen)
    assert base_of(tmp_path / "result") == base


def change(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def other_base(folder: Path) -> None:
    change(folder / "adapter_config.json", base_model_name_or_path="a/b")


def other_digest(folder: Path) -> None:
    write_json(folder / SETTINGS, {"base": {"reference": "tiny", "digest": "0" * 64}})


def narrow(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    save_file({name: tensor[:, :-1].contiguous() for name, tensor in load_file(path).items()}, path)


def damaged(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:100])


def changed_since(folder: Path) -> None:
    shutil.move(folder, folder.parent / "before")
    commit_folder(
        folder,
        kind="adapter",
        write=lambda target: (
            shutil.copytree(folder.parent / "before", target, dirs_exist_ok=True) and None
        ),
    )
    change(folder / "adapter_config.json", lora_alpha=1)


ADAPTERS: Mapping[Callable[[Path], None], str] = {
    other_base: "an adapter of 'a/b', which is not here",
    other_digest: "trained on another tiny",
    narrow: "does not fit",
    damaged: "cannot be read",
    changed_since: "does not match the manifest",
    lambda folder: change(folder / "adapter_config.json", peft_type="IA3"): "of kind IA3",
    lambda folder: change(folder / "adapter_config.json", use_dora=True): "use_dora",
    lambda folder: change(folder / "adapter_config.json", r=0): "r is 0",
    lambda folder: change(folder / "adapter_config.json", lora_alpha="x"): "lora_alpha 'x'",
    lambda folder: (folder / "adapter_config.json").write_text("[") and None: "cannot be read",
    lambda folder: (folder / "adapter_config.json").write_text("[1]") and None: "JSON object",
    lambda folder: (folder / "adapter_config.json").unlink(): "holds no model",
}


@pytest.mark.parametrize(("spoil", "problem"), ADAPTERS.items())
def test_an_adapter_that_cannot_be_used_is_refused(
    spoil: Callable[[Path], None], problem: str, base: Path, lora: Path, tmp_path: Path
) -> None:
    made = shutil.copytree(lora, tmp_path / "made")
    spoil(made)
    with pytest.raises(ModelRejected, match=problem):
        register(packed(made, tmp_path / "a.zip"), base, tmp_path / "result")
    assert not list(tmp_path.glob("*result*")) + list(tmp_path.glob(".*"))


def without_a_layer(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    save_file({name: tensors[name] for name in sorted(tensors)[:-1]}, path, {"format": "pt"})


def only_pickles(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


MODELS: Mapping[Callable[[Path], None], str] = {
    without_a_layer: "lacks 1 weights",
    only_pickles: "no weights",
    lambda folder: change(folder / "config.json", auto_map={"AutoModel": "x.Y"}): "its own code",
    lambda folder: change(folder / "config.json", model_type="unheard-of"): "unheard-of",
    lambda folder: change(folder / "config.json", intermediate_size=95): "cannot be loaded",
    lambda folder: (folder / "tokenizer.json").unlink(): "tokenizer",
}


@pytest.mark.parametrize(("spoil", "problem"), MODELS.items())
def test_a_model_that_cannot_be_used_is_refused(
    spoil: Callable[[Path], None], problem: str, base: Path, tmp_path: Path
) -> None:
    made = make_tiny_model(tmp_path / "made")
    spoil(made)
    with pytest.raises(ModelRejected, match=problem):
        register(packed(made, tmp_path / "m.tar"), base, tmp_path / "result")


def tar_of(*members: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for member in members:
            file.addfile(member, io.BytesIO(bytes(member.size)) if member.isfile() else None)
    return buffer.getvalue()


def member(name: str, *, size: int = 2, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, "/etc/passwd"
    return info


def zip_of(*names: str, size: int = 2) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names:
            file.writestr(name, bytes(size))
    return buffer.getvalue()


CONFIG = member("config.json")
ARCHIVES = {
    b"": "neither a tar file nor a zip",
    b"PK\x03\x04 no archive": "neither a tar file nor a zip",
    zip_of("../config.json", "../../etc/x.safetensors"): "tokenizer|JSON|no weights|code",
    zip_of("notes.txt"): "holds no model",
    zip_of("config.json", size=60_000_000): "20 times its size",
    zip_of(*(f"{n}.json" for n in range(10_001))): "more than 10,000 files",
    zip_of("config.json", "a.safetensors")[:-40]: "neither|damaged",
    tar_of(CONFIG, member("a.safetensors", kind=tarfile.SYMTYPE)): "no plain file",
    tar_of(CONFIG, member("a.safetensors", kind=tarfile.LNKTYPE)): "no plain file",
    tar_of(CONFIG, member("a.json", kind=tarfile.CHRTYPE)): "no plain file",
    tar_of(CONFIG, member("config.json")): "is there twice",
    tar_of(CONFIG, member("/a/b.safetensors", size=50_000_000)): "20 times its size",
    tar_of(CONFIG, member("w.safetensors", size=9_000_000))[:-2000]: "damaged",
}


@pytest.mark.parametrize(("content", "problem"), ARCHIVES.items(), ids=range(len(ARCHIVES)))
def test_a_hostile_archive_is_refused_and_touches_nothing_else(
    content: bytes, problem: str, base: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "folder" / "m.zip"
    archive.parent.mkdir()
    archive.write_bytes(content)
    with pytest.raises(ModelRejected, match=problem):
        register(archive, base, tmp_path / "folder" / "result")
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "m.zip"]
