"""What can be asked for of base models as a job. Torch-free."""

from typing import Literal

from tunesmith.schema import Strict


class PullJob(Strict):
    """Fetch a base model of the catalog, or convert a GGUF file.

    Attributes:
        source: a name of the catalog, or the path of a .gguf file.
        name: what the user calls that file, where it is kept under another name.
        models: the folder of all base models.
    """

    kind: Literal["pull"] = "pull"
    source: str
    name: str = ""
    models: str
