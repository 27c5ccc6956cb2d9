"""What tokenizing a dataset came to: the figures a user checks before training."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tunesmith.schema import Strict
from tunesmith.text.encoded import ROLES, EncodedExample

NUM_LISTED_ROWS = 20


class TokenReport(Strict):
    """Counts over the examples of a token store.

    Attributes:
        num_rows: source rows, of which a passage may become several examples or none.
        num_examples: those that are trained on or measured; each window of a passage is one.
        num_short: pieces of passages left out by the rule for short ones.
        num_truncated: those among them that lost their tail; `truncated_rows` lists the first.
        num_unusable: those left out, since truncation left no trained token; `unusable_rows` lists
            the first.
        num_tokens: after truncation.
        num_trained_tokens: after truncation.
        tokens_per_role: after truncation; `template` is what the chat template adds.
        trained_tokens_per_role: as `tokens_per_role`.
        length_histogram: number of examples by the power of two that their length, before
            truncation, does not exceed.
        longest: length before truncation.
        num_turns: answers and passages, before truncation.
        num_turns_ended: those whose end-of-turn token is trained; a cut answer has none.
        num_whole: examples, the windows of a piece taken together, that lost nothing.
        num_whole_unended: those among them with an answer whose end is not trained.
    """

    num_rows: int
    num_examples: int
    num_short: int
    num_truncated: int
    truncated_rows: list[int]
    num_unusable: int
    unusable_rows: list[int]
    num_tokens: int
    num_trained_tokens: int
    tokens_per_role: dict[str, int]
    trained_tokens_per_role: dict[str, int]
    length_histogram: dict[int, int]
    longest: int
    num_turns: int
    num_turns_ended: int
    num_whole: int
    num_whole_unended: int

    @property
    def end_of_turn_trained(self) -> float:
        """Share of answers and passages whose end the model learns."""
        return self.num_turns_ended / self.num_turns


class TokenTally:
    """The counts while examples go by."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._truncated_rows: list[int] = []
        self._unusable_rows: list[int] = []
        self._lengths: Counter[int] = Counter()
        self._tokens_R = np.zeros(len(ROLES), np.int64)
        self._trained_R = np.zeros(len(ROLES), np.int64)
        self._longest = 0

    @property
    def num_examples(self) -> int:
        """Examples kept."""
        return self._counts["num_examples"]

    def see_row(self, *, num_short: int) -> None:
        """Count a source row, of which `num_short` pieces are left out."""
        self._counts["num_rows"] += 1
        self._counts["num_short"] += num_short

    def add(self, row: int, *, whole: EncodedExample, parts: Sequence[EncodedExample]) -> None:
        """Count the example `whole` of source row `row`, of which `parts` are kept."""
        self._longest = max(self._longest, len(whole))
        self._lengths[_power_of_two(len(whole))] += 1
        self._counts["num_turns"] += len(whole.turn_ends)
        if not parts:
            self._counts["num_unusable"] += 1
            _list_row(self._unusable_rows, row)
            return
        num_ended = sum(int(part.trained[part.turn_ends].sum()) for part in parts)
        self._counts["num_turns_ended"] += num_ended
        self._counts["num_examples"] += len(parts)
        for part in parts:
            self._tokens_R += np.bincount(part.roles, minlength=len(ROLES))
            self._trained_R += np.bincount(part.roles[part.trained], minlength=len(ROLES))
        if parts[0].truncated:
            self._counts["num_truncated"] += 1
            _list_row(self._truncated_rows, row)
            return
        self._counts["num_whole"] += 1
        self._counts["num_whole_unended"] += num_ended < len(whole.turn_ends)

    def report(self) -> TokenReport:
        """The counts so far."""
        return TokenReport(
            num_rows=self._counts["num_rows"],
            num_examples=self.num_examples,
            num_short=self._counts["num_short"],
            num_truncated=self._counts["num_truncated"],
            truncated_rows=self._truncated_rows,
            num_unusable=self._counts["num_unusable"],
            unusable_rows=self._unusable_rows,
            num_tokens=int(self._tokens_R.sum()),
            num_trained_tokens=int(self._trained_R.sum()),
            tokens_per_role=_by_role(self._tokens_R),
            trained_tokens_per_role=_by_role(self._trained_R),
            length_histogram=dict(sorted(self._lengths.items())),
            longest=self._longest,
            num_turns=self._counts["num_turns"],
            num_turns_ended=self._counts["num_turns_ended"],
            num_whole=self._counts["num_whole"],
            num_whole_unended=self._counts["num_whole_unended"],
        )


def sum_reports(reports: Sequence[TokenReport]) -> TokenReport:
    """One report over several datasets. It lists no rows: they would belong to different files."""
    return TokenReport(
        num_rows=sum(each.num_rows for each in reports),
        num_examples=sum(each.num_examples for each in reports),
        num_short=sum(each.num_short for each in reports),
        num_truncated=sum(each.num_truncated for each in reports),
        truncated_rows=[],
        num_unusable=sum(each.num_unusable for each in reports),
        unusable_rows=[],
        num_tokens=sum(each.num_tokens for each in reports),
        num_trained_tokens=sum(each.num_trained_tokens for each in reports),
        tokens_per_role=_sum_counts(each.tokens_per_role for each in reports),
        trained_tokens_per_role=_sum_counts(each.trained_tokens_per_role for each in reports),
        length_histogram=_sum_counts(each.length_histogram for each in reports),
        longest=max(each.longest for each in reports),
        num_turns=sum(each.num_turns for each in reports),
        num_turns_ended=sum(each.num_turns_ended for each in reports),
        num_whole=sum(each.num_whole for each in reports),
        num_whole_unended=sum(each.num_whole_unended for each in reports),
    )


K = TypeVar("K", str, int)


def _sum_counts(counts: Iterable[Mapping[K, int]]) -> dict[K, int]:
    total: Counter[K] = Counter()
    for each in counts:
        total.update(each)
    return dict(sorted(total.items()))


def _list_row(rows: list[int], row: int) -> None:
    if len(rows) < NUM_LISTED_ROWS:
        rows.append(row)


def _power_of_two(length: int) -> int:
    """The smallest power of two that is at least `length`."""
    return 1 << (length - 1).bit_length()


def _by_role(counts_R: NDArray[np.int64]) -> dict[str, int]:
    return {role: int(count) for role, count in zip(ROLES, counts_R, strict=True) if count}
