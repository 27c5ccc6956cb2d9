"""Vectors of a tiny sentence encoder, and the encoders that are refused."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModel

from tests.serving.encoder import make_tiny_encoder
from tunesmith.errors import ModelRejected, RequestRejected
from tunesmith.modeling.load import load_model
from tunesmith.serving.embedding import Cut, Encoder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_tiny_encoder(tmp_path / "encoder")
    return tmp_path / "encoder"


def test_a_long_text_is_cut_and_said_to_be(folder: Path) -> None:
    encoder = Encoder(folder)
    vectors = encoder.encode(["a b", "c " * 50, [2, *[5] * 60]])
    # the text has [CLS] and [SEP] beside its 50 letters, and keeps both
    assert vectors.cut == [Cut(1, 52, 40), Cut(2, 61, 40)]
    assert vectors.num_tokens == 4 + 40 + 40
    [same] = encoder.encode(["c " * 38]).values
    assert vectors.values[1] == pytest.approx(same, abs=1e-6)


def test_what_is_empty_or_unknown_is_refused(folder: Path) -> None:
    encoder = Encoder(folder)
    for given in ("", []):
        with pytest.raises(RequestRejected, match="input 1 is empty"):
            encoder.encode(["a", given])
    with pytest.raises(RequestRejected, match="unknown tokens"):
        encoder.encode([[5, 1000]])


@pytest.mark.parametrize(
    "written", [{"pooling_mode_cls_token": True}, {"pooling_mode": "cls"}], ids=["old", "new"]
)
def test_the_first_state_where_the_model_says_so(folder: Path, written: dict[str, object]) -> None:
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(written))
    ids = [2, 5, 6, 7, 3]
    model = AutoModel.from_pretrained(folder)
    with torch.no_grad():
        state = model(torch.tensor([ids])).last_hidden_state[0, 0]
    [found] = Encoder(folder).encode([ids]).values
    assert found == pytest.approx((state / state.norm()).tolist(), abs=1e-6)


@pytest.mark.parametrize(
    ("file", "written", "said"),
    [
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, "by max"),
        (
            "1_Pooling/config.json",
            {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
            r"by mean\+cls",
        ),
        ("modules.json", [{"type": "sentence_transformers.models.Dense"}], "layer Dense"),
        ("modules.json", [{}], "cannot be read"),
    ],
)
def test_what_would_be_other_vectors_is_refused(
    folder: Path, file: str, written: object, said: str
) -> None:
    (folder / file).write_text(json.dumps(written))
    with pytest.raises(ModelRejected, match=said):
        Encoder(folder)


def test_an_encoder_is_not_trained_or_chatted_with(folder: Path) -> None:
    with pytest.raises(ModelRejected, match="is a sentence encoder, it writes no texts"):
        load_model(folder, dtype="fp32", packed=True)
