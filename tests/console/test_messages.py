"""What other packages say in English is read on a Chinese page in Chinese."""

import re
from io import BytesIO

import pytest
from playwright.sync_api import Browser, expect

from tests.api.serving import Served
from tests.console.visitors import visiting
from tunesmith.console.messages import said
from tunesmith.console.translations.sentences import sentences
from tunesmith.console.translations.update import read_catalog, untranslated
from tunesmith.data.formats.fields import RowRejected, items
from tunesmith.data.sources.datafile import DataFile
from tunesmith.errors import NotFound, TunesmithError
from tunesmith.schema import choose, validate
from tunesmith.training.config import TrainConfig

_GAP = re.compile(r"\{(\d+)(?::word)?\}")
_CATALOG = {str(each.id): str(each.string) for each in read_catalog("messages.zh") if each.id}


def test_the_catalog_has_every_sentence_and_no_other() -> None:
    found = sentences()
    assert len(found) > 500
    assert found - set(_CATALOG) == set(), "make translations puts new sentences into the catalog"
    assert set(_CATALOG) - found == set(), "make translations takes sentences out that are gone"
    assert untranslated(read_catalog("messages.zh")) == []


def test_translations_have_the_same_gaps() -> None:
    for english, chinese in _CATALOG.items():
        assert sorted(_GAP.findall(chinese)) == sorted(_GAP.findall(english)), english


def test_every_sentence_is_read_by_the_template_it_was_made_from() -> None:
    for english, chinese in _CATALOG.items():
        values = [f"<{number}>" for number in _GAP.findall(english)]
        sentence = _GAP.sub(r"{\1}", english).format(*values)
        assert said(sentence, "zh") == chinese.format(*values)


def test_a_sentence_within_another_is_translated_too() -> None:
    with pytest.raises(RowRejected) as rejected:
        items("hello", "messages")
    file = DataFile("my data.jsonl", ".jsonl", BytesIO(), num_packed_bytes=0)
    refused = file.rejected(str(rejected.value), at="row 3")
    assert said(refused.message, "zh") == "my data.jsonl，第 3 行：`messages` 是文本，应为列表"


def _refusal_of(key: str, value: object) -> TunesmithError:
    recipe = {"name": "n", "model": "smollm2-135m", "data": {"train": "d"}}
    recipe[key] = value
    with pytest.raises(TunesmithError) as refused:
        validate(TrainConfig, recipe, source="recipe")
    return refused.value


def test_what_is_wrong_with_a_setting_is_said_in_chinese() -> None:
    error = _refusal_of("training", {"epochs": -1})
    assert said(error.message, "zh") == "recipe：training.epochs 必须大于或等于 1，实际为 -1"
    error = _refusal_of("training", {"epoch": 1})
    assert said(error.message, "zh") == "recipe：未知的键 'training.epoch'"
    assert said(error.hint, "zh").startswith("是否想写 'epochs'？此处可用的键：")


def test_a_word_of_ours_is_translated_and_a_name_is_not() -> None:
    assert said("job j-1 is running, so it cannot be queued again", "zh") == (
        "任务 j-1 处于“运行中”状态，因此不能变为“重新排队”"
    )
    with pytest.raises(NotFound) as missing:
        choose({"running": 1}, "runing", what="dataset")
    assert said(missing.value.message, "zh") == "未知的数据集 'runing'"
    assert said(missing.value.hint, "zh") == "是否想写 'running'？可用的有：running"
    assert said("there is no run 'running'", "zh") == "没有训练 'running'"


@pytest.mark.parametrize("text", ["", "数据集", "Expecting value: line 1 column 1 (char 0)", "{0}"])
def test_what_nobody_knows_stays_as_it_is(text: str) -> None:
    assert said(text, "zh") == text


def test_english_stays_english() -> None:
    assert said("there is no job 'x'", "en") == "there is no job 'x'"


def test_a_chinese_visitor_reads_errors_in_chinese(browser: Browser, served: Served) -> None:
    with visiting(browser, served, language="zh") as visit:
        page = visit.open("/login")
        page.locator("#email").fill("nobody@example.org")
        page.locator("#password").fill("not this one")
        page.locator("button[type=submit]").click()
        expect(page.locator("[role=alert]")).to_have_text("邮箱或密码错误")
