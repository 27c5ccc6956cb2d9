"""Blocks of a source become batches of examples."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import TypeAlias

from tunesmith.data.formats import FORMATS, RowRejected
from tunesmith.data.plain import PlainChats
from tunesmith.data.sources import Block, JsonLines, Row
from tunesmith.data.statistics import LeftOut, Part
from tunesmith.data.storage import NumberedExample, to_table

Standardize: TypeAlias = Callable[[Row], Row]


@dataclass(frozen=True)
class Reader:
    """How the rows of one source become examples.

    Attributes:
        format: a key of `FORMATS`.
        mapping: columns of the file by field of the format.
        standardize: gives a row the columns of `format`.
        plain: reads blocks without anything unusual faster, with the same result.
        given_up: set by whoever wants nothing more of it: a block of megabytes takes a second, and
            one that is being read in another thread ends at the next row.
    """

    format: str
    mapping: Mapping[str, str]
    standardize: Standardize
    plain: PlainChats | None = None
    given_up: Event = field(default_factory=Event)

    def read(self, placed: tuple[int, Block]) -> Part:
        """Read a block whose rows are numbered from an offset.

        Raises:
            DatasetRejected: a row is malformed.
        """
        offset, block = placed
        if self.plain and isinstance(block, JsonLines):
            part = self.plain.read(block, offset=offset)
            if part:
                return part
        return self._read_row_by_row(offset, block)

    def _read_row_by_row(self, offset: int, block: Block) -> Part:
        read = FORMATS[self.format].read
        num_rows = 0
        columns: set[str] = set()
        rejected: list[LeftOut] = []
        examples: list[NumberedExample] = []
        for number, row in block.rows():
            if self.given_up.is_set():
                break
            num_rows += 1
            columns.update(row)
            try:
                examples.append((offset + number, read(self.standardize(row))))
            except RowRejected as error:
                field = path_in_file(error.field, self.mapping)
                rejected.append(LeftOut(offset + number, field, error.reason))
        return Part(num_rows, columns, rejected, to_table(examples))


def path_in_file(field: str, mapping: Mapping[str, str]) -> str:
    """The path `field` as it is in the file, whose column may have another name."""
    name = re.split(r"[.\[]", field, maxsplit=1)[0]
    return mapping.get(name, name) + field[len(name) :]
