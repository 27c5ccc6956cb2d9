"""CSV, TSV, Excel and Parquet."""

import io
import random
import zipfile
from collections.abc import Callable, Iterator
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tests.corpus.case import ROW, Case, Verdict


def table_cases() -> Iterator[Case]:
    yield from _delimited()
    yield from _excel()
    yield from _broken_excel()
    yield from _parquet()


def _delimited() -> Iterator[Case]:
    head = "prompt,completion\n"
    cases: dict[str, tuple[str, Verdict, str]] = {
        "quote-inside": (head + '"say "hi"",b\n', "refused", "row 1, line 2"),
        "quote-after": (head + 'a,b\n"a" x,b\n', "refused", "row 2, line 3"),
        "quote-open": (head + 'a,b\n"a,b\nc,d\n', "refused", "row 2, line 3"),
        "quote-open-long": (head + '"a,b\n' + "c,d\n" * 200_000, "refused", "row 1, line 2"),
        "quote-in-plain": (head + 'say "hi",b\n', "accepted", ""),
        "backslash-quote": (head + '"say \\"hi\\"",b\n', "refused", "row 1, line 2"),
        "apostrophes": (head + "'a,b',c\n", "refused", "row 1, line 2"),
        "short": (head + "a,b\na\n", "refused", "row 2, line 3"),
        "long": (head + "a,b\na,b,c\n", "refused", "row 2, line 3"),
        "short-after-lines": (head + '"a\n\n",b\n\na\n', "refused", "row 2, line 6"),
        "nul": (head + "a\0,b\n", "refused", "line 2"),
        "no-header": ("a,b\nc,d\n", "refused", "columns"),
        "same-header": ("prompt,prompt\na,b\n", "refused", "header"),
        "blank-header": (",\na,b\n", "refused", "header"),
        "index-column": (",prompt,completion\n0,a,b\n", "accepted", ""),
        "header-only": (head, "refused", "is empty"),
        "blank-first": ("\n\n" + head + "a,b\n", "accepted", ""),
        "blank-cells": (head + "a,\n,b\n", "refused", "row 1: `completion`"),
        "semicolons": ("prompt;completion\na;b\n", "refused", "columns"),
        "spaces": ("prompt, completion\na, b\n", "refused", "columns"),
        "wide": (
            ",".join(f"c{i}" for i in range(20_000)) + "\n" + "," * 19_999,
            "refused",
            "columns",
        ),
    }
    for name, (text, verdict, place) in cases.items():
        yield Case(f"table-{name}.csv", text.encode(), verdict, place)
        tabs = text.replace(",", "\t").replace(";", ",")
        yield Case(f"table-{name}.tsv", tabs.encode(), verdict, place)


def _workbook(fill: Callable[[Any], None]) -> bytes:
    book = openpyxl.Workbook()
    # openpyxl would write the time of day into the file
    book.properties.created = book.properties.modified = datetime(2024, 1, 1)
    fill(book.active)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _excel() -> Iterator[Case]:
    head = ["prompt", "completion"]
    sheets: dict[str, tuple[list[list[Any]], Verdict, str]] = {
        "good": ([head, ["a", "b"]], "accepted", ""),
        "types": ([head, [5, 1.5], [True, date(2024, 2, 29)]], "accepted", ""),
        "empty": ([], "refused", "is empty"),
        "header-only": ([head], "refused", "is empty"),
        "same-header": ([["prompt", "prompt"], ["a", "b"]], "refused", "header"),
        "beyond-header": ([head, ["a", "b", "c"]], "refused", "row 2"),
        "blank-rows": ([[], head, [], ["a", "b"]], "accepted", ""),
        "blank-cell": ([head, ["a", "b"], ["a", None]], "refused", "row 3: `completion`"),
        "formula": ([head, ["a", "=1+1"]], "refused", "row 2, cell B2"),
        "error-cell": ([head, ["a", "#N/A"]], "refused", "row 2"),
        "no-header": ([["a", "b"], ["c", "d"]], "refused", "columns"),
        "long-cell": ([head, ["a" * 32_767, "b"]], "accepted", ""),
    }
    for name, (rows, verdict, place) in sheets.items():

        def fill(sheet: Any, rows: list[list[Any]] = rows) -> None:
            for row in rows:
                sheet.append(row)

        yield Case(f"sheet-{name}.xlsx", _workbook(fill), verdict, place)


