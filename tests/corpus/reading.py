"""Read a file as an import does, without storing it: the outcome, and one sentence."""

from itertools import chain, islice
from pathlib import Path

from tunesmith.data.formats import FORMATS, RowRejected, detect
from tunesmith.data.sources import read_rows
from tunesmith.errors import TunesmithError

_NUM_SAMPLED_ROWS = 100


def read_file(path: Path) -> tuple[bool, str]:
    """Whether `path` is accepted, and otherwise why not; `DatasetRejected` is expected, no more."""
    try:
        rows = read_rows(path)
        sample = list(islice(rows, _NUM_SAMPLED_ROWS))
        try:
            name = detect([row for _, row in sample]).format
        except TunesmithError as error:
            return False, f"{path.name}: {error}"
        for number, row in chain(sample, rows):
            try:
                FORMATS[name].read(row)
            except RowRejected as error:
                return False, f"{path.name}, row {number}: {error}"
    except TunesmithError as error:
        return False, str(error)
    return True, ""
