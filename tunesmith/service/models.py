"""Base models: where a reference leads, pulling, listing."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tunesmith.artifacts import FileEntry, Manifest, is_intact, read_manifest, sha256_file
from tunesmith.errors import ModelRejected, NotFound
from tunesmith.events import Event, PhaseStarted
from tunesmith.modeling.catalog import CATALOG, CatalogEntry, converted_folder
from tunesmith.modeling.config import MethodConfig
from tunesmith.modeling.job import PullJob
from tunesmith.schema import Strict, choose, validate
from tunesmith.service import engine
from tunesmith.store.home import Home
from tunesmith.training.job import PinnedModel

Say = Callable[[str], None]


@dataclass(frozen=True)
class ModelView:
    """A base model as a list shows it."""

    name: str
    summary: str
    licence: str
    num_parameters: int
    pulled: bool
    bytes_on_disk: int
    folder: str


def list_models(home: Home) -> list[ModelView]:
    """The catalog, with what is already here."""
    return [_view(entry, home.models / entry.name) for entry in CATALOG.values()]


def _view(entry: CatalogEntry, folder: Path) -> ModelView:
    manifest = read_manifest(folder)
    size = sum(file.bytes for file in manifest.files.values()) if manifest else 0
    return ModelView(
        name=entry.name,
        summary=entry.summary,
        licence=entry.licence,
        num_parameters=entry.num_parameters,
        pulled=manifest is not None,
        bytes_on_disk=size,
        folder=str(folder),
    )


def pull_model(home: Home, name: str, *, say: Say = lambda line: None) -> Path:
    """Fetch the catalog model `name` unless it is here and intact; return its folder.

    Raises:
        NotFound: the catalog has no such model.
        FetchFailed: none of its sources could be used, with the reason of each.
        NotEnoughResources: the disk is too small for it.
    """
    choose(CATALOG, name, what="base model")
    folder = home.models / name
    if is_intact(folder):
        say(f"{name} is already here: {folder}")
        return folder
    return _pull(home, name, say=say)


def _pull(home: Home, source: str, *, say: Say) -> Path:
    def listener(event: Event) -> None:
        if isinstance(event, PhaseStarted):
            say(f"{event.phase} {event.detail}")

    job = PullJob(source=source, models=str(home.models))
    return engine.load().run_pull(job, emit=listener).folder


def find_base(home: Home, reference: str, *, say: Say = lambda line: None) -> PinnedModel:
    """Where `reference` leads: a catalog name (pulled if need be), a folder, or a GGUF file.

    Raises:
        NotFound: it is none of these.
        ModelRejected: a folder or file that cannot be a base model.
        FetchFailed: it is not here yet and could not be fetched.
        NotEnoughResources: the disk is too small to fetch it.
    """
    path = Path(reference).expanduser()
    if reference in CATALOG:
        folder = home.models / reference
        if not is_intact(folder):
            pull_model(home, reference, say=say)
    elif path.is_dir():
        folder = path.resolve()
        _check_layout(folder)
    elif path.is_file() and path.suffix == ".gguf":
        folder = converted_folder(home.models, path)
        if not is_intact(folder):
            _pull(home, str(path), say=say)
    elif path.exists():
        raise ModelRejected(f"{path} is neither a model folder nor a .gguf file")
    else:
        choose(CATALOG, reference, what="base model")
        raise NotFound(f"there is no base model {reference!r}")
    return PinnedModel(reference=reference, digest=_digest(folder), folder=str(folder))


def _check_layout(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise ModelRejected(
            f"{folder} has no config.json", hint="give a folder in Hugging Face layout"
        )


def _digest(folder: Path) -> str:
    """The manifest's digest of a folder of ours; else that of the files that make the model."""
    manifest = read_manifest(folder)
    if manifest is not None:
        return manifest.digest
    names = ("config.json", "tokenizer.json", "chat_template.jinja", "tokenizer_config.json")
    paths = [folder / name for name in names if (folder / name).is_file()]
    paths += sorted(folder.glob("*.safetensors"))
    files = {p.name: FileEntry(bytes=p.stat().st_size, sha256=sha256_file(p)) for p in paths}
    return Manifest(kind="base-model", files=files).digest


@dataclass(frozen=True)
class InspectionView:
    """What a method would train on a base model. The counts sum exactly."""

    model: str
    method: str
    trainable: dict[str, int]
    num_trainable: int
    total: int
    bytes_on_disk: int
    result_bytes: int


def inspect_model(
    home: Home,
    reference: str,
    *,
    method: str,
    rank: int,
    targets: str,
    say: Say = lambda line: None,
) -> InspectionView:
    """Names and counts of what `method` would train (F93), and sizes.

    Raises:
        NotFound: there is no such model.
        RecipeInvalid: there is no such method, or it does not fit the model.
        ModelRejected: the model's folder is incomplete or could run code.
        FetchFailed: it is not here yet and could not be fetched.
        NotEnoughResources: the disk is too small to fetch it.
    """
    settings: dict[str, object] = {"kind": method}
    if method == "lora":
        settings |= {"rank": rank, "targets": targets}
    config = validate(_MethodChoice, {"method": settings}, source="models inspect").method
    base = find_base(home, reference, say=say)
    folder = Path(base.folder)
    count = engine.load().count_parameters(folder, config)
    return InspectionView(
        model=reference,
        method=method,
        trainable=count.trainable,
        num_trainable=count.num_trainable,
        total=count.total,
        bytes_on_disk=sum(path.stat().st_size for path in folder.glob("*.safetensors")),
        result_bytes=count.num_trainable * (4 if method == "lora" else 2),
    )


class _MethodChoice(Strict):
    method: MethodConfig
