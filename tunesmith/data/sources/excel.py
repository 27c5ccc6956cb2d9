"""Excel workbooks as rows."""

# openpyxl ships no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date, datetime, time
from itertools import islice, zip_longest
from typing import Any, BinaryIO

from tunesmith.data.sources.datafile import DataFile, NumberedRow, one_line
from tunesmith.data.sources.tables import check_header
from tunesmith.data.sources.unpacking import Budget, random_access
from tunesmith.errors import TunesmithError

_MAX_SHEET_ROWS = 1_048_576  # Excel's own limit
_MAX_TEXTS_BYTES = 64_000_000  # openpyxl holds a workbook's table of texts in memory, several times
_MAX_SHEET_BYTES = 2_000_000_000
_NUM_ROWS_AT_ONCE = 500
_FORMULA = re.compile(rb"<(\w+:)?f[ />]")


def read_xlsx(file: DataFile) -> Iterator[NumberedRow]:
    """Rows of the first sheet below its header, by their numbers in it; blank ones are none.

    A cell is the text that Excel would write to CSV, but dates are in ISO form. A formula is the
    value saved with it; an error such as #N/A is an empty cell.
    """
    with closing(random_access(file)) as workbook:
        header: list[str] = []
        for number, cells in _sheet(file, workbook):
            texts = [_as_text(cell) for cell in cells]
            if not any(texts):
                continue
            if header:
                yield number, _table_row(file, number, header, texts)
                continue
            while not texts[-1]:
                texts.pop()
            check_header(file, texts)
            header = texts


def _table_row(
    file: DataFile, number: int, header: Sequence[str], texts: Sequence[str]
) -> dict[str, str]:
    if any(texts[len(header) :]):
        raise file.rejected(
            f"{len(texts)} cells for {len(header)} columns",
            at=f"row {number}",
            hint="give every column a name in the first row",
        )
    return dict(zip_longest(header, texts[: len(header)], fillvalue=""))


def _sheet(file: DataFile, workbook: BinaryIO) -> Iterator[tuple[int, Sequence[Any]]]:
    """Cells of every row, with its number.

    Raises:
        TunesmithError: for whatever openpyxl raises on a broken workbook, from KeyError to
            AttributeError.
    """
    _check_workbook(file, workbook)
    rows = _numbered_cells(file, workbook)
    while True:
        try:
            with warnings.catch_warnings(action="ignore"):  # of styles and extensions: no data
                batch = list(islice(rows, _NUM_ROWS_AT_ONCE))
        except TunesmithError:
            raise
        except Exception as error:
            raise file.rejected(
                f"not a valid Excel workbook: {one_line(error) or type(error).__name__}",
                hint="open it and save it again as .xlsx, or as CSV",
            ) from error
        if not batch:
            return
        yield from batch


def _check_workbook(file: DataFile, workbook: BinaryIO) -> None:
    """An .xlsx file is a .zip of XML: limit what it says it unpacks to; zipfile gives no more."""
    try:
        members = zipfile.ZipFile(workbook).infolist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise file.rejected(
            f"not a valid Excel workbook: {one_line(error)}",
            hint="save it as .xlsx; old .xls files are not read",
        ) from error
    budget = Budget(file.name, workbook.seek(0, 2))
    for member in members:
        budget.spend(member.file_size)
        is_sheet = member.filename.startswith("xl/worksheets/")
        limit = _MAX_SHEET_BYTES if is_sheet else _MAX_TEXTS_BYTES
        if member.file_size > limit:
            raise file.rejected(
                f"the workbook's {one_line(member.filename)} is larger than {limit // 10**6} MB",
                hint="save it as CSV",
            )
    workbook.seek(0)


def _numbered_cells(file: DataFile, workbook: BinaryIO) -> Iterator[tuple[int, Sequence[Any]]]:
    import openpyxl  # takes a fifth of a second, and few files are workbooks

    values = openpyxl.load_workbook(workbook, read_only=True, data_only=True).worksheets[0]
    formulas = values
    if _has_formulas(workbook):  # only then is the sheet read a second time, beside the first
        formulas = openpyxl.load_workbook(workbook, read_only=True).worksheets[0]
    for sheet in (values, formulas):
        sheet.reset_dimensions()  # some programs write wrong ones
    pairs = zip(values.iter_rows(), formulas.iter_rows(), strict=True)
    for number, (cells, sources) in enumerate(pairs, start=1):
        if number > _MAX_SHEET_ROWS:
            raise file.rejected(f"more than {_MAX_SHEET_ROWS:,} rows", hint="save it as CSV")
        for cell, source in zip(cells, sources, strict=True):
            if cell.value is None and source.data_type == "f":
                raise file.rejected(
                    "a formula was saved without its value",
                    at=f"row {number}, cell {source.coordinate}",
                    hint="open the file in Excel or LibreOffice and save it",
                )
        yield number, [None if cell.data_type == "e" else cell.value for cell in cells]


def _has_formulas(workbook: BinaryIO) -> bool:
    with zipfile.ZipFile(workbook) as archive:
        for member in archive.infolist():
            if "worksheets/" not in member.filename:
                continue
            with archive.open(member) as xml:
                tail = b""
                while chunk := xml.read(1 << 20):
                    if _FORMULA.search(tail + chunk):
                        return True
                    tail = chunk[-20:]
    return False


def _as_text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).upper()
        case datetime() if value.time() == time():
            return value.date().isoformat()
        case datetime() | date() | time():
            return value.isoformat()
        case float():
            return f"{value:.15g}"  # Excel's precision
        case _:
            return str(value)
