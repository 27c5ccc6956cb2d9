"""The preflight as text."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from tunesmith.jobs.engine import Preflight

_BAR_WIDTH = 40

K = TypeVar("K", str, int)


def print_preflight(preflight: "Preflight") -> None:
    """Say what will be trained on what, what it takes, and what to look at first."""
    from tunesmith.cli import show

    figures = [*_model(preflight), *_data(preflight), *_cost(preflight)]
    show.figures(figures, title=f"preflight of {preflight.config.name}")
    _print_datasets(preflight)
    _print_lengths(preflight)
    for warning in preflight.warnings:
        show.console.print("[yellow]warning:[/yellow] ", end="")
        show.say(warning)


def _print_lengths(preflight: "Preflight") -> None:
    """A histogram by powers of two; a bar that reaches beyond the maximum length stands out."""
    from tunesmith.cli import show

    reports = [use.report for use in preflight.data]
    counts = _sum(report.length_histogram for report in reports)
    longest = max(report.longest for report in reports)
    max_length = preflight.config.data.max_length
    num_cut = sum(report.num_truncated + report.num_unusable for report in reports)
    show.console.print(
        f"\n[bold]tokens an example[/]  of {counts.total():,} examples, the longest {longest:,}"
    )
    for limit, bar in bars(counts).items():
        is_cut = num_cut and min(limit, longest) > max_length
        colour = "yellow" if is_cut else "green"
        share = f"{counts[limit]:>8,} {counts[limit] / counts.total():>6.1%}"
        show.console.print(f"[cyan]≤{limit:>8,}[/]  [{colour}]{bar:<{_BAR_WIDTH}}[/] {share}")
    if num_cut:
        show.say(f"yellow: {num_cut:,} are longer than data.max_length = {max_length:,}, and cut")


def bars(counts: Mapping[int, int]) -> dict[int, str]:
    """A bar for each power of two up to the greatest, as long as its share of the highest count."""
    most = max(counts.values())
    first, last = min(counts), max(counts)
    limits = [1 << exponent for exponent in range(first.bit_length() - 1, last.bit_length())]
    return {limit: bar(counts.get(limit, 0) / most) for limit in limits}


def bar(share: float) -> str:
    """A bar of up to `_BAR_WIDTH` characters, right to an eighth of one; none only for nothing."""
    eighths = max(round(share * _BAR_WIDTH * 8), int(share > 0))
    whole, rest = divmod(eighths, 8)
    return "█" * whole + " ▏▎▍▌▋▊▉"[rest].strip()


def _model(preflight: "Preflight") -> list[tuple[str, str]]:
    base, method = preflight.base, preflight.config.method.kind
    share = preflight.num_trainable / preflight.num_parameters
    return [
        ("model", f"{base.reference} ({base.digest[:12]}), {preflight.dtype}"),
        ("method", f"{method}: {preflight.num_trainable:,} values trained ({share:.2%})"),
    ]


def _data(preflight: "Preflight") -> list[tuple[str, str]]:
    tokens, trained = preflight.num_tokens, preflight.num_trained_tokens
    in_all = tokens * preflight.config.training.epochs
    reports = [use.report for use in preflight.data]
    per_role = _sum(report.tokens_per_role for report in reports)
    trained_per_role = _sum(report.trained_tokens_per_role for report in reports)
    shares = (f"{role} {trained_per_role[role] / count:.0%}" for role, count in per_role.items())
    measured = f"{preflight.num_validation_examples:,} validation"
    rows = [
        ("examples", f"{preflight.num_examples:,} an epoch, {measured}"),
        (
            "tokens",
            f"{tokens:,} an epoch, of which {trained:,} trained ({trained / tokens:.0%}); "
            f"{in_all:,} in all, without padding",
        ),
        ("trained", ", ".join(shares)),
        ("turn ends", f"trained in all {sum(r.num_whole for r in reports):,} complete examples"),
        ("leakage", _leakage(preflight)),
    ]
    if preflight.mix_ratio is not None:
        rows.insert(2, ("mix", f"{preflight.mix_ratio:.1%} of the tokens"))
    return rows


def _leakage(preflight: "Preflight") -> str:
    leakage = preflight.leakage
    if leakage.num_validation == 0:
        return "nothing is measured"
    compared = f"{leakage.num_train_compared:,} of {leakage.num_train:,} training examples"
    line = (
        f"{leakage.num_exact} of {leakage.num_validation:,} validation examples are word for word, "
        f"{leakage.num_near} nearly, among {compared}"
    )
    twins = (
        f"{measured.name} row {measured.row} is {trained.name} row {trained.row}"
        for measured, trained in ((twin.validation, twin.train) for twin in leakage.first)
    )
    return "\n".join([line, *twins])


def _cost(preflight: "Preflight") -> list[tuple[str, str]]:
    from tunesmith.cli.show import size

    training = preflight.config.training
    examples_per_step = training.batch_size * training.gradient_accumulation
    return [
        (
            "steps",
            f"{preflight.total_steps:,} = {training.epochs} "
            f"{'epoch' if training.epochs == 1 else 'epochs'} x {preflight.steps_per_epoch:,} "
            f"({examples_per_step} examples a step)",
        ),
        (
            "rate",
            f"{preflight.peak_rate:.1e}, {training.scheduler.kind} to {preflight.floor_rate:.1e}, "
            f"{preflight.num_warmup_steps} warm-up steps",
        ),
        ("time", f"about {_about(preflight.seconds)}"),
        (
            "memory",
            f"about {size(preflight.memory_bytes)} of {size(preflight.memory_free_bytes)} free",
        ),
        ("disk", f"{size(preflight.disk_bytes)} of {size(preflight.disk_free_bytes)} free"),
    ]


def _print_datasets(preflight: "Preflight") -> None:
    from tunesmith.cli import show

    weights = [f"{entry.weight:g}" for entry in preflight.config.data.train]
    show.table(
        ["dataset", "for", "weight", "rows", "rejected", "cut", "unusable", "an epoch", "tokens"],
        [
            (
                f"{use.name}@{use.version[:8]}",
                use.purpose,
                weight,
                f"{use.num_rows:,}",
                f"{use.num_rejected:,}",
                f"{use.report.num_truncated:,}",
                f"{use.report.num_unusable:,}",
                f"{use.share.num_examples:,}" if use.share else "-",
                f"{use.share.num_tokens:,}" if use.share else "-",
            )
            for use, weight in zip(preflight.data, [*weights, "-", "-"], strict=False)
        ],
    )


def _about(seconds: float) -> str:
    """One or two digits: the estimate has no more."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.2g} {unit}"
    return f"{max(1, round(seconds))} s"


def _sum(counts: Iterable[Mapping[K, int]]) -> Counter[K]:
    total: Counter[K] = Counter()
    for each in counts:
        total.update(each)
    return total
