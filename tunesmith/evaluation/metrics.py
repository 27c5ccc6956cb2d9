"""Comparing answers with references: 1 is equal, 0 nothing in common. One table. Torch-free."""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any, Literal

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from tunesmith.errors import DatasetRejected
from tunesmith.evaluation.config import MetricName

# A run of letters and digits is a word, but characters of Chinese, Japanese and Korean stand for
# themselves: there are no spaces between their words.
_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")
_CJK_CHARACTER = re.compile(f"[{_CJK}]")


@dataclass(frozen=True)
class Metric:
    """A way to compare.

    Attributes:
        meaning: in a few words.
        one: of an answer and its reference.
        all: of all answers and their references, where that is not the mean of `one`.
    """

    meaning: str
    one: Callable[[str, str], float]
    all: Callable[[Sequence[str], Sequence[str]], float] | None = None

    def total(
        self, answers: Sequence[str], references: Sequence[str], points: Sequence[float]
    ) -> float:
        """The figure for all answers, of which `points` are those of each."""
        return mean(points) if self.all is None else self.all(answers, references)


def tokens_of(text: str) -> list[str]:
    """The words of `text` in small letters; a character of an unspaced script is one of its own."""
    return _TOKEN.findall(text.lower())


# --- right or wrong --------------------------------------------------------------------------


def exact(answer: str, reference: str) -> float:
    """The same text but for white space around it."""
    return float(answer.strip() == reference.strip())


def contains(answer: str, reference: str) -> float:
    """The words of the reference stand in the answer; `4|four` takes either."""
    said = f" {' '.join(tokens_of(answer))} "
    wanted = [" ".join(tokens_of(one)) for one in reference.split("|")]
    return float(any(one and f" {one} " in said for one in wanted))


def json_exact(answer: str, reference: str) -> float:
    """The same JSON value, whatever the order of keys; an answer that is not JSON alone is wrong.

    Raises:
        DatasetRejected: the reference is not JSON.
    """
    wanted = _canonical(reference)
    if wanted is None:
        raise DatasetRejected(
            f"the reference answer {reference[:60]!r} is not JSON", hint="choose --metric exact"
        )
    return float(_canonical(answer) == wanted)


def json_valid(answer: str, reference: str) -> float:
    """The answer is JSON and nothing else."""
    return float(_canonical(answer) is not None)


def final_number(answer: str, reference: str) -> float:
    """The same number after the last `####`, as in GSM8K; without one, the last word."""
    return float(_last(answer) == _last(reference))


def _canonical(text: str) -> str | None:
    """The JSON of `text` with sorted keys, so that `true` is not 1; None if it is not JSON."""
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except (ValueError, RecursionError):
        return None


def _last(text: str) -> str:
    words = text.rpartition("####")[2].split()
    return words[-1].replace(",", "").rstrip(".") if words else ""


# --- how much in common ----------------------------------------------------------------------


def rouge_n(answer: str, reference: str, *, n: int) -> float:
    """F1 of the n-grams of words in common (ROUGE-N, Lin 2004, aclanthology.org/W04-1013)."""
    said, wanted = (_ngrams(tokens_of(text), n) for text in (answer, reference))
    return _f1((said & wanted).total(), said.total(), wanted.total())


def _ngrams(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


def rouge_l(answer: str, reference: str) -> float:
    """F1 of the longest sequence of words that both have in this order (ROUGE-L, Lin 2004)."""
    said, wanted = tokens_of(answer), tokens_of(reference)
    # lengths[j]: of the longest common sequence of what was read of `said` and `wanted[:j]`.
    lengths = [0] * (len(wanted) + 1)
    for word in said:
        before = 0
        for j, other in enumerate(wanted, 1):
            here = lengths[j]
            lengths[j] = before + 1 if word == other else max(here, lengths[j - 1])
            before = here
    return _f1(lengths[-1], len(said), len(wanted))


def _f1(num_common: int, num_said: int, num_wanted: int) -> float:
    return 2 * num_common / (num_said + num_wanted) if num_common else 0.0


def bleu(answer: str, reference: str) -> float:
    """BLEU of one sentence, over the lengths of n-grams that it is long enough for."""
    return _sacrebleu(reference).sentence_score(answer, [reference]).score / 100


def corpus_bleu(answers: Sequence[str], references: Sequence[str]) -> float:
    """BLEU of all answers together, which is not the mean over sentences."""
    scorer = _sacrebleu(" ".join(references))
    return scorer.corpus_score(answers, [references]).score / 100


def _sacrebleu(references: str) -> Any:
    """As sacrebleu counts: characters as words where references are Chinese, else its 13a."""
    tokenize: Literal["zh", "13a"] = "zh" if _CJK_CHARACTER.search(references) else "13a"
    return BLEU(tokenize=tokenize, effective_order=True)


def chrf(answer: str, reference: str) -> float:
    """F-score of character n-grams, which needs no words."""
    return CHRF().sentence_score(answer, [reference]).score / 100


def corpus_chrf(answers: Sequence[str], references: Sequence[str]) -> float:
    """The chrF of all answers together."""
    return CHRF().corpus_score(answers, [references]).score / 100


METRICS: Mapping[MetricName, Metric] = {
    "exact": Metric("the same text", exact),
    "contains": Metric("the reference's words stand in the answer", contains),
    "json-exact": Metric("the same JSON value", json_exact),
    "json-valid": Metric("JSON and nothing else", json_valid),
    "final-number": Metric("the same number at the end, as in GSM8K", final_number),
    "rouge-1": Metric("words in common, F1", lambda a, r: rouge_n(a, r, n=1)),
    "rouge-2": Metric("pairs of words in common, F1", lambda a, r: rouge_n(a, r, n=2)),
    "rouge-l": Metric("longest sequence of words in common, F1", rouge_l),
    "bleu": Metric("sacrebleu's BLEU of all answers together", bleu, corpus_bleu),
    "chrf": Metric("sacrebleu's chrF of all answers together", chrf, corpus_chrf),
}
