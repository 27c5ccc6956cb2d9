"""Asking several models the same: side by side, or for figures."""

from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from tunesmith.errors import DatasetRejected, NotFound
from tunesmith.evaluation.figures import read_results
from tunesmith.evaluation.job import CompareJob, Contestant, EvaluateJob
from tunesmith.evaluation.tasks import check_sections
from tunesmith.modeling.catalog import CATALOG
from tunesmith.service import runs
from tunesmith.service.job_requests import (
    CompareRequest,
    ContestantRequest,
    EvaluateRequest,
    JobRequest,
    PullRequest,
)
from tunesmith.service.kinds.inputs import must_be_pulled
from tunesmith.service.kinds.kind import Finished, JobKind, Needs
from tunesmith.service.library import find_edition, get_edition
from tunesmith.service.models import find_base
from tunesmith.service.registry import find_model
from tunesmith.service.services import Services
from tunesmith.service.shelves import CHARACTERS, PROMPTS, Content, Shelf
from tunesmith.store.tables import Evaluation, Job
from tunesmith.training.job import RESULT, PinnedDataset

# --- what is asked, pinned when it is asked for -------------------------------------------------


def _needs_of_comparison(services: Services, tenant_id: str, request: CompareRequest) -> Needs:
    if (request.dataset is None) == (not request.prompts):
        raise DatasetRejected("a comparison needs either prompts or a dataset", hint="give one")
    return _needs_of_contestants(services, tenant_id, request)


def _needs_of_evaluation(services: Services, tenant_id: str, request: EvaluateRequest) -> Needs:
    check_sections(request.dataset, request.tasks, forgetting=request.forgetting)
    return _needs_of_contestants(services, tenant_id, request)


def _needs_of_contestants(
    services: Services, tenant_id: str, request: CompareRequest | EvaluateRequest
) -> Needs:
    pins: dict[str, str] = {}
    first: dict[str, JobRequest] = {}
    for reference in dict.fromkeys(each.model for each in request.models):
        if reference not in CATALOG:
            pins[_model_pin(reference)] = _find_answering(services, tenant_id, reference)
        elif must_be_pulled(services, tenant_id, reference):
            first[reference] = PullRequest(model=reference)
    for each in request.models:
        pins |= _edition_pins(services, tenant_id, PROMPTS, each.prompt)
        pins |= _edition_pins(services, tenant_id, CHARACTERS, each.character)
    if request.dataset is not None:
        pins[request.dataset] = services.home(tenant_id).find("dataset", request.dataset).id
    return Needs(request.name, pins, first)


def _edition_pins(
    services: Services, tenant_id: str, shelf: Shelf[Content], reference: str | None
) -> dict[str, str]:
    if reference is None:
        return {}
    edition = find_edition(services, shelf, tenant_id, reference)
    return {_edition_pin(shelf, reference): f"{edition.id}@{edition.version}"}


def _edition_pin(shelf: Shelf[Any], reference: str) -> str:
    """Under what the pin of an entry of the library stands."""
    return f"{shelf.kind} {reference}"


def _model_pin(reference: str) -> str:
    """Under what the pin of a model stands, beside those of datasets."""
    return f"model {reference}"


def _find_answering(services: Services, tenant_id: str, reference: str) -> str:
    """What can answer under `reference`: the id of a registered model, or RUN-ID@STEP.

    Raises:
        NotFound: the tenant has neither such a model nor such a checkpoint.
    """
    try:
        return find_model(services, tenant_id, reference).id
    except NotFound as error:
        try:
            checkpoint = runs.find_checkpoint(services.home(tenant_id), reference)
        except NotFound:
            raise error from None
    return f"{checkpoint.run_id}@{checkpoint.step}"


# --- who answers, when its turn has come --------------------------------------------------------


