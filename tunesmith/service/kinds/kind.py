"""What the control plane knows of a kind of job; a stage of `jobs/stages.py` does the work."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Generic, Literal, TypeAlias, TypeVar

from sqlalchemy.orm import Session

from tunesmith.jobs.folder import Outcome
from tunesmith.jobs.spec import JobSpec
from tunesmith.service.job_requests import JobRequest
from tunesmith.service.services import Services
from tunesmith.store.tables import Job
from tunesmith.training.config import TrainConfig

Language: TypeAlias = Literal["en", "zh"]
Request = TypeVar("Request")


@dataclass(frozen=True)
class Needs:
    """What a request comes to.

    Attributes:
        name: what to call the job.
        pins: versions by the references of the request.
        first: jobs that have to succeed first, by their names.
        recipe: what an extension comes to; a training's is in its request.
    """

    name: str
    pins: Mapping[str, str] = field(default_factory=dict[str, str])
    first: Mapping[str, JobRequest] = field(default_factory=dict[str, JobRequest])
    recipe: TrainConfig | None = None


@dataclass(frozen=True)
class Finished:
    """A job that has succeeded and is to be published.

    Attributes:
        job: its row.
        folder: where it worked.
        outcome: what it says that it made.
        now: when it is published.
    """

    job: Job
    folder: Path
    outcome: Outcome
    now: datetime


@dataclass(frozen=True)
class JobKind(Generic[Request]):
    """A kind of job that can be asked for by a `Request`.

    Attributes:
        stage: what does the work; it is the `kind` of the job in the queue and in its folder.
        id_prefix: how ids of its jobs begin.
        called: what messages call it.
        find_needs: looks everything up that a tenant's request names, and raises what is wrong.
        prepare: the job as its folder has it, every name pinned; of a job whose turn has come.
        publish: registers what a job made; None if there is nothing to register.
    """

    stage: str
    id_prefix: str
    called: Mapping[Language, str]
    find_needs: Callable[[Services, str, Request], Needs]
    prepare: Callable[[Services, Job, Request], JobSpec]
    publish: Callable[[Services, Session, Finished], None] | None = None
