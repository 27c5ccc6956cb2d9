"""What can be asked for of datasets as a job. Torch-free."""

from typing import Literal

from pydantic import Field

from tunesmith.data.config import DataConfig
from tunesmith.data.deduplicate import Deduplicate
from tunesmith.schema import Strict


class ImportJob(Strict):
    """Check a source row by row and keep it as a dataset version.

    Attributes:
        source: a path or an address.
        name: what the user calls the file, where it is kept under another name; messages and
            lineage say so, and its ending says how it is read. Empty: as `source` says.
        entry: the dataset to take where `source` is a LLaMA-Factory `dataset_info.json`.
        format: the shape of the rows; recognised if None.
        mapping: columns of the file by field of the format.
        max_rejected_percent: up to this share of rows may be no examples.
        deduplicate: also leave out what repeats an earlier row.
        into: the folder of all dataset versions.
        scratch: the folder for what is fetched; nothing is left in it.
    """

    kind: Literal["import"] = "import"
    source: str
    name: str = ""
    entry: str | None = None
    format: str | None = None
    mapping: dict[str, str] = Field(default_factory=dict[str, str])
    max_rejected_percent: float = Field(0.0, ge=0, le=100)
    deduplicate: Deduplicate | None = None
    into: str
    scratch: str


class MixJob(Strict):
    """Mix general data into a dataset version, or find out what that comes to.

    Attributes:
        task: the folder of the version.
        task_name: what the user calls it.
        general: the folder of the version that is mixed in.
        base: the folder of the base model whose tokens count.
        data: the settings of a recipe; its `mix` says how much.
        seed: origin of the random choice.
        into: the folder of all dataset versions; None keeps nothing.
        cache: the folder for tokens.
    """

    kind: Literal["mix"] = "mix"
    task: str
    task_name: str
    general: str
    base: str
    data: DataConfig
    seed: int
    into: str | None
    cache: str


class PreviewJob(Strict):
    """Show examples of a dataset version token by token.

    Attributes:
        dataset: the version's folder.
        base: the folder of the base model whose tokens and chat template count.
        data: the settings of a recipe.
        first_row: of the source, from which on examples are shown.
        limit: how many.
    """

    kind: Literal["preview"] = "preview"
    dataset: str
    base: str
    data: DataConfig
    first_row: int = Field(1, ge=1)
    limit: int = Field(3, ge=1)
