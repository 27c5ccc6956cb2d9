"""What can be asked for of models that were made elsewhere, as a job. Torch-free."""

from typing import Literal

from tunesmith.schema import Strict
from tunesmith.training.job import PinnedModel


class RegisterJob(Strict):
    """Take in the model or adapter of an archive.

    Attributes:
        name: of the model.
        archive: a tar file or a zip.
        filename: what the user calls it.
        sha256: of the archive, as it was uploaded.
        base: what an adapter is for; None if the archive says so.
        bases: the models that adapters can be for, by every name they have.
    """

    kind: Literal["register"] = "register"
    name: str
    archive: str
    filename: str
    sha256: str
    base: str | None = None
    bases: dict[str, PinnedModel]
