"""Comparing and evaluating on a server: the same figures as on this machine, from a job there."""

from collections.abc import Mapping
from urllib.parse import quote

from tunesmith.cli.remote.following import as_request, follow, submit
from tunesmith.cli.remote.server import Server
from tunesmith.errors import Conflict, RecipeInvalid
from tunesmith.evaluation.questions import read_prompts
from tunesmith.evaluation.tasks import read_task
from tunesmith.evaluation.transcript import Exchange
from tunesmith.service.comparisons import ComparisonDetail
from tunesmith.service.evaluations import EvaluationDetail, EvaluationRow
from tunesmith.service.job_requests import CompareRequest, ContestantRequest, EvaluateRequest
from tunesmith.service.job_views import JobView
from tunesmith.service.local_comparisons import CompareWish, EvaluateWish
from tunesmith.service.local_results import KeptComparison, KeptEvaluation, PastEvaluation

_LIMIT = 100  # of a dataset, where nobody says otherwise


def compare(server: Server, wish: CompareWish) -> KeptComparison:
    """Ask models of the server the prompts of a file here, or of a dataset there.

    Raises:
        DatasetRejected: there is nothing to ask, or two things.
    """
    wish.check()
    asked = as_request(
        CompareRequest,
        models=[
            ContestantRequest(model=model, prompt=template, system_prompt=wish.system_prompt)
            for model in dict.fromkeys(wish.models)
            for template in dict.fromkeys(wish.templates) or [None]
        ],
        prompts=[] if wish.prompts is None else read_prompts(wish.prompts)[: wish.limit],
        dataset=wish.dataset,
        limit=wish.limit or _LIMIT,
        answers=wish.answers,
        metrics=wish.metrics,
    )
    return read_comparison(server, follow(server, submit(server, asked)).id)


def read_comparison(server: Server, comparison: str) -> KeptComparison:
    """A comparison of the server with all answers.

    Raises:
        Conflict: it has not succeeded.
    """
    path = f"/comparisons/{quote(comparison, safe='')}"
    found = server.view(ComparisonDetail, "GET", path)
    if found.summary is None:
        raise Conflict(f"{comparison} is {found.comparison.status}", hint="there are no answers")
    exchanges = list(server.numbered(Exchange, f"{path}/answers"))
    return KeptComparison(comparison, f"{server.address}{path}", found.summary, exchanges)


def evaluate(server: Server, wish: EvaluateWish) -> KeptEvaluation:
    """Measure models of the server on a dataset there, on task files here, on what they knew.

    Raises:
        RecipeInvalid: tasks of lm-evaluation-harness are asked for, which may run code.
    """
    if wish.harness:
        raise RecipeInvalid(
            "--harness works on this machine only: its tasks may run code",
            hint="write task files, see docs/evaluation.md",
        )
    asked = as_request(
        EvaluateRequest,
        models=[ContestantRequest(model=model) for model in dict.fromkeys(wish.models)],
        dataset=wish.dataset,
        limit=wish.limit,
        metrics=wish.metrics,
        tasks=[read_task(path) for path in wish.tasks],
        forgetting=wish.forgetting,
        answers=wish.answers,
    )
    return read_evaluation(server, follow(server, submit(server, asked)).id)


def read_evaluation(server: Server, evaluation: str) -> KeptEvaluation:
    """What an evaluation of the server found.

    Raises:
        Conflict: it has not succeeded.
    """
    found = server.view(EvaluationDetail, "GET", f"/evaluations/{quote(evaluation, safe='')}")
    if found.results is None:
        raise Conflict(f"{evaluation} is {found.job.status}", hint="there are no figures")
    return KeptEvaluation(evaluation, f"{server.address}/evaluations", found.results)


def list_evaluations(server: Server) -> list[PastEvaluation]:
    """Evaluations of the server, newest first, also those that came to nothing."""
    scores: dict[str, dict[str, Mapping[str, float]]] = {}
    for row in server.numbered(EvaluationRow, "/evaluations"):
        scores.setdefault(row.evaluation, {})[row.label] = row.scores
    return [
        PastEvaluation(job.id, job.status, scores.get(job.id, {}), job.created_at)
        for job in server.list(JobView, "/jobs", kind="evaluate")
    ]
