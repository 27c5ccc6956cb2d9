"""Comparisons: models side by side on the same prompts, and votes on whose answers are best.

A comparison is begun and steered as a job (`/jobs`, kind `compare`); its id is the job's.
"""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import HTMLResponse, Response

from tunesmith.api.access import Reader, Runner, ServicesDep
from tunesmith.api.paging import After, AfterNumber, Limit, Page
from tunesmith.api.reports import REPORT_RESPONSE, report_file
from tunesmith.evaluation.transcript import Exchange
from tunesmith.schema import Strict, setting
from tunesmith.service import comparisons, votes
from tunesmith.service.comparisons import ComparisonDetail, ComparisonView
from tunesmith.service.votes import BlindExchange, CastVote, VoteTotals

router = APIRouter(tags=["comparisons"], prefix="/comparisons")

PromptNumber = Annotated[int, Path(description="the prompt's number, from 1", ge=1, le=2**31 - 1)]


class VoteRequest(Strict):
    """Which answer is best."""

    choice: str = setting(
        ..., "the letter of the best answer; tie or none if there is no best", max_length=4
    )


@router.get("")
def list_comparisons(
    actor: Reader, services: ServicesDep, after: After = None, limit: Limit = 20
) -> Page[ComparisonView]:
    """Comparisons, newest first; `after` is the last id."""
    data, has_more = comparisons.list_comparisons(
        services, actor.tenant_id, after=after, limit=limit
    )
    return Page(data=data, has_more=has_more)


@router.get("/{comparison_id}")
def get_comparison(comparison_id: str, actor: Reader, services: ServicesDep) -> ComparisonDetail:
    """A comparison with its totals; `summary` is null until it has succeeded."""
    return comparisons.get_comparison(services, actor.tenant_id, comparison_id)


@router.get("/{comparison_id}/answers")
def list_comparison_answers(
    comparison_id: str,
    actor: Reader,
    services: ServicesDep,
    after: AfterNumber = 0,
    limit: Limit = 20,
) -> Page[Exchange]:
    """Prompts with every model's answer, in the order of the comparison's models."""
    data, has_more = comparisons.list_exchanges(
        services, actor.tenant_id, comparison_id, after=after, limit=limit
    )
    return Page(data=data, has_more=has_more)


@router.get("/{comparison_id}/report", response_class=Response, responses=REPORT_RESPONSE)
def get_comparison_report(comparison_id: str, actor: Reader, services: ServicesDep) -> HTMLResponse:
    """The comparison as one HTML file."""
    page = comparisons.report(services, actor.tenant_id, comparison_id)
    return report_file(page, name=comparison_id)


@router.get("/{comparison_id}/blind")
def list_blind_answers(
    comparison_id: str,
    actor: Reader,
    services: ServicesDep,
    after: AfterNumber = 0,
    limit: Limit = 20,
) -> Page[BlindExchange]:
    """Prompts with answers under letters, in an order of one's own for each prompt."""
    data, has_more = votes.blind_exchanges(services, actor, comparison_id, after=after, limit=limit)
    return Page(data=data, has_more=has_more)


@router.put("/{comparison_id}/votes/{number}")
def cast_vote(
    comparison_id: str,
    number: PromptNumber,
    body: VoteRequest,
    actor: Runner,
    services: ServicesDep,
) -> CastVote:
    """Vote, or vote otherwise; the answer tells whose answers the letters were."""
    return votes.vote(services, actor, comparison_id, number, body.choice)


@router.get("/{comparison_id}/votes")
def get_votes(comparison_id: str, actor: Reader, services: ServicesDep) -> VoteTotals:
    """How the models stand among those who voted, with the interval of 95 % confidence."""
    return votes.vote_totals(services, actor.tenant_id, comparison_id)


@router.delete("/{comparison_id}", status_code=204)
def delete_comparison(comparison_id: str, actor: Runner, services: ServicesDep) -> None:
    """Delete a comparison with its votes; what it cost stays on record."""
    comparisons.delete_comparison(services, actor.tenant_id, comparison_id)
