"""The engine llama.cpp: its own HTTP server in this process, over the GGUF file of a base."""

import importlib
import os
import threading
from pathlib import Path
from typing import Any

from tunesmith.errors import ModelRejected
from tunesmith.serving.spec import ServeSpec


def serve(spec: ServeSpec) -> bool:
    """Load and answer until a signal ends the process.

    Raises:
        ModelRejected: the base has no GGUF file, or llama.cpp cannot load it.
    """
    xllamacpp: Any = importlib.import_module("xllamacpp")  # an extra, without types
    parameters = configure(xllamacpp.CommonParams(), spec, model=find_gguf(Path(spec.base)))
    try:
        server = xllamacpp.Server(parameters)
    except RuntimeError as error:
        raise ModelRejected(
            f"llama.cpp cannot load {spec.name}: {error}",
            hint="the file may be damaged, or of an architecture that it does not know",
        ) from error
    threading.Event().wait()  # its threads answer
    del server
    return True


def find_gguf(folder: Path) -> Path:
    """The GGUF file of the base model in `folder`.

    Raises:
        ModelRejected: there is none.
    """
    found = min(folder.glob("*.gguf"), default=None)
    if found is None:
        raise ModelRejected(
            f"{folder.name} has no .gguf file, which the engine llamacpp serves",
            hint="leave engine out, or pull a model that comes as GGUF",
        )
    return found


def configure(parameters: Any, spec: ServeSpec, *, model: Path) -> Any:
    """llama.cpp's parameters for `spec`."""
    parameters.model.path = str(model)
    parameters.model_alias = {spec.name}
    parameters.hostnames = [spec.host]
    parameters.port = spec.port
    parameters.api_keys = [spec.key] if spec.key else []
    parameters.n_ctx = spec.engine.kv_tokens
    parameters.kv_unified = True  # each answer may take all that is free
    parameters.n_parallel = spec.engine.max_sequences
    parameters.n_predict = spec.engine.answer_tokens  # where nothing is asked for
    parameters.cpuparams.n_threads = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
    # Beginnings of prompts would be shared by all who ask, and the time of an answer would tell.
    parameters.cache_prompt = False
    parameters.cache_ram_mib = 0
    parameters.endpoint_metrics = True
    parameters.endpoint_slots = False  # shows prompts
    parameters.ui = False
    parameters.warmup = False
    parameters.verbosity = -1
    return parameters
