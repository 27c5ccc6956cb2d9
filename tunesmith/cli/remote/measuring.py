"""Comparing and evaluating on a server: the same figures as on this machine, from a job there."""

from itertools import count

from tunesmith.cli.remote.following import follow, submit
from tunesmith.cli.remote.server import Server, rebuilt
from tunesmith.errors import RecipeInvalid
from tunesmith.evaluation.questions import read_prompts
from tunesmith.evaluation.tasks import read_task
from tunesmith.evaluation.transcript import Exchange
from tunesmith.service.comparisons import ComparisonDetail
from tunesmith.service.evaluations import EvaluationDetail
from tunesmith.service.job_requests import CompareRequest, ContestantRequest, EvaluateRequest
from tunesmith.service.local_comparisons import (
    CompareWish,
    EvaluateWish,
    KeptComparison,
    KeptEvaluation,
)

_PAGE = 100
_LIMIT = 100  # of a dataset, where nobody says otherwise


def compare(server: Server, wish: CompareWish) -> KeptComparison:
    """Ask models of the server the prompts of a file here, or of a dataset there.

    Raises:
        DatasetRejected: there is nothing to ask, or two things.
    """
    wish.check()
    request = CompareRequest(
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
    done = follow(server, submit(server, request))
    path = f"/comparisons/{done.id}"
    summary = server.view(ComparisonDetail, "GET", path).summary
    assert summary is not None, "a comparison that has succeeded has one"
    exchanges = _exchanges(server, f"{path}/answers")
    return KeptComparison(done.id, f"{server.address}{path}", summary, exchanges)


def _exchanges(server: Server, path: str) -> list[Exchange]:
    found: list[Exchange] = []
    for after in count(0, _PAGE):
        page = server.call("GET", path, params={"after": after, "limit": _PAGE})
        found += rebuilt(list[Exchange], page["data"])
        if not page["has_more"]:
            break
    return found


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
    request = EvaluateRequest(
        models=[ContestantRequest(model=model) for model in dict.fromkeys(wish.models)],
        dataset=wish.dataset,
        limit=wish.limit,
        metrics=wish.metrics,
        tasks=[read_task(path) for path in wish.tasks],
        forgetting=wish.forgetting,
        answers=wish.answers,
    )
    done = follow(server, submit(server, request))
    results = server.view(EvaluationDetail, "GET", f"/evaluations/{done.id}").results
    assert results is not None, "an evaluation that has succeeded has some"
    return KeptEvaluation(done.id, f"{server.address}/evaluations", results)
