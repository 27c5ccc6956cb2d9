"""Presets: settings that go together, by what they are for. Torch-free.

A preset gives values to settings that a recipe leaves out; what a recipe says itself stays.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

from tunesmith.schema import choose

Values: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Preset:
    """Settings that go together.

    Attributes:
        kind: a goal that somebody has, or a task with settings known to do well.
        meaning: when to use it, in one line.
        judged_by: what to measure the result by: a metric's name, or validation loss.
        settings: values by dotted path.
    """

    kind: Literal["goal", "task"]
    meaning: str
    judged_by: str
    settings: Mapping[str, Any]


def _task(epochs: int, rate: float, decay: float, warmup: float, **more: Any) -> Mapping[str, Any]:
    return {
        "training.batch_size": 8,
        "training.epochs": epochs,
        "training.learning_rate": rate,
        "training.min_rate_ratio": decay,
        "training.warmup_ratio": warmup,
        **more,
    }


# Goals are those of F19 and F67; tasks are the platform presets of F78-F82, to the digit.
PRESETS: Mapping[str, Preset] = {
    "terms": Preset(
        "goal",
        "teach the terms of a field: medicine, finance, law",
        "validation loss",
        {"method.kind": "lora", "method.rank": 32, "training.epochs": 3},
    ),
    "shift": Preset(
        "goal",
        "follow data that looks different from what the base was trained on",
        "validation loss",
        {"method.kind": "lora", "method.rank": 64, "training.epochs": 4},
    ),
    "personal": Preset(
        "goal",
        "fit one user, device or group, from few examples",
        "rouge-l",
        {"method.kind": "lora", "method.rank": 8, "method.dropout": 0.05, "training.epochs": 5},
    ),
    "small-machine": Preset(
        "goal",
        "train on a small machine or few GPUs",
        "validation loss",
        {
            "method.kind": "lora",
            "method.rank": 8,
            "method.targets": "attention-min",
            "training.batch_size": 2,
            "training.gradient_accumulation": 4,
        },
    ),
    "keep-knowledge": Preset(
        "goal",
        "learn a new task and keep what the model knew",
        "rouge-l",
        {
            "method.kind": "lora",
            "method.rank": 16,
            "training.learning_rate": 5e-5,
            "training.epochs": 2,
        },
    ),
    "accuracy": Preset(
        "goal",
        "raise accuracy or recall of a task with right answers",
        "exact",
        {"method.kind": "lora", "method.rank": 32, "training.epochs": 5},
    ),
    "multilingual": Preset(
        "goal",
        "answer in other languages",
        "chrf",
        {"method.kind": "lora", "method.rank": 64, "training.epochs": 4},
    ),
    "fast": Preset(
        "goal",
        "see a first result soon: high rate, one pass",
        "validation loss",
        {
            "method.kind": "lora",
            "method.rank": 8,
            "training.learning_rate": 3e-4,
            "training.epochs": 1,
        },
    ),
    "quality": Preset(
        "goal",
        "the best result, however long it takes: low rate, many passes",
        "validation loss",
        {
            "method.kind": "lora",
            "method.rank": 64,
            "training.learning_rate": 5e-5,
            "training.epochs": 6,
            "training.scheduler.kind": "cosine",
        },
    ),
    "basic": Preset(
        "task",
        "analysis, writing, translation, questions, summaries, chat",
        "rouge-l",
        _task(4, 7.5e-5, 0.067, 0.01),
    ),
    "nl2sql": Preset("task", "questions to SQL", "exact", _task(4, 1e-5, 0.067, 0.013)),
    "nl2json": Preset("task", "questions to JSON", "json-valid", _task(3, 7.5e-5, 0.01, 0.01)),
    "nl2code": Preset("task", "questions to code", "exact", _task(4, 1e-5, 0.067, 0.013)),
    "basic-4k": Preset(
        "task",
        "the same as basic, for a base with a context of 4,096 tokens",
        "rouge-l",
        _task(6, 3e-6, 0.01, 0.05, **{"checkpoint.every_steps": 1000}),
    ),
}


def with_preset(values: Values, name: str) -> Values:
    """A recipe's values with those of a preset where it says nothing itself.

    Raises:
        NotFound: there is no such preset.
    """
    settings = choose(PRESETS, name, what="preset").settings
    method = values.get("method")
    chosen = cast("Values", method).get("kind") if isinstance(method, dict) else None
    if chosen not in (None, settings.get("method.kind")):  # the preset's are of another method
        settings = {path: each for path, each in settings.items() if not path.startswith("method.")}
    return with_defaults(values, settings)


def with_defaults(values: Values, settings: Mapping[str, Any]) -> Values:
    """A recipe's values with `settings`, by dotted path, where it says nothing itself."""
    result = copy.deepcopy(values)
    for path, value in settings.items():
        group = result
        *parents, last = path.split(".")
        for part in parents:
            inner: Any = group.setdefault(part, {})
            if not isinstance(inner, dict):  # an error of the recipe, told when it is validated
                break
            group = cast("Values", inner)
        else:
            group.setdefault(last, value)
    return result
