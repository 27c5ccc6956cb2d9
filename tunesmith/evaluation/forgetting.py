"""What a model forgot in training (F26): general knowledge before and after. Torch-free."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias

from tunesmith.evaluation.tasks import GENERAL, Task, read_task
from tunesmith.text.conversation import Passage

Verdict: TypeAlias = Literal["kept", "weakened", "forgotten"]

_FOLDER = Path(__file__).parent / "general"  # written for this project, English and Chinese

# By how much general text may become harder to foretell, and the share of general questions that
# may be lost. Between a tenth and a half a mix with general data usually helps.
_KEPT, _WEAKENED = 1.1, 1.5
_FEW_LOST, _MANY_LOST = 0.15, 0.4


@dataclass(frozen=True)
class Knowledge:
    """What a model knows that no training of ours taught it.

    Attributes:
        perplexity: on general text, all languages together.
        num_right: general questions answered right, of `num_questions`.
    """

    perplexity: float
    num_right: int
    num_questions: int


@dataclass(frozen=True)
class Forgetting:
    """A model beside the one it was trained from."""

    base: str
    before: Knowledge
    after: Knowledge
    verdict: Verdict
    sentence: str


@cache
def general_texts() -> Mapping[str, list[Passage]]:
    """Passages by language that no training of ours has seen."""
    texts: dict[str, list[Passage]] = {}
    for line in (_FOLDER / "texts.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        texts.setdefault(row["language"], []).append(Passage(row["text"]))
    return texts


@cache
def general_task() -> Task:
    """General questions, half of them English and half Chinese; asked without a system prompt."""
    return read_task(_FOLDER / "questions.yaml")


def knowledge_in(scores: Mapping[str, float]) -> Knowledge:
    """What the scores of a model say of its general knowledge."""
    num_questions = len(general_task().prompts)
    return Knowledge(
        perplexity=scores[f"{GENERAL}/perplexity"],
        num_right=round(scores[f"{GENERAL}/contains"] * num_questions),
        num_questions=num_questions,
    )


def judge(base: str, before: Knowledge, after: Knowledge) -> Forgetting:
    """Compare what is known before and after, with one plain sentence."""
    ratio = after.perplexity / before.perplexity
    lost = max(0, before.num_right - after.num_right) / max(1, before.num_right)
    if ratio <= _KEPT and lost <= _FEW_LOST:
        verdict: Verdict = "kept"
    elif ratio <= _WEAKENED and lost <= _MANY_LOST:
        verdict = "weakened"
    else:
        verdict = "forgotten"
    return Forgetting(base, before, after, verdict, _sentence(base, before, after, verdict, ratio))


_WORDS: Mapping[Verdict, tuple[str, str]] = {
    "kept": ("it has kept what it knew", ""),
    "weakened": ("it has forgotten some", "; a mix with general data (data.mix) helps"),
    "forgotten": (
        "it has forgotten much of what it knew",
        "; train with a mix of general data (data.mix), a lower learning rate or fewer epochs",
    ),
}


def _sentence(
    base: str, before: Knowledge, after: Knowledge, verdict: Verdict, ratio: float
) -> str:
    word, advice = _WORDS[verdict]
    return (
        f"{word}: {after.num_right} of {after.num_questions} general questions are right, with "
        f"{base} {before.num_right}; perplexity on general text {after.perplexity:.1f}, with "
        f"{base} {before.perplexity:.1f} ({ratio - 1:+.0%}){advice}"
    )