_TEXTS = "xl/sharedStrings.xml"
_SHEET = "xl/worksheets/sheet1.xml"
_END = "</sheetData></worksheet>"
_XML = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}'
_BOMB = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))


def _fill_good(sheet: Any) -> None:
    for row in (["text"], ["a"], ["b"]):
        sheet.append(row)


def _broken_excel() -> Iterator[Case]:
    good = _workbook(_fill_good)
    for cut in range(100, len(good), len(good) // 6):
        yield Case(f"sheet-cut-{cut}.xlsx", good[:cut], place="not a valid")
    chance = random.Random(7)
    for index in range(12):
        flipped = bytearray(good)
        flipped[chance.randrange(len(good))] ^= 0xFF
        yield Case(f"sheet-flipped-{index}.xlsx", bytes(flipped), "either")
    yield Case("sheet-old-office.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600)
    yield Case("sheet-csv-inside.xlsx", b"text\na\n", place="not a valid")
    for name in ("[Content_Types].xml", "xl/workbook.xml", _SHEET, "xl/_rels/workbook.xml.rels"):
        short = name.rpartition("/")[2].replace("[", "").replace("]", "").replace(".", "-")
        yield Case(f"sheet-without-{short}.xlsx", _replaced(good, name, None))
        yield Case(f"sheet-garbled-{short}.xlsx", _replaced(good, name, b"<a>"))
    rows = {
        "far-row": '<row r="1000000000000"><c r="A1000000000000"><v>1</v></c></row>' + _END,
        "far-column": '<row r="1"><c r="ZZZZZZ1"><v>1</v></c></row>' + _END,
        "bad-number": '<row r="1"><c r="A1"><v>x</v></c></row>' + _END,
        "bad-text": '<row r="1"><c r="A1" t="s"><v>9</v></c></row>' + _END,
        "negative-row": '<row r="-5"><c r="A-5"><v>1</v></c></row>' + _END,
        "open": '<row r="1"><c r="A1"><v>1',
    }
    for name, xml in rows.items():
        yield Case(f"sheet-{name}.xlsx", _replaced(good, _SHEET, _XML.format(xml).encode()))
    entities = f'<!DOCTYPE a [<!ENTITY a0 "ha">{_BOMB}]>' + _XML.format("<row><c><v>&a9;")
    yield Case("sheet-entities.xlsx", _replaced(good, _SHEET, entities.encode()))
    outside = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + _XML.format(
        "<row>&x;</row>"
    )
    yield Case("sheet-outside-entity.xlsx", _replaced(good, _SHEET, outside.encode()))
    bomb = partial(_write_workbook, good=good, name=_SHEET, unit=b"0" * 10, times=15_000_000)
    yield Case("sheet-bomb.xlsx", bomb, place="times its size")
    texts = partial(_write_workbook, good=good, name=_TEXTS, unit=b"<si/>", times=14_000_000)
    yield Case("sheet-texts.xlsx", texts, place="larger than 64 MB")


def _write_workbook(path: Path, *, good: bytes, name: str, unit: bytes, times: int) -> None:
    path.write_bytes(_replaced(good, name, unit * times))


def _replaced(workbook: bytes, name: str, content: bytes | None) -> bytes:
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as old, zipfile.ZipFile(result, "w") as new:
        for member in old.infolist():
            if member.filename != name:
                new.writestr(member, old.read(member))
        if content is not None:
            new.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return result.getvalue()


def _parquet() -> Iterator[Case]:
    good = _written(pa.Table.from_pylist([ROW] * 1000))
    yield Case("good.parquet", good, "accepted")
    for cut in range(1, len(good), len(good) // 12):
        yield Case(f"cut-{cut:05}.parquet", good[:cut], place="not a valid")
    chance = random.Random(11)
    for index in range(20):
        flipped = bytearray(good)
        flipped[chance.randrange(len(good))] ^= 1 << chance.randrange(8)
        yield Case(f"flipped-{index:02}.parquet", bytes(flipped), "either")
    yield Case("wrong-magic.parquet", b"PAR2" + good[4:-4] + b"PAR2", place="not a valid")
    yield Case("csv-inside.parquet", b"text\na\n", place="not a valid")
    turns = [[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]]
    tables: dict[str, tuple[pa.Table, Verdict, str]] = {
        "messages": (pa.table({"messages": turns * 10}), "accepted", ""),
        "no-rows": (pa.table({"text": pa.array([], pa.string())}), "refused", "is empty"),
        "no-columns": (pa.table({}), "refused", "is empty"),
        "null-row": (pa.table({"text": ["a", None]}), "refused", "row 2: `text`"),
        "null-turn": (
            pa.table({"messages": [turns[0], [None]]}),
            "refused",
            r"row 2: `messages\[0",
        ),
        "numbers": (pa.table({"text": [1, 2]}), "refused", "row 1: `text`"),
        "bytes": (pa.table({"text": [b"\xff"]}), "refused", "row 1: `text`"),
        "half-utf8": (_with_bad_text(), "refused", ""),
        "dates": (pa.table({"text": ["a"], "at": [datetime(2024, 1, 1)]}), "accepted", ""),
        "column-twice": (pa.table([["a"], ["b"]], names=["text", "text"]), "refused", "twice"),
        "large": (pa.table({"text": pa.array(["a"], pa.large_string())}), "accepted", ""),
    }
    for name, (table, verdict, place) in tables.items():
        yield Case(f"table-{name}.parquet", _written(table), verdict, place)
    many = pa.DictionaryArray.from_arrays(pa.array([0] * 4000, pa.int32()), ["a" * 4_000_000])
    texts = pa.table({"text": many})
    turns = pa.StructArray.from_arrays([many], names=["content"])
    pairs, one = (
        pa.table({"messages": pa.ListArray.from_arrays(pa.array(ends, pa.int32()), turns)})
        for ends in (range(0, 4001, 2), [0, 0, 4000])
    )
    for name, table, place in (
        ("texts", texts, "times its size"),
        ("turns", pairs, "times its size"),
        ("one-row", one, "row 2: longer than|times its size"),
    ):
        for kind in ("plain", "dictionary"):  # the type that the file gives its column
            content = _written(table, store_schema=kind == "dictionary")
            yield Case(f"bomb-{name}-{kind}.parquet", content, place=place)
    shared: dict[str, Any] = {"use_dictionary": False, "column_encoding": "DELTA_BYTE_ARRAY"}
    good = _written(pa.table({"text": ["aa", "ab"]}), **shared)
    yield Case("prefixes.parquet", good, "accepted")
    in_list = _written(pa.table({"text": [["aa", "ab"]]}), **shared)
    yield Case("prefixes-in-list.parquet", in_list, place="DELTA_BYTE_ARRAY")
    numbers = pa.array(range(2200)).cast(pa.string())
    alike = pc.binary_join_element_wise("a" * 50_000, numbers, "")
    bomb = _written(pa.table({"text": alike}), **shared)
    yield Case("bomb-prefixes.parquet", bomb, place="times its size")
    rows = pa.table({"text": pa.nulls(20_000_000, pa.string())})
    yield Case("bomb-rows.parquet", _written(rows), place="claims")


def _with_bad_text() -> pa.Table:
    buffers = [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")]
    return pa.table({"text": pa.Array.from_buffers(pa.string(), 1, buffers)})


def _written(table: pa.Table, *, store_schema: bool = False, **options: Any) -> bytes:
    content = io.BytesIO()
    pq.write_table(table, content, compression="zstd", store_schema=store_schema, **options)
    return content.getvalue()
