"""The real base model with real chats: the engine's greedy answers are those of transformers."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import tunesmith
from tests.serving.adapters import make_adapter, reference, request, tokens_of
from tests.serving.test_sizes import check_plan
from tunesmith.serving.config import EngineConfig
from tunesmith.serving.engine import TorchEngine
from tunesmith.serving.load import load_engine
from tunesmith.serving.protocol import Sampling
from tunesmith.text.codec import TextCodec
from tunesmith.text.conversation import Message

ROOT = Path(__file__).parent.parent.parent
pytestmark = [pytest.mark.real_model, pytest.mark.timeout(400)]
SHORT = Sampling(temperature=0, max_tokens=16)
QUESTIONS = (
    "Name three colours.",
    "Where is my order TS-1234? It was sent two weeks ago and I have heard nothing since.",
    "Write a haiku about rain.",
    "How do I make tea?",
)


@pytest.fixture(scope="module")
def base() -> Path:
    home = ROOT / ".cache" / "test-home"
    pulled = tunesmith("models", "pull", "smollm2-135m", home=home)
    assert pulled.code == 0, pulled.err
    return home / "models" / "smollm2-135m"


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real") / "lora"
    return make_adapter(base, folder, kind="lora-attention", seed=3, scale=0.05)


@pytest.fixture(scope="module")
def prompts(base: Path) -> list[list[int]]:
    codec = TextCodec.from_folder(base)
    system = (
        "You answer customers of a shop for lamps. Be brief and kind, and never promise a date."
    )
    return [
        codec.encode_prompt([Message("system", system), Message("user", question)])
        for question in QUESTIONS
    ]


@pytest.fixture(scope="module")
def engine(base: Path, adapter: Path) -> Iterator[TorchEngine]:
    config = EngineConfig(precision="fp32", kv_tokens=2048, prefix_tokens=1024, step_tokens=64)
    engine = load_engine(base, config)
    engine.load_adapter("lora", adapter)
    yield engine
    engine.close()


def test_greedy_answers_are_those_of_transformers(
    engine: TorchEngine, base: Path, adapter: Path, prompts: list[list[int]]
) -> None:
    before = engine.base_digest()
    expected = {
        "": reference(base, None, prompts, max_new_tokens=16),
        "lora": reference(base, adapter, prompts, max_new_tokens=16),
    }
    assert expected[""] != expected["lora"]
    for _ in range(2):  # the second time from known beginnings
        streams = {
            (name, index): engine.submit(request(prompt, sampling=SHORT, adapter=name))
            for index, prompt in enumerate(prompts)
            for name in expected
        }
        for (name, index), stream in streams.items():
            assert tokens_of(stream) == expected[name][index], (name, index)
    assert engine.stats().num_cached_tokens >= 8 * 32
    assert engine.base_digest() == before


def test_json_from_the_real_tokenizer(engine: TorchEngine, prompts: list[list[int]]) -> None:
    schema = {
        "type": "object",
        "properties": {"kind": {"enum": ["refund", "question"]}, "urgent": {"type": "boolean"}},
        "required": ["kind", "urgent"],
        "additionalProperties": False,
    }
    sampling = Sampling(temperature=0, max_tokens=60, json_schema=schema)
    pieces = list(engine.submit(request(prompts[1], sampling=sampling)))
    answer = json.loads("".join(piece.text for piece in pieces))
    assert answer.keys() == {"kind", "urgent"}
    assert pieces[-1].finish == "stop"


def test_what_is_planned_is_what_is_held(base: Path) -> None:
    check_plan(base)
