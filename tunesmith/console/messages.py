"""What the packages below say in English, in the visitor's language.

Errors, hints, reasons and warnings reach a page as English sentences, since what makes them knows
of no languages. A sentence is read by the template that it was made from, such as `job {0} is
{1}`, and so are the values in it; `translations/messages.LANGUAGE.po` has what each template is
in another language. What fits no template is shown as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from string import Formatter
from typing import get_args

from babel.messages.pofile import read_po

from tunesmith.console.language import TRANSLATIONS, catalog, mark
from tunesmith.console.words import word
from tunesmith.service.kinds import KINDS
from tunesmith.store.tables import DeploymentState, JobStatus

_DEEPEST = 5  # sentences within sentences
# How sentences are put together: `data.csv, row 3: ...`.
_JOINTS = (
    ("{0}: {1}", "{0}：{1}"),
    ("{0}; {1}", "{0}；{1}"),
    ("{0}, {1}", "{0}，{1}"),
    ("{0} ({1})", "{0}（{1}）"),
    ("{0} {1}", "{0} {1}"),
)
# Words of ours in sentences; elsewhere the same text may be a name that somebody gave.
_WORDS = (
    *get_args(JobStatus),
    *get_args(DeploymentState),
    *(kind.stage for kind in KINDS.values()),
    *(mark("all"), mark("any"), mark("dataset"), mark("format"), mark("method"), mark("run")),
)


@dataclass(frozen=True)
class Template:
    """A sentence with gaps, and its translation.

    Attributes:
        literals: the texts around the gaps, one more than there are gaps.
        are_words: for each gap, whether a word of ours fills it.
        translation: with the gaps `{0}`, `{1}` and so on.
        weight: how many letters of a sentence it explains.
    """

    literals: tuple[str, ...]
    are_words: tuple[bool, ...]
    translation: str
    weight: int

    @classmethod
    def of(cls, english: str, translation: str, *, weight: int | None = None) -> "Template":
        """Of two texts with the same gaps; in the English one they are in order."""
        literals: list[str] = [""]
        are_words: list[bool] = []
        for literal, gap, kind, _ in Formatter().parse(english):
            literals[-1] += literal
            if gap is not None:
                literals.append("")
                are_words.append(kind == "word")
        letters = sum(map(str.isalnum, "".join(literals))) if weight is None else weight
        return cls(tuple(literals), tuple(are_words), translation, letters)

    @property
    def is_light(self) -> bool:
        """Whether it is so short, as `line {0}` is, that it also fits what was not made from it."""
        return 0 <= self.weight < 5

    def values_in(self, text: str) -> list[str] | None:
        """What fills the gaps if `text` is made from this template, the first ones shortest."""
        first, *rest = self.literals
        if not rest:
            return [] if text == first else None
        *between, last = rest
        at, end = len(first), len(text) - len(last)
        if end < at or not text.startswith(first) or not text.endswith(last):
            return None
        values: list[str] = []
        for literal in between:
            found = text.find(literal, at, end)
            if found < 0:
                return None
            values.append(text[at:found])
            at = found + len(literal)
        return [*values, text[at:end]]


@dataclass(frozen=True)
class _Reading:
    """A text as it was understood: how many of its letters are explained, and its translation."""

    known: int
    text: str


def said(text: str, language: str) -> str:
    """A sentence in a language; as it is, where nothing is known of it."""
    return _read(text, language, _DEEPEST).text


@lru_cache(maxsize=4096)
def _read(text: str, language: str, depth: int) -> _Reading:
    """The reading that explains most: as `job {0} is {1}` rather than `{0} is {1}`."""
    best = _Reading(0, text)
    if " " not in text or not depth:
        return best
    for template in _templates(language):
        values = template.values_in(text)
        if values is not None:
            reading = _read_as(template, values, language, depth)
            best = reading if reading.known > best.known else best
    return best


def _read_as(template: Template, values: list[str], language: str, depth: int) -> _Reading:
    words = _words(language)
    parts = [
        _Reading(len(value), words[value])
        if is_word and value in words
        else _read(value, language, depth - 1)
        for value, is_word in zip(values, template.are_words, strict=True)
    ]
    if template.is_light and any(map(_is_unclear, values, parts)):
        return _Reading(0, "")
    known = template.weight + sum(part.known for part in parts)
    return _Reading(known, template.translation.format(*(part.text for part in parts)))


def _is_unclear(value: str, reading: _Reading) -> bool:
    """Whether a value is neither a word nor one sentence that is known."""
    return " " in value and (not reading.known or ": " in value)


@cache
def _templates(language: str) -> Sequence[Template]:
    """Those of a language, the longest first: of readings that explain as much, the first wins."""
    path = TRANSLATIONS / f"messages.{language}.po"
    if not path.exists():
        return ()
    with path.open("rb") as file:
        pairs = [(str(each.id), str(each.string)) for each in read_po(file) if each.id]
    templates = [Template.of(english, translation) for english, translation in pairs]
    templates.sort(key=lambda each: len("".join(each.literals)), reverse=True)
    # A joint explains nothing, and costs: a sentence is better read without one.
    return (*templates, *(Template.of(*pair, weight=-1) for pair in _JOINTS))


@cache
def _words(language: str) -> Mapping[str, str]:
    return {each: catalog(language).gettext(word(each)) for each in _WORDS}
