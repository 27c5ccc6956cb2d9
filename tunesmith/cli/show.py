"""Figures, tables and curves as text."""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

console = Console(highlight=False)
_notes = Console(highlight=False, stderr=True)


def say(line: str) -> None:
    """One plain line."""
    console.print(line, markup=False)


def note(line: str) -> None:
    """One plain line about the work going on, kept out of what a script reads."""
    _notes.print(line, markup=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Machine-readable output: dataclasses and lists of them as JSON."""
    print(json.dumps(value, default=_plain, indent=2, ensure_ascii=False))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "") -> None:
    """A table whose cells are shown as they are, never read as markup."""
    from rich.text import Text

    built = Table(
        title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False
    )
    for column in columns:
        built.add_column(column, overflow="fold")
    for row in rows:
        built.add_row(*(Text(str(cell)) for cell in row))
    console.print(built)


def figures(rows: Iterable[tuple[str, str]], *, title: str) -> None:
    """Pairs of a word and what is to be said about it."""
    from rich.text import Text

    built = Table.grid(padding=(0, 2))
    built.add_column(style="cyan", no_wrap=True)
    built.add_column(overflow="fold")
    for word, value in rows:
        built.add_row(word, Text(value))
    console.print(f"\n[bold]{title}[/bold]")
    console.print(built)


def size(num_bytes: float) -> str:
    """Bytes in the unit a person would choose."""
    for unit in ("B", "kB", "MB", "GB"):
        if num_bytes < 1000:
            return f"{num_bytes:.0f} {unit}" if unit == "B" else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.1f} TB"


def duration(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


_EIGHTHS = " ▁▂▃▄▅▆▇█"


def curve(values: Sequence[float], *, width: int = 64, height: int = 8) -> list[str]:
    """A column chart in lines of text, the y axis labelled; `values` are averaged into `width` columns."""
    if not values:
        return []
    width = min(width, len(values))
    edges = [round(i * len(values) / width) for i in range(width + 1)]
    columns = [
        sum(values[left:right]) / (right - left)
        for left, right in zip(edges, edges[1:], strict=False)
    ]
    low, high = min(0.0, *columns), max(columns)
    span = (high - low) or 1.0
    eighths = [round((column - low) / span * height * 8) for column in columns]
    lines: list[str] = []
    for row in range(height - 1, -1, -1):
        cells = "".join(_EIGHTHS[min(8, max(0, level - row * 8))] for level in eighths)
        label = f"{high:8.3f}" if row == height - 1 else f"{low:8.3f}" if row == 0 else " " * 8
        lines.append(f"{label} │{cells}")
    return lines
