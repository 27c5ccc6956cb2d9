"""An import that somebody gives up."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tunesmith.data.reading import Reader
from tunesmith.data.sources import Row
from tunesmith.data.staging import stage_source

_ROW: Row = {"prompt": "a", "completion": "b"}


class _Rows:
    """A block of rows, without end if there are none."""

    def __init__(self, *rows: Row) -> None:
        self._rows = rows
        self.last_row = len(rows)

    def rows(self) -> Iterator[tuple[int, Row]]:
        return enumerate(self._rows, 1) if self._rows else ((n, _ROW) for n in count(1))


def test_the_block_that_is_being_read_is_not_waited_for(tmp_path: Path) -> None:
    class StopNow(BaseException):
        pass

    def stop(num_rows: int) -> None:
        raise StopNow

    with pytest.raises(StopNow):
        stage_source(
            [(0, _Rows(_ROW)), (1, _Rows()), (2, _Rows())],
            Reader("prompt-completion", {}, standardize=lambda row: row),
            examples=tmp_path / "examples",
            left_out=tmp_path / "left-out",
            deduplicate=None,
            on_progress=stop,
        )
