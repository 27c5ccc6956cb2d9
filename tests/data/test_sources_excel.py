from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.corpus.case import Case
from tests.corpus.check import problem_of
from tests.corpus.reading import read_file
from tests.corpus.table_cases import table_cases
from tunesmith.data.sources import DataFile, read_rows


def saved(path: Path, *rows: list[Any]) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    book.create_sheet("other").append(["not read"])
    book.save(path)
    return path


def test_cells_are_the_text_that_csv_would_hold(tmp_path: Path) -> None:
    values = [
        5,
        2.0,
        0.1 + 0.2,
        True,
        date(2024, 2, 29),
        datetime(2024, 2, 29, 12, 30),
        time(8, 15),
    ]
    header = [f"c{index}" for index in range(len(values) + 1)]
    path = saved(tmp_path / "a.xlsx", [], header, [*values, None], [], ["x", *[None] * 7])
    texts = ["5", "2", "0.3", "TRUE", "2024-02-29", "2024-02-29T12:30:00", "08:15:00", ""]
    files: list[DataFile] = []
    assert list(read_rows(path, on_file=lambda _, file: files.append(file))) == [
        (3, dict(zip(header, texts, strict=True))),
        (5, dict(zip(header, ["x", *[""] * 7], strict=True))),
    ]
    assert [file.encoding for file in files] == [""]


def test_formulas_are_the_values_saved_with_them(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.xlsx", ["text"], ["a"], ["=1+1"])
    accepted, sentence = read_file(path)
    assert not accepted
    assert "row 3, cell A3: a formula was saved without its value" in sentence


SMALL = [case for case in table_cases() if isinstance(case.content, bytes)]


@pytest.mark.parametrize("case", SMALL, ids=[case.name for case in SMALL])
def test_broken_tables_are_refused(tmp_path: Path, case: Case) -> None:
    accepted, sentence = read_file(case.write(tmp_path))
    assert problem_of(case, accepted=accepted, sentence=sentence) == ""