def _prepare_comparison(services: Services, job: Job, request: CompareRequest) -> CompareJob:
    dataset = _pinned_dataset(services, job, request.dataset)
    return CompareJob(
        contestants=[_contestant(services, job, each) for each in request.models],
        prompts=request.prompts,
        dataset=dataset,
        limit=None if dataset is None else request.limit,
        answers=request.answers,
        metrics=request.metrics,
    )


def _prepare_evaluation(services: Services, job: Job, request: EvaluateRequest) -> EvaluateJob:
    return EvaluateJob(
        contestants=[_contestant(services, job, each) for each in request.models],
        dataset=_pinned_dataset(services, job, request.dataset),
        limit=request.limit,
        metrics=request.metrics,
        tasks=request.tasks,
        forgetting=request.forgetting,
        answers=request.answers,
    )


def _pinned_dataset(services: Services, job: Job, reference: str | None) -> PinnedDataset | None:
    if reference is None:
        return None
    home = services.home(job.tenant_id)
    return runs.pin_dataset(home, reference, version=job.spec["pins"][reference])


def _contestant(services: Services, job: Job, request: ContestantRequest) -> Contestant:
    folder, trained_prompt = _answering(services, job, request.model)
    prompt = _pinned_edition(services, job, PROMPTS, request.prompt)
    character = _pinned_edition(services, job, CHARACTERS, request.character)
    # What is said for this comparison comes before what is kept, and that before the training's.
    system_prompts = (
        request.system_prompt,
        prompt.system_prompt if prompt else None,
        character.persona if character else None,
        trained_prompt,
    )
    return Contestant(
        label=request.name,
        model=request.model,
        folder=str(folder),
        system_prompt=next((each for each in system_prompts if each is not None), None),
        template=prompt.template if prompt else "",
    )


def _answering(services: Services, job: Job, reference: str) -> tuple[Path, str | None]:
    """Where a model lies, and the system prompt of its training where its files do not say it."""
    home = services.home(job.tenant_id)
    if reference in CATALOG:
        return Path(find_base(home, reference).folder), None
    pinned = job.spec["pins"][_model_pin(reference)]
    run_id, is_checkpoint, _ = pinned.partition("@")
    if is_checkpoint:
        weights = runs.find_checkpoint(home, pinned).weights
        return Path(weights), runs.system_prompt_of(home.runs / run_id)
    return home.folder / find_model(services, job.tenant_id, pinned).folder, None


def _pinned_edition(
    services: Services, job: Job, shelf: Shelf[Content], reference: str | None
) -> Content | None:
    if reference is None:
        return None
    entry_id, _, version = job.spec["pins"][_edition_pin(shelf, reference)].partition("@")
    edition = get_edition(services, shelf, job.tenant_id, entry_id, version=int(version))
    return edition.content


# --- what was found ----------------------------------------------------------------------------


def _publish_evaluation(services: Services, db: Session, finished: Finished) -> None:
    job = finished.job
    results = read_results(finished.folder / RESULT)
    request = EvaluateRequest.model_validate(job.spec["request"], strict=False)
    for contestant, figures in zip(request.models, results.figures, strict=True):
        pinned = job.spec["pins"].get(_model_pin(contestant.model), contestant.model)
        row = Evaluation(
            job_id=job.id,
            label=figures.label,
            tenant_id=job.tenant_id,
            model=pinned,
            scores=dict(figures.scores),
            verdict=figures.forgetting.sentence if figures.forgetting else "",
            created_at=finished.now,
        )
        db.add(row)


COMPARE = JobKind(
    stage="compare",
    id_prefix="compare",
    called={"en": "comparison", "zh": "对比"},
    find_needs=_needs_of_comparison,
    prepare=_prepare_comparison,
)
EVALUATE = JobKind(
    stage="evaluate",
    id_prefix="evaluate",
    called={"en": "evaluation", "zh": "评估"},
    find_needs=_needs_of_evaluation,
    prepare=_prepare_evaluation,
    publish=_publish_evaluation,
)
