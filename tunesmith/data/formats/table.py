"""The formats there are, how one is recognised, and how other columns are led to its fields."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tunesmith.data.formats import readers
from tunesmith.data.formats.fields import listed
from tunesmith.data.sources import Row
from tunesmith.errors import DatasetRejected
from tunesmith.text.conversation import Example


@dataclass(frozen=True)
class Format:
    """A shape of rows.

    Attributes:
        required: columns by which the format is recognised.
        optional: columns that are read where they are.
        read: turns a row into an example, or raises `RowRejected`.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    read: Callable[[Row], Example]

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are read."""
        return self.required + self.optional


FORMATS: Mapping[str, Format] = {
    "messages": Format(("messages",), ("tools",), readers.read_messages),
    "sharegpt": Format(("conversations",), ("system", "tools"), readers.read_sharegpt),
    "alpaca": Format(
        ("instruction", "output"), ("input", "system", "history", "tools"), readers.read_alpaca
    ),
    "prompt-completion": Format(
        ("prompt", "completion"), ("system", "tools"), readers.read_prompt_completion
    ),
    "question-answer": Format(
        ("question", "answer"), ("system", "tools"), readers.read_question_answer
    ),
    "preference": Format(
        ("chosen", "rejected"),
        (
            *("prompt", "conversations", "messages", "instruction", "input", "question"),
            *("system", "history", "tools"),
        ),
        readers.read_preference,
    ),
    "classification": Format(("text", "label"), (), readers.read_classified),
    "text": Format(("text",), (), readers.read_passage),
}


@dataclass(frozen=True)
class Detection:
    """The format of a file, and by what it was recognised."""

    format: str
    evidence: str


def detect(rows: Sequence[Row]) -> Detection:
    """Recognise the format of the first rows of a file by their columns.

    A format yields to another that reads its columns too: `text` to `classification`. Many datasets
    carry a rendered `text` beside their own columns, so `text` yields to any other format.

    Raises:
        DatasetRejected: no format fits, or several do.
    """
    columns = dict.fromkeys(column for row in rows for column in row)
    fitting = _fitting(set(columns))
    if len(fitting) != 1:
        found = f"the columns {listed(columns)}"
        problem = f"fit several formats: {listed(fitting)}" if fitting else "fit no format"
        raise DatasetRejected(
            f"{found} {problem}", hint=f"give a format or a mapping; {_needs(set(columns))}"
        )
    required = FORMATS[fitting[0]].required
    complete = sum(all(column in row for column in required) for row in rows)
    return Detection(fitting[0], f"{listed(required)} in {complete} of the first {len(rows)} rows")


def _fitting(columns: set[str]) -> list[str]:
    fitting = {name: each for name, each in FORMATS.items() if columns.issuperset(each.required)}
    # No two formats read exactly the same columns, so two never yield to each other.
    leading = [
        name
        for name, each in fitting.items()
        if not any(
            set(each.required) < set(other.columns)
            for other in fitting.values()
            if other is not each
        )
    ]
    return [name for name in leading if name != "text"] or leading


def _needs(columns: set[str]) -> str:
    """What each format needs, the nearest to `columns` first."""

    def share_missing(name: str) -> float:
        required = FORMATS[name].required
        return len(set(required) - columns) / len(required)

    return "; ".join(
        f"{name}: {_marked(FORMATS[name].required, columns)}"
        for name in sorted(FORMATS, key=share_missing)
    )


def _marked(required: Iterable[str], columns: set[str]) -> str:
    return listed(column if column in columns else f"{column} (missing)" for column in required)


def check_mapping(mapping: Mapping[str, str], *, columns: Iterable[str]) -> None:
    """Check that `mapping` leads from fields of a format to columns of the file.

    Raises:
        DatasetRejected: otherwise, naming what there is.
    """
    known = sorted({field for each in FORMATS.values() for field in each.columns})
    columns = set(columns)
    for field, column in mapping.items():
        if field not in known:
            raise DatasetRejected(
                f"no format has a field {field!r}", hint=f"there are: {listed(known)}"
            )
        if column not in columns:
            raise DatasetRejected(
                f"there is no column {column!r} for {field}",
                hint=f"there are: {listed(sorted(columns))}",
            )


def rename(row: Row, mapping: Mapping[str, str]) -> Row:
    """Give the columns of `row` the names of the fields that `mapping` assigns them to."""
    if not mapping:
        return row
    taken = set(mapping.values()) | set(mapping)
    renamed = {column: value for column, value in row.items() if column not in taken}
    renamed.update((field, row[column]) for field, column in mapping.items() if column in row)
    return renamed
