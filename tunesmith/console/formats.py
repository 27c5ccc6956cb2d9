"""How figures and times are written for people, in their language."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from babel.dates import format_datetime, format_timedelta
from babel.numbers import format_decimal, format_percent
from markupsafe import Markup

_UNITS = ("B", "KB", "MB", "GB", "TB")


def number(value: float, language: str, *, digits: int = 0) -> str:
    """With separators between thousands."""
    return format_decimal(round(value, digits), locale=language)


def percent(share: float, language: str) -> str:
    """A share from 0 to 1."""
    return format_percent(share, "#,##0.#%", locale=language)


def figure(value: float | None) -> str:
    """A measured value with four significant digits; a dash where there is none."""
    return "–" if value is None else f"{value:.4g}"


def polyline(course: Sequence[tuple[float, float]], width: float, height: float) -> str:
    """The points of an SVG line along (x, y), from edge to edge of a box, the largest y on top."""
    xs, ys = zip(*course, strict=True)
    across = width / ((max(xs) - min(xs)) or 1)
    up = height / ((max(ys) - min(ys)) or 1)
    return " ".join(f"{(x - min(xs)) * across:.1f},{(max(ys) - y) * up:.1f}" for x, y in course)


def num_bytes(count: int) -> str:
    """In the largest unit of which there is at least one."""
    size = float(count)
    for unit in _UNITS[:-1]:
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} {_UNITS[-1]}"


def settings(changes: Mapping[str, Any]) -> str:
    """Settings by their paths, as a command line takes them."""
    return ", ".join(f"{path}={value}" for path, value in changes.items())


def duration(seconds: float) -> str:
    """As 42 s, 3:07 or 1:02:45."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def with_code(text: str) -> Markup:
    """A text in which what stands between backticks is code."""
    parts = text.split("`")
    tags = ("{}", "<code>{}</code>")
    return Markup("").join(Markup(tags[place % 2]).format(part) for place, part in enumerate(parts))


def ago(moment: datetime | str, language: str) -> str:
    """How long ago, in the coarsest unit that says it."""
    passed = datetime.now(UTC) - _moment(moment)
    nearly = max(passed, timedelta(seconds=1))
    return format_timedelta(-nearly, add_direction=True, locale=language)


def day_and_time(moment: datetime | str, language: str) -> str:
    """The moment itself, in UTC."""
    return format_datetime(_moment(moment), "medium", locale=language) + " UTC"


def _moment(moment: datetime | str) -> datetime:
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
