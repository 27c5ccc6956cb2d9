"""The settings of a run's data."""

import re
from typing import Annotated, Any, Literal, Self, TypeAlias, cast

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

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


_SEED = setting(
    None, "origin of the choice; another one reshuffles, null is the recipe's seed", ge=0, lt=2**32
)


class WeightedDataset(Strict):
    """A dataset to train on, and how much of it an epoch sees."""

    dataset: DatasetReference = setting(..., "name, or name@version, of the dataset")
    weight: float = setting(
        1.0,
        "how often an epoch sees its examples: 2 is twice, 0.3 a random 30 % of them (the same in "
        "every epoch), 2.3 both",
        gt=0,
        le=100,
        band=(0.05, 10),
    )


class MixConfig(Strict):
    """General data beside the task's, so that the model does not forget what it knew (F25)."""

    dataset: DatasetReference = setting(..., "name, or name@version, of the general dataset")
    ratio: Annotated[float, Field(gt=0, lt=1)] | Literal["auto"] = setting(
        "auto",
        "its share of an epoch's tokens; auto is 5 to 25 %, more the further the task's tokens are "
        "from the general ones, and never repeats an example",
    )


class PassagesConfig(Strict):
    """How plain text for continued pre-training is cut (F29, F87).

    A passage is split at `hard_cut`; the pieces that are too short are skipped; the rest is cut
    into windows that begin with the `overlap` last tokens of the window before (at least one). The
    repeated tokens are context: every token of a piece is trained once.
    """

    window: int | None = setting(
        None, "longest window; null is data.max_length", unit="tokens", ge=8
    )
    overlap: int = setting(
        0, "context repeated from the window before", unit="tokens", ge=0, band=(0, 512)
    )
    hard_cut: str = setting(
        "", "text that always ends a passage, such as three line breaks; empty is none"
    )
    skip_shorter_than: int = setting(
        0, "leave shorter pieces out, and count them", unit="characters", ge=0, band=(0, 1000)
    )


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
    seed: int | None = _SEED


class FoldValidation(Strict):
    """Hold one of several equal random parts out; each part in turn is a cross-validation (F34)."""

    kind: Literal["fold"] = "fold"
    folds: int = setting(5, "number of parts", band=(3, 10), ge=2, le=50)
    fold: int = setting(1, "which of them is held out, from 1", ge=1)
    max_examples: int = setting(
        1000, "evaluate on at most so many", unit="examples", band=(20, 1000), ge=1
    )
    seed: int | None = _SEED

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.fold > self.folds:
            raise ValueError(f"fold {self.fold} of {self.folds} does not exist")
        return self


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
    seed: int | None = _SEED


class NoValidation(Strict):
    """Train on everything and measure nothing."""

    kind: Literal["none"] = "none"


Validation: TypeAlias = SplitValidation | FoldValidation | DatasetValidation | NoValidation


def _as_list(train: Any) -> Any:
    """One dataset may be written without a list, and a dataset of weight 1 as its name."""
    entries = cast(list[Any], train) if isinstance(train, list) else [train]
    return [{"dataset": entry} if isinstance(entry, str) else entry for entry in entries]


def _as_group(validation: Any) -> Any:
    """`none` and `my-dataset` are short for the groups they mean; a group without kind splits."""
    if isinstance(validation, dict):
        group = cast(dict[str, Any], validation)
        return {"kind": "dataset" if "dataset" in group else "split", **group}
    if not isinstance(validation, str):
        return validation
    if validation == "none":
        return {"kind": "none"}
    return {"kind": "dataset", "dataset": validation}


class DataConfig(Strict):
    """Which examples to learn from, and how they become tokens."""

    train: Annotated[list[WeightedDataset], BeforeValidator(_as_list)] = setting(
        ..., "datasets to train on: a name, name@version, or a group with a weight", min_length=1
    )
    mix: MixConfig | None = setting(None, "general data against forgetting")
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
    passages: PassagesConfig = setting(PassagesConfig(), "how plain text is cut")
    max_damaged_percent: float = setting(
        2.0,
        "stop before training if more rows of a dataset were rejected at import, are cut at "
        "max_length, or have nothing left to train",
        unit="%",
        ge=0,
        le=100,
    )

    @property
    def window(self) -> int:
        """Longest window of a passage, in tokens."""
        return self.passages.window or self.max_length

    @model_validator(mode="after")
    def _windows_fit(self) -> Self:
        if self.window > self.max_length:
            raise ValueError(
                f"passages.window = {self.window} exceeds max_length = {self.max_length}"
            )
        if self.passages.overlap >= self.window:
            raise ValueError(
                f"passages.overlap = {self.passages.overlap} leaves nothing of a window of "
                f"{self.window} tokens"
            )
        return self
