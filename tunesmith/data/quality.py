"""What is suspicious about a dataset version: kinds of trouble, how often, where first (F36)."""

import re
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from tunesmith.data.digests import fingerprints_of
from tunesmith.data.storage import Table, from_table
from tunesmith.text.conversation import (
    Classified,
    Conversation,
    Example,
    Message,
    Passage,
    Preference,
    texts_of,
)

_NUM_LISTED = 10
# Iglewicz and Hoaglin 1993: a modified z-score beyond 3.5 is an outlier. Of the logarithm, since
# lengths are skewed: ten times the usual is as far out as a tenth.
_OUTLIER_SCORE = 3.5

_LETTER = re.compile(r"\w")
# UTF-8 read as Latin-1 or Windows-1252: a lead byte's letter and then a letter of the bytes behind.
_MOJIBAKE = re.compile("[ÃÂ][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|â[€‚„]|ï»¿|ðŸ")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")

MEANINGS: Mapping[str, str] = {
    "empty answers": "an answer has neither letter nor digit",
    "duplicates": "the whole example is equal to an earlier one",
    "repeated answers": "the answer is that of an earlier example with another prompt",
    "conflicting answers": "the same prompt has different answers",
    "length outliers": "far shorter or longer than the others",
    "lost characters": "U+FFFD stands where a character could not be decoded",
    "mojibake": "text was decoded in the wrong encoding, as in 'Ã©' for 'é'",
    "control characters": "characters that are not text, beside tabs and line breaks",
}
_IN_TEXT: Mapping[str, Callable[[str], object]] = {
    "lost characters": lambda text: "\ufffd" in text,
    "mojibake": _MOJIBAKE.search,
    "control characters": _CONTROL.search,
}


@dataclass(frozen=True)
class Finding:
    """One kind of trouble: what it means, how many examples have it, and the first source rows."""

    kind: str
    meaning: str
    num_examples: int
    first_rows: list[int]


def find_trouble(tables: Iterable[Table]) -> list[Finding]:
    """Every kind of trouble with its count, in one pass and some 50 bytes an example."""
    rows, lengths, prompts, answers = array("q"), array("q"), array("q"), array("q")
    wholes = [np.empty(0, np.uint64)]
    found: dict[str, list[int]] = defaultdict(list)
    for table in tables:
        wholes.append(fingerprints_of(table))
        examples = list(from_table(table))
        texts = [[text for _, text in texts_of(example)] for _, example in examples]
        # Most batches have nothing of a kind, and one search of all their texts tells that.
        together = "\n".join(chain.from_iterable(texts))
        for kind in (kind for kind, in_text in _IN_TEXT.items() if in_text(together)):
            found[kind] += [
                row
                for (row, _), each in zip(examples, texts, strict=True)
                if any(map(_IN_TEXT[kind], each))
            ]
        lengths.extend(sum(map(len, each)) for each in texts)
        for row, example in examples:
            prompt, answer = _prompt_and_answer(example)
            if not isinstance(example, Passage) and not _LETTER.search(answer):
                found["empty answers"].append(row)
            rows.append(row)
            prompts.append(hash(prompt))
            answers.append(hash(answer))
    rows_N, prompts_N, answers_N = np.array(rows), np.array(prompts), np.array(answers)
    repeats_N = _repeats(np.concatenate(wholes))
    masks = {
        "duplicates": repeats_N,
        "repeated answers": _repeats(answers_N) & ~repeats_N,
        "conflicting answers": _conflicts(prompts_N, answers_N),
        "length outliers": _outliers(np.array(lengths)),
    }
    found.update({kind: rows_N[mask].tolist() for kind, mask in masks.items()})
    return [
        Finding(kind, meaning, len(found[kind]), found[kind][:_NUM_LISTED])
        for kind, meaning in MEANINGS.items()
    ]


def _prompt_and_answer(example: Example) -> tuple[tuple[Message, ...] | str, str]:
    """What the model is given and what it is to say; a passage is all answer."""
    match example:
        case Passage(text):
            return text, text
        case Classified(text, label):
            return text, label
        case Preference(prompt, chosen):
            return prompt, _joined(chosen)
        case Conversation(messages):
            last = max(at for at, each in enumerate(messages) if each.role == "assistant")
            return messages[:last], _joined(messages[last:])


def _joined(messages: Iterable[Message]) -> str:
    return "\n".join(each.content + each.tool_calls for each in messages)


def _repeats(values_N: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Which values occurred before."""
    repeats_N = np.ones(len(values_N), np.bool_)
    repeats_N[np.unique(values_N, return_index=True)[1]] = False
    return repeats_N


def _conflicts(prompts_N: NDArray[np.int64], answers_N: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which examples have a prompt that is answered in more than one way."""
    pairs = np.unique(np.stack([prompts_N, answers_N], axis=1), axis=0)
    prompts, num_answers = np.unique(pairs[:, 0], return_counts=True)
    return np.isin(prompts_N, prompts[num_answers > 1])


def _outliers(lengths_N: NDArray[np.int64]) -> NDArray[np.bool_]:
    logs = np.log(np.maximum(lengths_N, 1))
    deviations = np.abs(logs - np.median(logs))
    # Where most lengths are equal, the spread is taken to be 10 %.
    spread = max(float(np.median(deviations)), 0.1)
    return 0.6745 * deviations / spread > _OUTLIER_SCORE
