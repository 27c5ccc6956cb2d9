"""Where a row is: rows are numbered on through the files of a folder or .zip."""

from bisect import bisect_left
from collections.abc import Iterable


class Places:
    """The names of a source's files in order, each with the number of the last row before it."""

    def __init__(self, files: Iterable[tuple[int, str]]) -> None:
        pairs = list(files)
        self._nums_before = [num_before for num_before, _ in pairs]
        self._names = [name for _, name in pairs]

    def sentence(self, row: int) -> str:
        """The file that holds row number `row`, and the row's number in that file."""
        index = bisect_left(self._nums_before, row) - 1
        return f"{self._names[index]}, row {row - self._nums_before[index]}"
