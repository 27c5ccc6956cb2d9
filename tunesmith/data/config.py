"""The settings of a run's data."""

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field

from tunesmith.errors import NameInvalid
from tunesmith.schema import Strict, check_name, setting

_VERSION = re.compile(r"[0-9a-f]{4,16}")


def split_reference(reference: str) -> tuple[str, str]:
    """Split "name" or "name@version-prefix" into both; the latest version is an empty prefix."""
    name, _, version = reference.partition("@")
    return name, version


def _check_reference(reference: str) -> str:
    name, separator, version = reference.partition("@")
    try:
        check_name(name)
    except NameInvalid as error:
        raise ValueError(error.message) from error
    if separator and not _VERSION.fullmatch(version):
        raise ValueError("the version after '@' must be 4 to 16 of the digits 0-9 and a-f")
    return reference


DatasetReference = Annotated[str, AfterValidator(_check_reference)]


class SplitValidation(Strict):
    """Hold a random part of the training data out (F32)."""

    kind: Literal["split"] = "split"
    percent: int = setting(
        5, "share of the training examples to hold out", unit="%", band=(1, 20), ge=1, le=50
    )
    max_examples: int = setting(
        100, "evaluate on at most so many", unit="examples", band=(20, 1000), ge=1
    )
    mode: Literal["exclude-used", "seed-exact"] = setting(
        "exclude-used",
        "exclude-used: hold out no more than max_examples and train on the rest; "
        "seed-exact: hold out the full percent, and use what exceeds max_examples for neither",
    )


class DatasetValidation(Strict):
    """Validate on a dataset of its own (F33)."""

    kind: Literal["dataset"] = "dataset"
    dataset: DatasetReference = setting(..., "name, or name@version, of the validation dataset")
    max_examples: int = setting(
        100, "evaluate on at most so many", unit="examples", band=(20, 1000), ge=1
    )
    pick: Literal["first", "random"] = setting(
        "first", "which examples, where there are more; first is biased if the file is sorted"
    )


class NoValidation(Strict):
    """Train on everything and measure nothing."""

    kind: Literal["none"] = "none"


Validation: TypeAlias = SplitValidation | DatasetValidation | NoValidation


def _as_list(train: Any) -> Any:
    """One dataset may be written without a list."""
    return [train] if isinstance(train, str) else train


def _as_group(validation: Any) -> Any:
    """`validation: none` and `validation: my-dataset` are short for the groups they mean."""
    if not isinstance(validation, str):
        return validation
    if validation == "none":
        return {"kind": "none"}
    return {"kind": "dataset", "dataset": validation}


class DataConfig(Strict):
    """Which examples to learn from, and how they become tokens."""

    train: Annotated[list[DatasetReference], BeforeValidator(_as_list)] = setting(
        ..., "datasets to train on, each a name or name@version", min_length=1
    )
    validation: Annotated[
        Annotated[Validation, Field(discriminator="kind")], BeforeValidator(_as_group)
    ] = setting(SplitValidation(), "what to measure progress on")
    max_length: int = setting(
        1024,
        "longer examples lose their tail, and are counted",
        unit="tokens",
        band=(128, 8192),
        ge=8,
    )
    system_prompt: str = setting(
        "", "system message for conversations without one; stored with the model and served with it"
    )
    train_on: Literal["answers", "all"] = setting(
        "answers", "answers: the loss counts answers and their ends only; all: every token"
    )
