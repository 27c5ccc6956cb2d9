"""Comparisons: models on the same prompts side by side, with figures and blind votes."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import zip_longest
from typing import Annotated, Any, TypeAlias, get_args

from fastapi import Form, Path, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from tunesmith.api.access import Reader, Runner, ServicesDep
from tunesmith.console.choices import list_choices
from tunesmith.console.lists import WantedPart
from tunesmith.console.pages import go, page_router, render
from tunesmith.errors import NotFound
from tunesmith.evaluation.config import DEFAULT_METRICS, AnswerSettings, MetricName
from tunesmith.schema import validate
from tunesmith.service import chat_votes, comparisons, dataset_pages, jobs, library, votes
from tunesmith.service.access import Actor
from tunesmith.service.comparisons import ComparisonDetail
from tunesmith.service.job_requests import CompareRequest
from tunesmith.service.services import Services
from tunesmith.service.shelves import CHARACTERS, PROMPTS
from tunesmith.service.submitting import submit_job
from tunesmith.service.votes import BlindExchange
from tunesmith.store.tables import TERMINAL

router = page_router()

_PAGE = 20
_MOST_DATASETS = 100
_FIRST_ROWS = 2  # models that the form begins with

After: TypeAlias = Annotated[int, Query(ge=0, le=2**31 - 1)]
PromptNumber: TypeAlias = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("/comparisons")
def comparisons_page(
    request: Request,
    actor: Reader,
    services: ServicesDep,
    after: Annotated[str | None, Query(max_length=200)] = None,
) -> HTMLResponse:
    """All comparisons."""
    shown, has_more = comparisons.list_comparisons(
        services, actor.tenant_id, after=after, limit=_PAGE
    )
    return render(request, "comparisons.html", actor=actor, comparisons=shown, has_more=has_more)


@router.get("/comparisons/chats")
def chat_votes_page(
    request: Request, actor: Reader, services: ServicesDep, wanted: WantedPart
) -> HTMLResponse:
    """How models stand after the blind votes in all chats."""
    totals = chat_votes.chat_vote_totals(services, actor.tenant_id)
    part = wanted.of(totals.standings, name=lambda each: each.model)
    shown = replace(totals, standings=list(part.shown))
    return render(request, "chat_votes.html", actor=actor, totals=shown, part=part)


# --- beginning one ---------------------------------------------------------------------------


class CompareForm(BaseModel):
    """What the form sends. Of models, labels, prompts and characters each row of it has one."""

    name: str = "comparison"
    model: list[str] = []
    label: list[str] = []
    prompt: list[str] = []
    character: list[str] = []
    prompts: str = ""
    dataset: str | None = None
    limit: int = 100
    max_tokens: int = AnswerSettings().max_tokens
    temperature: float = AnswerSettings().temperature
    seed: int = AnswerSettings().seed
    metrics: list[str] = []

    def request(self) -> CompareRequest:
        """The job that it asks for.

        Raises:
            RecipeInvalid: a value is missing or out of its bounds.
        """
        rows = zip_longest(self.model, self.label, self.prompt, self.character)
        names = ("model", "label", "prompt", "character")
        values: dict[str, Any] = {
            "name": self.name,
            "models": [
                {name: value for name, value in zip(names, row, strict=True) if value}
                for row in rows
                if row[0]
            ],
            "answers": self.model_dump(include={"max_tokens", "temperature", "seed"}),
            "metrics": self.metrics,
            "limit": self.limit,
        }
        if self.dataset:
            values["dataset"] = self.dataset
        else:
            values["prompts"] = [
                _prompt(line) for line in self.prompts.splitlines() if line.strip()
            ]
        return validate(CompareRequest, values, source=self.name)


_ARROW = " => "


def _prompt(line: str) -> Mapping[str, str]:
    """A line of the form: what is asked, and after an arrow the right answer, if it is known."""
    prompt, arrow, reference = line.rpartition(_ARROW)
    return {"prompt": prompt, "reference": reference} if arrow else {"prompt": reference}


@router.get("/comparisons/new")
def new_comparison_page(
    request: Request,
    actor: Runner,
    services: ServicesDep,
    model: Annotated[list[str], Query(max_length=20)] = [],  # noqa: B006
) -> HTMLResponse:
    """The form for a comparison; `model` are those to begin with."""
    return render(
        request,
        "new_comparison.html",
        actor=actor,
        rows=model or [""] * _FIRST_ROWS,
        choices=list_choices(services, actor.tenant_id, also=model),
        prompts=library.list_editions(services, PROMPTS, actor.tenant_id),
        characters=library.list_editions(services, CHARACTERS, actor.tenant_id),
        datasets=dataset_pages.newest_names(services, actor.tenant_id, most=_MOST_DATASETS),
        metrics=get_args(MetricName),
        chosen_metrics=DEFAULT_METRICS,
        answers=AnswerSettings(),
    )


@router.post("/comparisons")
def begin_comparison(
    request: Request, actor: Runner, services: ServicesDep, form: Annotated[CompareForm, Form()]
) -> Response:
    """Queue a comparison."""
    job = submit_job(services, form.request(), actor=actor)
    return go(request, f"/comparisons/{job.id}")


# --- looking at one --------------------------------------------------------------------------


@router.get("/comparisons/{comparison_id}")
def comparison_page(
    request: Request, comparison_id: str, actor: Reader, services: ServicesDep
) -> HTMLResponse:
    """A comparison: on its way, failed, or with what came out."""
    detail = comparisons.get_comparison(services, actor.tenant_id, comparison_id)
    return render(
        request,
        "comparison.html",
        actor=actor,
        is_over=detail.comparison.status in TERMINAL,
        **_shown(services, actor, detail),
    )


@router.get("/comparisons/{comparison_id}/now")
def comparison_now(
    request: Request, comparison_id: str, actor: Reader, services: ServicesDep
) -> Response:
    """How far it is; the whole page once it is over."""
    detail = comparisons.get_comparison(services, actor.tenant_id, comparison_id)
    if detail.comparison.status in TERMINAL:
        return go(request, f"/comparisons/{comparison_id}")
    job = jobs.get_job(services, actor.tenant_id, comparison_id)
    return render(request, "parts/comparison_now.html", actor=actor, job=job)


def _shown(services: Services, actor: Actor, detail: ComparisonDetail) -> Mapping[str, Any]:
    comparison_id = detail.comparison.id
    shown: dict[str, Any] = {
        "detail": detail,
        "job": jobs.get_job(services, actor.tenant_id, comparison_id),
    }
    if detail.summary is not None:
        shown["totals"] = votes.vote_totals(services, actor.tenant_id, comparison_id)
        shown |= _answers(services, actor, comparison_id, after=0)
    return shown


@router.get("/comparisons/{comparison_id}/answers")
def comparison_answers(
    request: Request,
    comparison_id: str,
    actor: Reader,
    services: ServicesDep,
    after: After = 0,
) -> HTMLResponse:
    """A page of prompts with all answers."""
    detail = comparisons.get_comparison(services, actor.tenant_id, comparison_id)
    answers = _answers(services, actor, comparison_id, after=after)
    return render(request, "parts/comparison_answers.html", actor=actor, detail=detail, **answers)


def _answers(
    services: Services, actor: Actor, comparison_id: str, *, after: int
) -> Mapping[str, Any]:
    exchanges, has_more = comparisons.list_exchanges(
        services, actor.tenant_id, comparison_id, after=after, limit=_PAGE
    )
    return {"exchanges": exchanges, "has_more": has_more, "after": after, "page_size": _PAGE}


@router.post("/comparisons/{comparison_id}/cancel")
def cancel_comparison(
    request: Request, comparison_id: str, actor: Runner, services: ServicesDep
) -> Response:
    """End a comparison that is on its way."""
    found = comparisons.get_comparison(services, actor.tenant_id, comparison_id)
    jobs.cancel_job(services, actor.tenant_id, found.comparison.id)
    return go(request, f"/comparisons/{comparison_id}")


@router.delete("/comparisons/{comparison_id}")
def delete_comparison(
    request: Request, comparison_id: str, actor: Runner, services: ServicesDep
) -> Response:
    """Delete a comparison with its votes."""
    comparisons.delete_comparison(services, actor.tenant_id, comparison_id)
    return go(request, "/comparisons")


# --- voting ----------------------------------------------------------------------------------


@router.get("/comparisons/{comparison_id}/vote")
def vote_page(
    request: Request,
    comparison_id: str,
    actor: Runner,
    services: ServicesDep,
    number: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> HTMLResponse:
    """A prompt with its answers under letters; by default the first without a vote of one's own."""
    detail = comparisons.get_comparison(services, actor.tenant_id, comparison_id)
    wanted = number or _first_open(services, actor, comparison_id)
    exchange = _ballot(services, actor, comparison_id, wanted)
    return render(
        request, "vote.html", actor=actor, detail=detail, number=wanted, exchange=exchange
    )


