"""Every text of the console is there in every language."""

import re

from tunesmith.console.language import catalog
from tunesmith.console.translations.update import read_catalog, template, untranslated
from tunesmith.console.words import WORDS
from tunesmith.store.tables import ACTIVE, TERMINAL

_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]")


def test_the_catalog_has_every_text_and_no_other() -> None:
    texts = {each.id for each in template() if each.id}
    kept = {each.id for each in read_catalog("zh") if each.id}
    assert len(texts) > 50
    assert texts - kept == set(), "make translations puts new texts into the catalog"
    assert kept - texts == set(), "make translations takes texts out that are gone"
    assert untranslated(read_catalog("zh")) == []


def test_translations_hold_the_same_placeholders() -> None:
    for message in read_catalog("zh"):
        originals = message.id if isinstance(message.id, tuple) else (message.id,)
        wanted = set(_PLACEHOLDER.findall(originals[-1]))
        for text in message.string if isinstance(message.string, tuple) else (message.string,):
            assert set(_PLACEHOLDER.findall(text)) == wanted, message.id


def test_chinese_texts_come_out_of_the_catalog() -> None:
    assert catalog("zh").gettext("Log in") == "登录"
    assert catalog("en").gettext("Log in") == "Log in"


def test_every_state_of_a_job_has_a_word() -> None:
    assert {*ACTIVE, *TERMINAL, "queued", "paused"} <= set(WORDS)
