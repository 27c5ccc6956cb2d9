"""Figures, tables and curves as text."""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tunesmith.schema import as_json

_WIDTH_OF_FILES = 160  # rich would take 80 columns, into which most tables do not fit
_fits_itself = sys.stdout.isatty() or "COLUMNS" in os.environ
console = Console(highlight=False, width=None if _fits_itself else _WIDTH_OF_FILES)
_notes = Console(highlight=False, stderr=True)

# Columns of what people copy: an id that is folded over lines cannot be pasted.
_NEVER_FOLDED = {"name", "id", "version", "model", "trained tensor"}


def say(line: str) -> None:
    """One plain line, however long."""
    console.print(line, markup=False, soft_wrap=True)


def warn(message: str) -> None:
    """What the user should know; the work goes on."""
    console.print(Text.assemble(("warning: ", "yellow"), message), soft_wrap=True)


def note(line: str) -> None:
    """One plain line about the work going on, kept out of what a script reads."""
    _notes.print(line, markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Machine-readable output: dataclasses, settings and lists of them as JSON."""
    print(json.dumps(as_json(value), indent=2, ensure_ascii=False))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, nothing: str = "") -> None:
    """A table whose cells are shown as they are, never read as markup; without rows `nothing`."""
    lines = [[str(cell) for cell in row] for row in rows]
    if nothing and not lines:
        say(nothing)
        return
    built = Table(header_style="bold", box=None, pad_edge=False)
    for position, column in enumerate(columns):
        longest = max((cell_len(line[position]) for line in lines), default=0)
        # Beyond a quarter of the width it would push the other columns out of sight.
        whole = column in _NEVER_FOLDED and longest <= console.width // 4
        built.add_column(column, overflow="fold", no_wrap=whole)
    for line in lines:
        built.add_row(*map(Text, line))
    console.print(built)


def figures(rows: Iterable[tuple[str, str]], *, title: str) -> None:
    """Pairs of a word and what is to be said about it."""
    built = Table.grid(padding=(0, 2))
    built.add_column(style="cyan", no_wrap=True)
    built.add_column(overflow="fold")
    for word, value in rows:
        built.add_row(word, Text(value))
    console.print(f"\n[bold]{title}[/bold]")
    console.print(built)


def setting(value: Any) -> str:
    """A setting's value; of a group what it holds."""
    if not isinstance(value, Mapping):
        return str(value)
    group = cast("Mapping[str, Any]", value)
    return ", ".join(f"{name} {each}" for name, each in group.items())


def size(num_bytes: float) -> str:
    """Bytes in the unit a person would choose."""
    for unit in ("B", "kB", "MB", "GB"):
        if num_bytes < 1000:
            return f"{num_bytes:.0f} {unit}" if unit == "B" else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.1f} TB"


def one_line(text: str, *, most: int = 100) -> str:
    """A text in one line, cut after `most` characters, without what would steer a terminal."""
    shown = "".join(each if each.isprintable() else " " for each in text)
    line = " ".join(shown.split())
    return line if len(line) <= most else f"{line[:most]}…"


def duration(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


_EIGHTHS = " ▁▂▃▄▅▆▇█"


def curve(values: Sequence[float], *, width: int = 64, height: int = 8) -> list[str]:
    """A column chart in lines of text with a labelled y axis.

    `values` are averaged into at most `width` columns.
    """
    if not values:
        return []
    width = min(width, len(values))
    edges = [round(i * len(values) / width) for i in range(width + 1)]
    columns = [sum(values[left:right]) / (right - left) for left, right in pairwise(edges)]
    low, high = min(0.0, *columns), max(columns)
    span = (high - low) or 1.0
    eighths = [round((column - low) / span * height * 8) for column in columns]
    lines: list[str] = []
    for row in range(height - 1, -1, -1):
        cells = "".join(_EIGHTHS[min(8, max(0, level - row * 8))] for level in eighths)
        label = f"{high:8.3f}" if row == height - 1 else f"{low:8.3f}" if row == 0 else " " * 8
        lines.append(f"{label} │{cells}")
    return lines
