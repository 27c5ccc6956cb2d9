"""Every kind of job, and how one is read from its folder. Torch-free."""

from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError

from tunesmith.data.job import ImportJob, MixJob, PreviewJob
from tunesmith.errors import NotFound, RecipeInvalid
from tunesmith.evaluation.job import CompareJob, EvaluateJob
from tunesmith.jobs.folder import JOB
from tunesmith.modeling.job import PullJob
from tunesmith.serving.job import RegisterJob
from tunesmith.training.job import PreflightJob, TrainJob

JobSpec: TypeAlias = Annotated[
    TrainJob
    | ImportJob
    | PullJob
    | RegisterJob
    | PreflightJob
    | PreviewJob
    | MixJob
    | CompareJob
    | EvaluateJob,
    Field(discriminator="kind"),
]

_SPEC: TypeAdapter[JobSpec] = TypeAdapter(JobSpec)


def read_spec(folder: Path) -> JobSpec:
    """The frozen job of a folder.

    Raises:
        NotFound: there is none.
        RecipeInvalid: it is not a job that this version knows.
    """
    try:
        return _SPEC.validate_json((folder / JOB).read_bytes())
    except OSError as error:
        raise NotFound(f"there is no {JOB} in {folder}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RecipeInvalid(f"{folder / JOB}: {where or 'it'}: {first['msg']}") from error
