"""llama.cpp's server as a side of P7. Needs the extra `llamacpp` and a base with its GGUF file."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx2
import xllamacpp

from tunesmith.serving.config import EngineConfig
from tunesmith.serving.llamacpp import configure, find_gguf
from tunesmith.serving.spec import ServeSpec


@dataclass(frozen=True)
class Answer:
    """By `perf_counter` when its first token came, and how many there were."""

    first_token_at: float
    num_tokens: int


def serve(base: Path) -> Callable[..., Answer]:
    """Load `base`; what asks for a greedy completion of a prompt, for as long as it is kept."""
    spec = ServeSpec(name="base", base=str(base), engine=EngineConfig())
    parameters = configure(xllamacpp.CommonParams(), spec, model=find_gguf(base))
    return partial(_complete, xllamacpp.Server(parameters))


def _complete(server: xllamacpp.Server, prompt: list[int], *, answer_tokens: int) -> Answer:
    asked = {
        "prompt": prompt,
        "max_tokens": answer_tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    first, count = 0.0, 0
    address = f"{server.listening_address}/v1/completions"
    with httpx2.stream("POST", address, json=asked, timeout=600) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                first = first or time.perf_counter()
                usage = json.loads(line.removeprefix("data: ")).get("usage")
                count = usage["completion_tokens"] if usage else count
    return Answer(first, count)
