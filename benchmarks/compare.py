"""From the measured runs to figures: medians with their spread, ratios within a round, equality."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.sides import OURS, Measured
from benchmarks.task import Task

MAX_LOSS_DEVIATION, MAX_HELD_OUT_DEVIATION = 0.01, 0.005

Rates = dict[str, dict[str, float]]  # by number format, see benchmarks.machine
Runs = Mapping[str, Sequence[Measured]]  # by side, one for each round


@dataclass(frozen=True)
class Spread:
    """Median, least and greatest of one figure over the rounds."""

    middle: float
    low: float
    high: float

    def values(self) -> list[float]:
        """As a list, for JSON."""
        return [self.middle, self.low, self.high]

    def scaled(self, factor: float) -> "Spread":
        """In another unit."""
        return Spread(*(value * factor for value in self.values()))

    def text(self, form: str) -> str:
        """Such as "387 (380-391)" for the form "{:.0f}"."""
        middle, low, high = (form.format(value) for value in self.values())
        return f"{middle} ({low}-{high})"


FIGURES: Mapping[str, Callable[[Measured], float]] = {
    "tokens_per_second": lambda run: run.tokens_per_second,
    "peak_rss_bytes": lambda run: float(run.peak_rss_bytes),
    "seconds_to_first_step": lambda run: run.seconds_to_first_step,
    "training_seconds": lambda run: sum(run.step_seconds),
    "process_seconds": lambda run: run.ended_at - run.spawned_at,
}


def figure(runs: Sequence[Measured], name: str) -> Spread:
    """One figure of a side over its rounds."""
    return _spread([FIGURES[name](run) for run in runs])


def ratio(ours: Sequence[Measured], peer: Sequence[Measured], name: str) -> Spread:
    """Ours over the peer's, each ratio within one round: both ran in the same minutes."""
    of = FIGURES[name]
    return _spread([of(one) / of(other) for one, other in zip(ours, peer, strict=True)])


def _spread(values: Sequence[float]) -> Spread:
    return Spread(median(values), min(values), max(values))


# --- the limit -------------------------------------------------------------------------------


def best_rate(rates: Sequence[Rates], precision: str, part: str) -> float:
    """Operations a second of `part` (layer or head), best of all rounds: a limit is no average."""
    return max(rate[precision][f"{part}_flops_per_second"] for rate in rates)


def roofline(rates: Sequence[Rates], run: Measured, *, precision: str) -> float:
    """Tokens a second if nothing but the matrix products of `run`'s steps took time.

    4 N a token (2 N forward, 2 N for the gradients of inputs; LoRA needs none for the weights) and
    4 D V a trained token for the head, each at the machine's own rate. Attention, about 5 % more at
    200 tokens an example, is left out.
    """
    weights = rates[0][precision]
    num_tokens, num_trained = sum(run.num_tokens[1:]), sum(run.num_trained_tokens[1:])
    layer_flops = 4 * weights["num_layer_weights"] * num_tokens
    head_flops = 4 * weights["num_head_weights"] * num_trained
    seconds = layer_flops / best_rate(rates, precision, "layer")
    seconds += head_flops / best_rate(rates, precision, "head")
    return num_tokens / seconds


def roofline_fraction(rates: Sequence[Rates], runs: Sequence[Measured]) -> float:
    """Median speed of a side over the roofline of the number format it computes in."""
    limit = roofline(rates, runs[0], precision=runs[0].precision)
    return figure(runs, "tokens_per_second").middle / limit


# --- do both sides compute the same? ---------------------------------------------------------


def loss_deviation(runs: Runs, side: str) -> float:
    """Greatest |ours / side - 1| of a step's loss, over all steps and rounds."""
    return max(
        abs(a / b - 1)
        for ours, peer in zip(runs[OURS], runs[side], strict=True)
        for a, b in zip(ours.losses, peer.losses, strict=True)
    )


def held_out_deviation(held_out: Mapping[str, float], side: str) -> float:
    """|ours / side - 1| of the loss on the held-out rows."""
    return abs(held_out[OURS] / held_out[side] - 1)


def problems(task: Task, runs: Runs, held_out: Mapping[str, float]) -> list[str]:
    """What makes the sides incomparable, nothing if they computed the same."""
    everyone = [run for measured in runs.values() for run in measured]
    found = [text for run in everyone for text in _differences(task, run, everyone[0])]
    for side in runs:
        if OURS not in runs or side == OURS or found:
            continue
        step, end = loss_deviation(runs, side), held_out_deviation(held_out, side)
        if step > MAX_LOSS_DEVIATION:
            found.append(f"a step's loss differs from {side}'s by {step:.2%}")
        if end > MAX_HELD_OUT_DEVIATION:
            found.append(f"the held-out loss differs from {side}'s by {end:.2%}")
    return list(dict.fromkeys(found))


def _differences(task: Task, run: Measured, reference: Measured) -> Iterator[str]:
    """Other tokens than the task's; other rates, threads or libraries than the first run's."""
    if run.num_tokens != task.num_tokens:
        yield f"{run.side}: tokens of each step {run.num_tokens}, not {task.num_tokens}"
    if run.num_trained_tokens != task.num_trained_tokens:
        yield f"{run.side}: trained tokens {run.num_trained_tokens}, not {task.num_trained_tokens}"
    rates = zip(run.learning_rates, reference.learning_rates, strict=True)
    if any(abs(a - b) > 1e-9 for a, b in rates):
        yield f"{run.side}: learning rates {run.learning_rates}, not {reference.learning_rates}"
    if run.num_threads != reference.num_threads:
        yield f"{run.side}: {run.num_threads} threads, not {reference.num_threads}"
    for name in ("torch", "transformers"):
        if run.software[name] != reference.software[name]:
            yield f"{run.side}: {name} {run.software[name]}, not {reference.software[name]}"
