"""P1, P2 and P3: speed, peak memory and time to the first step of LoRA training, against TRL.

    python -m benchmarks.training --data alpaca_en_demo.json

Sides take turns within each round, so that a ratio compares runs of the same minutes. The method is
in NOTES.md.
"""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks import compare, report
from benchmarks.compare import Rates
from benchmarks.sides import (
    OURS,
    PEERS,
    Measured,
    fresh_folder,
    peer_python,
    read_json,
    run_child,
    run_side,
    warm_up,
)
from benchmarks.task import RESULTS, Task, read_task
from tunesmith.artifacts import write_json
from tunesmith.errors import NotFound, TunesmithError

_TABLE_WIDTH = 110
_QUIET_LOAD = 0.5  # processes; above it something else runs, and figures mean little


@dataclass(frozen=True)
class Options:
    """What to measure, checked."""

    data: Path
    rows: int
    repeats: int
    sides: tuple[str, ...]
    precision: str


def main(
    data: Annotated[
        Path | None,
        typer.Option(envvar="BENCH_DATA", help="Alpaca rows: make bench BENCH_DATA=FILE."),
    ] = None,
    rows: Annotated[int, typer.Option(min=9, help="Train on so many rows, the first.")] = 200,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds; each runs every side once.")] = 3,
    sides: Annotated[
        str, typer.Option(help=f"Of {OURS}, {', '.join(PEERS)}.")
    ] = "ours,trl-defaults,trl-best",
    precision: Annotated[str, typer.Option(help="Of our side: auto, bf16 or fp32.")] = "auto",
) -> None:
    """Measure the sides in turns, print tables, write benchmarks/results/training-DATE.json.

    Raises:
        typer.Exit: 2 for a wrong option, 1 if the sides did not compute the same, so that their
            figures are not comparable.
    """
    console = Console(width=max(_TABLE_WIDTH, Console().width))  # a pipe would count as 80 wide
    try:
        options = Options(_checked_file(data), rows, repeats, _checked_sides(sides), precision)
        problems = _benchmark(options, console)
    except TunesmithError as error:
        console.print(f"[red]error:[/] {error}")
        raise typer.Exit(error.exit_code) from None
    if problems:
        raise typer.Exit(1)


def _checked_file(data: Path | None) -> Path:
    hint = (
        "give LLaMA-Factory's data/alpaca_en_demo.json, or any JSON list of instruction and output"
    )
    if data is None:
        raise NotFound("--data is required, a JSON file of alpaca rows", hint=hint)
    if not data.is_file():
        raise NotFound(f"there is no file {data}", hint=hint)
    return data.resolve()


def _checked_sides(text: str) -> tuple[str, ...]:
    sides = tuple(text.split(","))
    for side in sides:
        if side not in (OURS, *PEERS):
            raise NotFound(
                f"there is no side {side!r}", hint=f"there are: {', '.join((OURS, *PEERS))}"
            )
    return sides


def _benchmark(options: Options, console: Console) -> list[str]:
    """All of it; returns why the sides are not comparable, nothing if they are."""
    started, load = datetime.now(), os.getloadavg()[0]
    if load > _QUIET_LOAD:
        console.print(f"[yellow]the machine is not quiet: load {load:.1f}; figures mean little[/]")
    python = peer_python(options.sides)
    task = _prepare(options, console)
    for side in options.sides:
        console.print(f"warming up {side}")
        warm_up(side, task, python=python)
    runs, rates = _rounds(options, task, python=python, console=console)
    held_out = _held_out({side: measured[-1].adapter for side, measured in runs.items()})
    problems = compare.problems(task, runs, held_out)
    report.print_all(console, runs, rates, held_out, problems)
    path = RESULTS / f"training-{started:%Y%m%d-%H%M%S}.json"
    result = {
        "started": started.isoformat(timespec="seconds"),
        "machine": {**_machine(), "load_at_start": load},
        "data": {"file": options.data.name, "rows": options.rows},
        "problems": problems,
        "summary": _summary(runs, rates),
        "held_out_losses": held_out,
        "rates": rates,
        "task": task.model_dump(mode="json"),
        "runs": {side: [run.model_dump(mode="json") for run in runs[side]] for side in runs},
    }
    RESULTS.mkdir(exist_ok=True)
    write_json(path, result)
    console.print(f"wrote {path}")
    return problems


def _prepare(options: Options, console: Console) -> Task:
    console.print(f"preparing {options.rows} rows of {options.data.name}")
    values = (str(options.data), str(options.rows), options.precision)
    run_child(["-m", "benchmarks.prepare", *values], fresh_folder("task"))
    return read_task()


def _rounds(
    options: Options, task: Task, *, python: Path | None, console: Console
) -> tuple[dict[str, list[Measured]], list[Rates]]:
    """Every side once a round, and the machine's own rates before them."""
    runs: dict[str, list[Measured]] = {side: [] for side in options.sides}
    rates: list[Rates] = []
    for number in range(1, options.repeats + 1):
        out = fresh_folder(f"machine-{number}")
        run_child(["-m", "benchmarks.machine", str(out)], out)
        rates.append(read_json(out / "machine.json"))
        for side in options.sides:
            measured = run_side(side, task, label=str(number), python=python)
            runs[side].append(measured)
            speed = f"{measured.tokens_per_second:.0f} tokens/s"
            console.print(f"round {number} of {options.repeats}: {side} {speed}")
    return runs, rates


def _held_out(adapters: dict[str, str]) -> dict[str, float]:
    """Loss of each side's last adapter on the held-out rows, measured by our engine in fp32."""
    out = fresh_folder("held-out")
    run_child(["-m", "benchmarks.heldout", str(out), *adapters.values()], out)
    losses = read_json(out / "heldout.json")
    return {side: losses[adapter] for side, adapter in adapters.items()}


def _summary(runs: dict[str, list[Measured]], rates: Sequence[Rates]) -> dict[str, Any]:
    figures = {
        side: {name: compare.figure(measured, name).values() for name in compare.FIGURES}
        | {"roofline_fraction": compare.roofline_fraction(rates, measured)}
        for side, measured in runs.items()
    }
    ratios = {
        side: {
            name: compare.ratio(runs[OURS], runs[side], name).values() for name in compare.FIGURES
        }
        for side in runs
        if OURS in runs and side != OURS
    }
    return {"sides": figures, "ours_over": ratios}


def _machine() -> dict[str, Any]:
    cpu_info = Path("/proc/cpuinfo")
    lines = cpu_info.read_text("utf-8").splitlines() if cpu_info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor(),
        "num_cpus": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.platform(),
    }


if __name__ == "__main__":
    typer.run(main)
