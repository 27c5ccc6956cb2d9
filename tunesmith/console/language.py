"""The console's languages. Texts in templates and code are English; a catalog translates them.

`_("...")` marks a text, in templates and in code; `translations/LANGUAGE.po` has what it is in
another language. A test refuses a text without a translation.
"""

import gettext
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from fastapi import Request

LANGUAGES: Mapping[str, str] = {"en": "English", "zh": "中文"}
COOKIE = "tunesmith_language"
TRANSLATIONS = Path(__file__).parent / "translations"


def language_of(request: Request) -> str:
    """What the visitor chose, else the first of the browser's languages that there is."""
    chosen = request.cookies.get(COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    wanted = request.headers.get("accept-language", "").lower().split(",")
    offered = (each.strip().partition(";")[0].partition("-")[0] for each in wanted)
    return next((each for each in offered if each in LANGUAGES), "en")


@cache
def catalog(language: str) -> gettext.NullTranslations:
    """The texts of a language; English texts stand for themselves."""
    path = TRANSLATIONS / f"{language}.po"
    if not path.exists():
        return gettext.NullTranslations()
    compiled = BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def mark(text: str) -> str:
    """Mark a text that is translated where it is shown; extraction knows it by this name."""
    return text
