import json
from pathlib import Path
from typing import Any

import pytest

from tests.text.tiny import CHATML, SPECIAL_TOKENS, TRIMMING, tiny_codec, tiny_tokenizer
from tunesmith.errors import ModelRejected
from tunesmith.text.codec import TextCodec
from tunesmith.text.folder import read_text_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_tokenizer().save(str(tmp_path / "tokenizer.json"))
    write(tmp_path, "tokenizer_config.json", SPECIAL_TOKENS)
    (tmp_path / "chat_template.jinja").write_text(CHATML)
    return tmp_path


def write(folder: Path, name: str, values: Any) -> None:
    (folder / name).write_text(json.dumps(values))


def test_a_folder_gives_the_codec_of_its_files(folder: Path) -> None:
    assert TextCodec.from_folder(folder).digest == tiny_codec().digest


def test_limits_in_the_tokenizer_file_do_not_apply(folder: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding()
    tokenizer.save(str(folder / "tokenizer.json"))
    assert TextCodec.from_folder(folder).digest == tiny_codec().digest


def test_older_places_of_the_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    write(folder, "tokenizer_config.json", {"chat_template": TRIMMING})
    assert read_text_files(folder).chat_template == TRIMMING
    named = [{"name": "tool_use", "template": CHATML}, {"name": "default", "template": TRIMMING}]
    write(folder, "tokenizer_config.json", {"chat_template": named})
    assert read_text_files(folder).chat_template == TRIMMING
    (folder / "tokenizer_config.json").unlink()
    assert read_text_files(folder).chat_template is None


def test_special_tokens_may_be_objects_or_null(folder: Path) -> None:
    entries = {"eos_token": {"content": "<|im_end|>", "special": True}, "bos_token": None}
    write(folder, "tokenizer_config.json", entries)
    assert read_text_files(folder).special_tokens == {"eos_token": "<|im_end|>"}


def test_stop_ids_come_from_the_generation_settings_first(folder: Path) -> None:
    write(folder, "config.json", {"eos_token_id": 2})
    assert read_text_files(folder).stop_ids == {2}
    write(folder, "generation_config.json", {"eos_token_id": [0, 2]})
    assert read_text_files(folder).stop_ids == {0, 2}


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("tokenizer.json", None, "has no tokenizer.json"),
        ("tokenizer.json", b"{}", "tokenizer.json is not a tokenizer"),
        ("tokenizer_config.json", b"{", "tokenizer_config.json is damaged"),
        ("tokenizer_config.json", b'{"eos_token": 3}', "is damaged: eos_token"),
        ("generation_config.json", b'{"eos_token_id": "x"}', "is damaged: eos_token_id"),
        ("chat_template.jinja", b"\xff", "chat_template.jinja is not UTF-8 text"),
    ],
)
def test_a_damaged_folder_is_refused(
    folder: Path, name: str, content: bytes | None, sentence: str
) -> None:
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(ModelRejected, match=sentence):
        TextCodec.from_folder(folder)
