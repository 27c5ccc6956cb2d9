"""The learning rate of every step, as a pure function of the step. Torch-free."""

from dataclasses import dataclass
from decimal import Decimal
from math import ceil, cos, pi, sqrt

from tunesmith.training.config import TrainConfig


@dataclass(frozen=True)
class Schedule:
    """Warm-up to `peak`, then a descent that reaches `floor` at the last step.

    `total_steps` are this schedule's own; `first_step` is where in the run it begins (0, or the
    step an extended run continues from).
    """

    config: TrainConfig
    peak: float
    floor: float
    total_steps: int
    num_warmup_steps: int
    first_step: int = 0

    def rate(self, step: int) -> float:
        """Learning rate of optimizer step `step` of the run, counted from 0."""
        step -= self.first_step
        if step < self.num_warmup_steps:
            return self.peak * (step + 1) / self.num_warmup_steps
        return self.floor + (self.peak - self.floor) * self._share(step)

    def _share(self, step: int) -> float:
        """What is left of the way from peak to floor: 1 after warm-up, 0 at the last step."""
        scheduler = self.config.training.scheduler
        since = step - self.num_warmup_steps
        span = max(1, self.total_steps - 1 - self.num_warmup_steps)
        progress = min(1.0, since / span)
        match scheduler.kind:
            case "linear":
                return 1 - progress
            case "cosine":
                return (1 + cos(pi * progress)) / 2
            case "polynomial":
                return (1 - progress) ** scheduler.power
            case "cosine-restarts":
                cycle = progress * scheduler.cycles % 1 if progress < 1 else 1.0
                return (1 + cos(pi * cycle)) / 2
            case "inverse-sqrt":
                # Falls as 1 / sqrt(step) and has no end to reach; the floor stays below it.
                origin = max(1, self.num_warmup_steps)
                return sqrt(origin / (origin + since))
            case "constant":
                return 1.0


def make_schedule(config: TrainConfig, *, total_steps: int, first_step: int = 0) -> Schedule:
    """The schedule of a run of `total_steps` optimizer steps, `first_step` of them behind it."""
    training = config.resolved().training
    assert training.learning_rate != "auto"
    assert training.min_rate_ratio != "auto"
    assert training.warmup_ratio != "auto"
    own_steps = total_steps - first_step
    return Schedule(
        config=config,
        peak=training.learning_rate,
        floor=training.learning_rate * training.min_rate_ratio,
        total_steps=own_steps,
        # As it is written: in floating point, 0.07 of 100 steps are 7.000000000000001.
        num_warmup_steps=ceil(Decimal(str(training.warmup_ratio)) * own_steps),
        first_step=first_step,
    )
