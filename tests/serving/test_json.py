"""JSON by construction, from a model that knows none."""

import json
from collections.abc import Iterator

import pytest

from tests.conftest import make_tiny_model
from tests.serving.adapters import request, tokens_of
from tests.serving.test_exactness import LIVELY, some_prompts
from tunesmith.errors import RequestRejected
from tunesmith.serving.config import EngineConfig
from tunesmith.serving.engine import TorchEngine
from tunesmith.serving.load import load_engine
from tunesmith.serving.protocol import Sampling

[PROMPT] = some_prompts((20,))
SCHEMA = {
    "type": "object",
    "properties": {
        "size": {"enum": ["small", "large"]},
        "count": {"type": "integer", "minimum": 0, "maximum": 99},
        "tags": {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 3},
    },
    "required": ["size", "count", "tags"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TorchEngine]:
    folder = make_tiny_model(tmp_path_factory.mktemp("models") / "lively", **LIVELY)
    engine = load_engine(folder, EngineConfig(precision="fp32", kv_tokens=4096))
    yield engine
    engine.close()


def test_every_answer_is_what_the_schema_accepts(engine: TorchEngine) -> None:
    sampling = Sampling(json_schema=SCHEMA, num_choices=8, seed=1, max_tokens=200)
    answers: dict[int, str] = dict.fromkeys(range(8), "")
    for piece in engine.submit(request(PROMPT, sampling=sampling)):
        answers[piece.choice] += piece.text
        assert piece.finish in (None, "stop")
    for text in answers.values():
        answer = json.loads(text)
        assert set(answer) == {"size", "count", "tags"}
        assert answer["size"] in ("small", "large")
        assert 0 <= answer["count"] <= 99
        assert 1 <= len(answer["tags"]) <= 3
    assert len(set(answers.values())) > 1


def test_other_answers_of_the_batch_are_free(engine: TorchEngine) -> None:
    alone = tokens_of(engine.submit(request(PROMPT, sampling=Sampling(seed=3, max_tokens=20))))
    tied = engine.submit(request(PROMPT, sampling=Sampling(json_schema=SCHEMA, max_tokens=40)))
    free = engine.submit(request(PROMPT, sampling=Sampling(seed=3, max_tokens=20)))
    assert tokens_of(free) == alone
    list(tied)


def test_a_schema_that_is_none_is_refused(engine: TorchEngine) -> None:
    for schema in ({"type": "nonsense"}, {"$ref": "http://elsewhere/schema"}):
        sampling = Sampling(json_schema=schema)
        with pytest.raises(RequestRejected, match="JSON schema cannot be used"):
            engine.submit(request(PROMPT, sampling=sampling))
