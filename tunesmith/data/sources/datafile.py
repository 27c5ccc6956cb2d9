"""What every reader takes, one file's bytes, and what it gives, numbered rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from tunesmith.errors import DatasetRejected

Row: TypeAlias = dict[str, Any]
NumberedRow: TypeAlias = tuple[int, Row]

MAX_ROW_CHARACTERS = 16_000_000  # some 4 million tokens; it keeps memory flat whatever the file


class ByteStream(Protocol):
    """Bytes in order."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        ...


class Named:
    """A file as messages call it."""

    name: str

    def rejected(self, problem: str, *, at: str = "", hint: str = "") -> DatasetRejected:
        """The error that says what is wrong where."""
        where = f"{self.name}, {at}" if at else self.name
        return DatasetRejected(f"{where}: {problem}", hint=hint)

    def row_too_long(self, at: str, *, hint: str) -> DatasetRejected:
        """The error for a row that would not fit in memory several times."""
        return self.rejected(f"longer than {MAX_ROW_CHARACTERS:,} characters", at=at, hint=hint)


@dataclass
class DataFile(Named):
    """One file of rows, unpacked while it is read.

    Attributes:
        name: what messages call it.
        kind: a key of `READERS`, such as `.jsonl`.
        stream: its bytes. What `random_access` makes of it can be read in any order.
        num_packed_bytes: its size as it is stored, against which the unpacked size is limited.
        compression: `gzip`, `zstd`, `zip`, or nothing.
        encoding: of what was read of it, by Python's name; nothing in binary kinds.
    """

    name: str
    kind: str
    stream: ByteStream
    num_packed_bytes: int
    compression: str = ""
    encoding: str = ""


class Block(Protocol):
    """Neighbouring rows of one file."""

    @property
    def last_row(self) -> int:
        """The number of the last row, or 0 if there is none; known when all are read."""
        ...

    def rows(self) -> Iterator[NumberedRow]:
        """The rows, numbered within the file."""
        ...


def one_line(text: object, *, longest: int = 100) -> str:
    """A name or reason from elsewhere, fit to stand in a sentence."""
    shown = "".join(
        character if character.isprintable() else "?" for character in str(text).strip()
    )
    return shown if len(shown) <= longest else shown[: longest - 3] + "..."
