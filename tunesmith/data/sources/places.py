"""Where a row is: rows are numbered on through the files of a folder or .zip."""

from bisect import bisect_left


class Places:
    """The files of a source, in the order in which they were read."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._nums_before: list[int] = []

    def begin(self, num_before: int, name: str) -> None:
        """Note that the rows after number `num_before` are of the file `name`."""
        self._names.append(name)
        self._nums_before.append(num_before)

    def sentence(self, row: int) -> str:
        """The file that holds row number `row`, and the row's number in that file."""
        index = bisect_left(self._nums_before, row) - 1
        return f"{self._names[index]}, row {row - self._nums_before[index]}"

    def first_rows(self) -> list[tuple[str, int]]:
        """The name of each file, and the number of its first row."""
        pairs = zip(self._names, self._nums_before, strict=True)
        return [(name, num_before + 1) for name, num_before in pairs]
