"""The programs that can serve a base model, all behind the same HTTP API. Torch-free."""

import importlib.util
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tunesmith.errors import RecipeInvalid
from tunesmith.schema import choose
from tunesmith.serving.llamacpp import find_gguf
from tunesmith.serving.sizes import read_size
from tunesmith.serving.spec import ServeSpec

REFERENCE = "reference"


@dataclass(frozen=True)
class EngineKind:
    """A program that serves.

    Attributes:
        summary: what it is, in a line.
        package: what has to be importable; None for our own.
        program: what has to be on the PATH; None where it runs within our own process.
        module: whose `serve(spec)` is called where it runs within our own process.
        command: what starts it as a program of its own, instead.
        environment: further variables that the program needs.
        loads_adapters: whether adapters come and go while it runs.
        check: refuses the folder of a base model that it cannot serve.
        busy: its figures under /metrics that are 0 when it writes no answer.
    """

    summary: str
    package: str | None = None
    program: str | None = None
    module: str = "tunesmith.serving.process"
    command: Callable[[ServeSpec], list[str]] | None = None
    environment: Callable[[ServeSpec], Mapping[str, str]] = lambda spec: {}
    loads_adapters: bool = True
    check: Callable[[Path], object] = lambda folder: None
    busy: tuple[str, ...] = ("tunesmith_engine_num_running", "tunesmith_engine_num_waiting")


def _vllm(spec: ServeSpec) -> list[str]:
    return [
        "vllm", "serve", spec.base,
        "--served-model-name", spec.name,
        "--host", spec.host,
        "--port", str(spec.port),
        "--max-model-len", str(spec.engine.context_tokens),
        "--enable-lora",
        "--max-loras", "8",  # in one step; further ones wait for the next
        "--max-lora-rank", "64",
        "--no-enable-prefix-caching",  # all who ask would share it, and time would tell
        "--middleware", "tunesmith_guard.Guard",
    ]  # fmt: skip


def _vllm_environment(spec: ServeSpec) -> Mapping[str, str]:
    # On a CPU it would else take what is free; on a GPU it has a share of the GPU's own memory.
    cache_bytes = spec.engine.kv_tokens * read_size(Path(spec.base)).states_per_token * 2
    return {
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "VLLM_API_KEY": spec.key or "",
        "VLLM_CPU_KVCACHE_SPACE": str(math.ceil(cache_bytes / 2**30)),
        "VLLM_NO_USAGE_STATS": "1",
        "PYTHONPATH": str(Path(__file__).with_name("in_vllm")),
    }


ENGINES: Mapping[str, EngineKind] = {
    REFERENCE: EngineKind("Tunesmith's own, in PyTorch: exact, on any machine"),
    "llamacpp": EngineKind(
        "llama.cpp: base models that have a GGUF file, in its own quantization; no adapters",
        package="xllamacpp",
        module="tunesmith.serving.llamacpp",
        loads_adapters=False,
        check=find_gguf,
        busy=("llamacpp:requests_processing", "llamacpp:requests_deferred"),
    ),
    "vllm": EngineKind(
        "vLLM, for GPUs; from an environment of its own, tried on a CPU alone",
        program="vllm",
        command=_vllm,
        environment=_vllm_environment,
        busy=("vllm:num_requests_running", "vllm:num_requests_waiting"),
    ),
}


def find_engine(engine: str) -> EngineKind:
    """The engine of that name, which is installed.

    Raises:
        NotFound: there is none.
        RecipeInvalid: it is not installed.
    """
    found = choose(ENGINES, engine, what="engine")
    if found.package is not None and importlib.util.find_spec(found.package) is None:
        raise RecipeInvalid(
            f"the engine {engine} is not installed", hint=f"pip install 'tunesmith[{engine}]'"
        )
    if found.program is not None and shutil.which(found.program) is None:
        raise RecipeInvalid(
            f"the engine {engine} is not installed",
            hint=f"install it into an environment of its own, and put {found.program} on the PATH",
        )
    return found


def check_engine(engine: str, *, model: str, base: Path, is_adapter: bool) -> None:
    """Whether an engine can serve a model that stands on the base model in the folder `base`.

    Raises:
        NotFound: there is no such engine.
        RecipeInvalid: it is not installed, or serves no adapters.
        ModelRejected: it cannot serve the base model.
    """
    kind = find_engine(engine)
    if is_adapter and not kind.loads_adapters:
        raise RecipeInvalid(
            f"{model} is an adapter, the engine {engine} serves base models alone",
            hint=f"leave engine out: {REFERENCE} serves it",
        )
    kind.check(base)
