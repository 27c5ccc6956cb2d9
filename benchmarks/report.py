"""The tables that a benchmark prints."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from benchmarks import compare
from benchmarks.compare import Rates, Runs
from benchmarks.sides import OURS, Measured


def print_all(
    console: Console,
    runs: Runs,
    rates: Sequence[Rates],
    held_out: Mapping[str, float],
    problems: Sequence[str],
) -> None:
    """All tables, and what makes them worthless if the sides did not compute the same."""
    console.print(_machine(rates, next(iter(runs.values()))[0]))
    console.print(_sides(runs, rates, held_out))
    if OURS in runs and len(runs) > 1:
        console.print(_ratios(runs, held_out))
    for problem in problems:
        console.print(f"[red]not comparable:[/] {problem}")


def _machine(rates: Sequence[Rates], run: Measured) -> Table:
    """The rates of the machine's matrix product and the rooflines that follow."""
    columns = ("format", "layers, GFLOP/s", "head, GFLOP/s", "roofline, tokens/s")
    table = _table("the machine's own matrix product, best of all rounds", columns)
    for precision in rates[0]:
        parts = (compare.best_rate(rates, precision, part) for part in ("layer", "head"))
        limit = compare.roofline(rates, run, precision=precision)
        table.add_row(precision, *(f"{part / 1e9:,.0f}" for part in parts), f"{limit:,.0f}")
    return table


def _sides(runs: Runs, rates: Sequence[Rates], held_out: Mapping[str, float]) -> Table:
    """Every side's own figures."""
    columns = ("side", "tokens/s", "of roofline", "peak RSS, GB", "first step, s", "held-out loss")
    table = _table("sides: median (least-greatest)", columns)
    for side, measured in runs.items():
        memory = compare.figure(measured, "peak_rss_bytes").scaled(1e-9)
        table.add_row(
            f"{side} ({measured[0].precision})",
            compare.figure(measured, "tokens_per_second").text("{:.0f}"),
            f"{compare.roofline_fraction(rates, measured):.1%}",
            memory.text("{:.2f}"),
            compare.figure(measured, "seconds_to_first_step").text("{:.1f}"),
            f"{held_out[side]:.4f}",
        )
    return table


def _ratios(runs: Runs, held_out: Mapping[str, float]) -> Table:
    """Ours against each peer, within rounds, and how far their losses are apart."""
    columns = ("peer", "P1 speed", "P2 memory", "P3 first step", "loss of a step", "held-out loss")
    table = _table("ours / peer: median (least-greatest), and greatest deviation", columns)
    for side in runs:
        if side == OURS:
            continue
        names = ("tokens_per_second", "peak_rss_bytes", "seconds_to_first_step")
        ratios = (compare.ratio(runs[OURS], runs[side], name) for name in names)
        table.add_row(
            side,
            *(each.text("{:.2f}") for each in ratios),
            _marked(compare.loss_deviation(runs, side), compare.MAX_LOSS_DEVIATION),
            _marked(compare.held_out_deviation(held_out, side), compare.MAX_HELD_OUT_DEVIATION),
        )
    return table


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    return table


def _marked(deviation: float, allowed: float) -> str:
    colour = "green" if deviation <= allowed else "red"
    return f"[{colour}]{deviation:.3%}[/] of {allowed:.1%}"
