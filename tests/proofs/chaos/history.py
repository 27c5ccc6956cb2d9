"""What happened to every job, read from the database, and what of it must not have happened."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from sqlalchemy import select

from tunesmith.artifacts import is_intact
from tunesmith.service.services import Services
from tunesmith.store.tables import TERMINAL, Attempt, Job, JobEvent, Model
from tunesmith.store.transitions import COMES_FROM


@dataclass(frozen=True)
class Turn:
    time: datetime
    status: str
    message: str


@dataclass(frozen=True)
class Try:
    token: int
    worker_id: str
    outcome: str | None


@dataclass(frozen=True)
class JobHistory:
    """One job: its turns and attempts in their order, and the digests that were registered."""

    id: str
    kind: str
    name: str
    token: int
    turns: list[Turn]
    tries: list[Try]
    digests: list[str]
    is_intact: bool  # everything it registered is there, as its manifest says

    @property
    def status(self) -> str:
        return self.turns[-1].status


def read_histories(services: Services) -> list[JobHistory]:
    """The history of every job, oldest first."""
    with services.database.reading() as db:
        jobs = db.scalars(select(Job).order_by(Job.created_at, Job.id)).all()
        events = db.scalars(select(JobEvent).order_by(JobEvent.seq)).all()
        attempts = db.scalars(select(Attempt).order_by(Attempt.token)).all()
        models = db.scalars(select(Model)).all()
    return [
        JobHistory(
            id=job.id,
            kind=job.kind,
            name=job.name,
            token=job.token,
            turns=[Turn(e.time, e.status, e.message) for e in events if e.job_id == job.id],
            tries=[Try(a.token, a.worker_id, a.outcome) for a in attempts if a.job_id == job.id],
            digests=[m.digest for m in models if m.job_id == job.id],
            is_intact=all(
                is_intact(services.home(m.tenant_id).folder / m.folder)
                for m in models
                if m.job_id == job.id
            ),
        )
        for job in jobs
    ]


def faults(history: JobHistory, *, expected: Mapping[str, str]) -> Iterator[str]:
    """Everything about an ended job that must not be; `expected` has digests by name, if known."""
    statuses = [turn.status for turn in history.turns]
    if statuses[0] != "queued":
        yield f"begins as {statuses[0]}"
    for before, after in pairwise(statuses):
        if before not in COMES_FROM[after]:  # type: ignore[index]  (a status read from a row)
            yield f"went from {before} to {after}"
    if statuses[-1] not in TERMINAL:
        yield f"stands at {statuses[-1]}"
    if statuses.count("succeeded") > 1:
        yield "succeeded more than once"
    tokens = [each.token for each in history.tries]
    if len(tokens) != statuses.count("starting") or tokens != sorted(set(tokens)):
        yield f"was handed out {statuses.count('starting')} times under the tokens {tokens}"
    if history.token <= max(tokens, default=0):
        yield "its last lease was never ended"
    outcomes = Counter(each.outcome for each in history.tries)
    if outcomes[None]:
        yield "an attempt was never ended"
    if outcomes["succeeded"] != statuses.count("succeeded"):
        yield f"its attempts succeeded {outcomes['succeeded']} times"
    if history.kind == "train":
        yield from _faults_of_results(history, expected=expected)


def _faults_of_results(history: JobHistory, *, expected: Mapping[str, str]) -> Iterator[str]:
    num_results = 1 if history.status == "succeeded" else 0
    if len(history.digests) != num_results:
        yield f"{history.status} with {len(history.digests)} results"
    if any(digest != expected.get(history.name, digest) for digest in history.digests):
        yield "its result differs from that of an undisturbed run"
    if not history.is_intact:
        yield "its result is damaged"


def keep(histories: list[JobHistory], path: Path) -> None:
    """Write histories down, one line a job."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(asdict(each), default=str) for each in histories)
    path.write_text("\n".join(lines) + "\n", "utf-8")
