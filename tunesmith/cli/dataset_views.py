"""Datasets as text."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from tunesmith.data.comparison import ShownExample
    from tunesmith.service.dataset_versions import DiffView, MixView
    from tunesmith.service.datasets import DatasetReport, DatasetView, ExampleView

_NUM_FILES = 10  # shown; --json lists all


def print_dataset(view: "DatasetView") -> None:
    """What a version holds."""
    from tunesmith.cli import show

    show.figures(_figures(view), title=f"dataset {view.name}")


def _figures(view: "DatasetView") -> list[tuple[str, str]]:
    stats = view.stats
    state = "already here, reused" if view.existed else view.imported
    figures = [
        ("version", f"{view.version} ({state})"),
        ("source", _source(view)),
        ("format", f"{stats.format}: {stats.evidence}"),
        ("examples", f"{stats.num_examples:,} of {stats.num_rows:,} rows"),
        ("rejected", _listed_in_file(stats.num_rejected)),
        ("dropped", _listed_in_file(stats.num_dropped)),
        ("duplicates", f"{stats.num_duplicates:,}"),
        ("not read", _not_read(view)),
        ("folder", view.folder or "none"),  # of a server it is not shown
    ]
    rare = ("source", "dropped", "not read", "folder")
    return [(word, value) for word, value in figures if word not in rare or value != "none"]


def _source(view: "DatasetView") -> str:
    if not view.source:
        return "none"
    files = f"{view.num_files:,} files" if view.num_files > 1 else ""
    return ", ".join(filter(None, (view.source, files, view.encoding)))


def _listed_in_file(count: int) -> str:
    return f"{count:,} (rejected.jsonl names each row and reason)" if count else "none"


def _not_read(view: "DatasetView") -> str:
    columns, files = view.stats.ignored_columns, view.left_out
    parts = [f"the columns {', '.join(columns)}"] if columns else []
    return "; ".join(parts + ([f"the files {', '.join(files)}"] if files else [])) or "none"


def print_report(report: "DatasetReport") -> None:
    """Counts, texts by role, what is suspicious, and where the version came from and went."""
    from tunesmith.cli import show

    view = report.dataset
    runs = ", ".join(f"{use.name} ({use.run})" for use in report.runs)
    show.figures(
        [*_figures(view), *_origin(report.lineage), ("used by", runs or "no run")],
        title=f"dataset {view.name}",
    )
    show.say("")
    show.table(
        ["texts of", "number", "characters", "on average", "longest"],
        [
            (
                role,
                f"{stats.num_texts:,}",
                f"{stats.num_characters:,}",
                f"{stats.num_characters / stats.num_texts:,.0f}",
                f"{stats.longest:,}",
            )
            for role, stats in view.stats.roles.items()
        ],
    )
    _print_left_out(report)
    found = [each for each in report.findings if each.num_examples]
    show.say("")
    if not found:
        show.say("nothing suspicious was found")
        return
    show.table(
        ["to look at", "examples", "first rows", "meaning"],
        [
            (each.kind, f"{each.num_examples:,}", _rows(each.first_rows), each.meaning)
            for each in found
        ],
    )
    show.say(f"look at one: tunesmith data preview {view.name} --row ROW")


def _origin(lineage: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a version was made from and how, beside what is said of it anyway."""
    said = {"source", "encoding", "format", "left_out", "files"}
    rows = [
        (word.replace("_", " "), _in_words(value))
        for word, value in lineage.items()
        if value and word not in said
    ]
    files = lineage.get("files", [])
    if len(files) > 1:
        shown = [f"{file['file']} from row {file['first_row']:,} on" for file in files[:_NUM_FILES]]
        more = len(files) - len(shown)
        rows.append(("files", "\n".join([*shown, *([f"and {more:,} more"] if more else [])])))
    return rows


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={each}" for key, each in cast("dict[str, Any]", value).items())
    return str(value)


def _print_left_out(report: "DatasetReport") -> None:
    from tunesmith.cli import show

    if not report.rows_left_out:
        return
    stats = report.dataset.stats
    show.say("")
    show.table(
        ["left out", "field", "reason"],
        [(each.place, each.field, each.reason) for each in report.rows_left_out],
    )
    more = stats.num_rejected + stats.num_dropped - len(report.rows_left_out)
    if more:
        show.say(f"and {more:,} more in {report.dataset.folder}/rejected.jsonl")


def _rows(rows: Iterable[int]) -> str:
    return ", ".join(map(str, rows))


def print_difference(view: "DiffView") -> None:
    """Both versions side by side, and the first examples that only one of them has."""
    from tunesmith.cli import show

    older, newer, difference = view.older, view.newer, view.difference
    both = (older.stats, newer.stats)
    counts = {
        "examples": [stats.num_examples for stats in both],
        "duplicates": [stats.num_duplicates for stats in both],
        "rejected": [stats.num_rejected for stats in both],
    }
    for role in {**older.stats.roles, **newer.stats.roles}:
        texts = [stats.roles.get(role) for stats in both]
        counts[f"{role} characters"] = [each.num_characters if each else 0 for each in texts]
    columns = [f"{each.name} ({each.version[:8]})" for each in (older, newer)]
    rows = [(word, *(f"{count:,}" for count in pair)) for word, pair in counts.items()]
    show.table(["", *columns], rows)
    show.say(
        f"\n{difference.num_added:,} added, {difference.num_removed:,} removed, "
        f"{difference.num_common:,} common examples"
    )
    _print_examples("+", difference.first_added)
    _print_examples("-", difference.first_removed)


def _print_examples(sign: str, examples: Iterable["ShownExample"]) -> None:
    from tunesmith.cli import show

    for example in examples:
        texts = "  ".join(f"{whose}: {text!r}" for whose, text in example.texts)
        show.say(f"{sign} row {example.row}  {texts}")


def print_mix(view: "MixView") -> None:
    """What a mix comes to, by tokens."""
    from tunesmith.cli import show

    show.table(
        ["data", "examples", "tokens", "trained", "share"],
        [
            (
                word,
                f"{share.num_examples:,}",
                f"{share.num_tokens:,}",
                f"{share.num_trained_tokens:,}",
                f"{ratio:.1%}",
            )
            for word, share, ratio in (
                ("task", view.task, 1 - view.ratio),
                ("general", view.general, view.ratio),
            )
        ],
    )
    if view.made is not None:
        print_dataset(view.made)


def print_tokens(view: "ExampleView") -> None:
    """One example, each token coloured by what becomes of it."""
    from rich.text import Text

    from tunesmith.cli import show

    num_trained = sum(token.trained for token in view.tokens)
    show.console.print(
        f"\n[bold]row {view.row}[/]: {len(view.tokens)} tokens, {num_trained} trained"
    )
    line = Text()
    for position, token in enumerate(view.tokens):
        even = position % 2 == 0
        style = "red strike" if token.cut else "dim" if not token.trained else "black on green"
        if token.trained and not even:
            style = "black on bright_green"
        shown = (
            token.text.replace("\n", "⏎\n") if not token.trained else token.text.replace("\n", "⏎")
        )
        line.append(shown, style=style)
    show.console.print(line)
    if not show.console.is_terminal:  # colours are lost: say it in words as well
        trained = "".join(token.text for token in view.tokens if token.trained)
        show.say(f"trained: {trained!r}")