@router.post("/comparisons/{comparison_id}/vote/{number}")
def cast_vote(
    request: Request,
    comparison_id: str,
    number: PromptNumber,
    actor: Runner,
    services: ServicesDep,
    choice: Annotated[str, Form(max_length=4)],
) -> HTMLResponse:
    """Vote; the page tells whose answers they were."""
    votes.vote(services, actor, comparison_id, number, choice)
    detail = comparisons.get_comparison(services, actor.tenant_id, comparison_id)
    exchange = _ballot(services, actor, comparison_id, number)
    return render(
        request, "parts/ballot.html", actor=actor, detail=detail, number=number, exchange=exchange
    )


def _first_open(services: Services, actor: Actor, comparison_id: str) -> int:
    after, has_more = 0, True
    while has_more:
        page, has_more = votes.blind_exchanges(
            services, actor, comparison_id, after=after, limit=100
        )
        for exchange in page:
            if exchange.vote is None:
                return exchange.number
        after += len(page)
    return 1


def _ballot(services: Services, actor: Actor, comparison_id: str, number: int) -> BlindExchange:
    page, _ = votes.blind_exchanges(services, actor, comparison_id, after=number - 1, limit=1)
    if not page:
        raise NotFound(f"there is no prompt {number}")
    return page[0]
