"""Serving models in the foreground: which base, which adapters, under which names."""

from collections.abc import Callable, Sequence
from pathlib import Path

from tunesmith.errors import RecipeInvalid, RunFailed
from tunesmith.service import engine
from tunesmith.service.models import find_base
from tunesmith.service.runs import find_chat_folder
from tunesmith.serving.spec import ServeSpec
from tunesmith.store.home import Home

Say = Callable[[str], None]
ADAPTER = "adapter_config.json"  # what PEFT calls it


def find_served(
    home: Home, references: Sequence[str], *, base: str | None, say: Say
) -> tuple[str, Path, dict[str, Path]]:
    """The name and folder of the one base of all `references`, and the adapters among them.

    Raises:
        NotFound: there is no such model.
        ModelRejected: an adapter's base is gone or has changed.
        RecipeInvalid: they do not share one base model, or two have the same name.
        FetchFailed: a base model is not here yet and could not be fetched.
        NotEnoughResources: the disk is too small to fetch it.
    """
    bases: dict[Path, str] = {}
    adapters: dict[str, Path] = {}
    if base is not None:
        bases[Path(find_base(home, base, say=say).folder).resolve()] = base
    for reference in references:
        name, folder = find_chat_folder(home, reference, say=say)
        if not (folder / ADAPTER).is_file():
            bases[folder.resolve()] = name
            continue
        if name in adapters:
            raise RecipeInvalid(f"two models are called {name}", hint="rename one of the folders")
        adapters[name] = folder
        if base is None:
            own = engine.load().base_of(folder).resolve()
            bases.setdefault(own, own.name)
    if len(bases) > 1:
        names = ", ".join(sorted(bases.values()))
        raise RecipeInvalid(
            f"one base model is served at a time, these stand on several: {names}",
            hint="start one `tunesmith serve` for each, with a --port of its own",
        )
    [(folder, name)] = bases.items()
    return name, folder, adapters


def serve(spec: ServeSpec, *, on_ready: Callable[[int], None]) -> None:
    """Load and answer until a signal comes.

    Raises:
        RecipeInvalid: the address cannot be listened on.
        ModelRejected: base or adapter cannot be served.
        NotEnoughMemory: they do not fit.
        RunFailed: the engine failed on the way.
    """
    if not engine.load().serve(spec, on_ready=on_ready):
        raise RunFailed("the engine failed", hint="start it again; its last message says why")
