"""Models that answer, for pages that ask them."""

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, Route, expect

from tests.api.deployed import Deployer, make_and_register
from tests.api.serving import BASE, Served
from tests.console.trainings import actor_of
from tests.console.visitors import Visit
from tests.evaluation.made import commit_comparison
from tunesmith.evaluation.questions import Prompt
from tunesmith.evaluation.transcript import Exchange
from tunesmith.service.job_requests import CompareRequest, ContestantRequest, JobOptions
from tunesmith.service.preparation import job_folder
from tunesmith.service.submitting import submit_job
from tunesmith.store.tables import Job
from tunesmith.training.job import RESULT

POET, CLERK = "poet@1", "clerk@1"
DEPLOY_MILLISECONDS = 60_000  # a process starts and loads a model


@contextmanager
def answering(served: Served, scratch: Path) -> Generator[Deployer]:
    """The base model and two adapters on it in the registry; `POET` and the base answer."""
    for seed, name in enumerate(("poet", "clerk"), 1):
        make_and_register(served.services, scratch, name=name, seed=seed)
    deployer = Deployer(served, served.key)
    try:
        deployer.ready(POET)
        deployer.ready(BASE)
        yield deployer
    finally:
        deployer.close()


def add_comparison(
    served: Served, labels: Sequence[str], exchanges: Sequence[Exchange], *, name: str = "compared"
) -> str:
    """A comparison with answers that the tiny model would not write; its id."""
    request = CompareRequest(
        name=name,
        models=[ContestantRequest(model=BASE, label=label) for label in labels],
        prompts=[Prompt(prompt=each.messages[-1]["content"]) for each in exchanges],
    )
    nobodys = JobOptions(pool="nobody")
    job = submit_job(served.services, request, actor=actor_of(served), options=nobodys)
    with served.services.database.transaction() as db:
        row = db.get_one(Job, job.id)
        row.status = "succeeded"
        folder = job_folder(served.services, row)
    commit_comparison(folder / RESULT, labels, exchanges)
    return job.id


def open_chat(visit: Visit, *models: str) -> Page:
    """The chat with these models side by side."""
    page = visit.open("/chat?" + "&".join(f"model={name}" for name in models))
    expect(page.locator(".pane")).to_have_count(len(models))
    return page


def say(page: Page, text: str) -> None:
    """Write a message and send it."""
    page.locator("#message").fill(text)
    page.keyboard.press("Enter")


def await_answers(page: Page) -> None:
    """Wait until nobody answers any more."""
    expect(page.locator('[data-part="send"]')).to_be_visible(timeout=DEPLOY_MILLISECONDS)


def turns(page: Page, role: str, *, pane: int = 0) -> Locator:
    """What the visitor (`user`) or the model (`assistant`) said in a pane."""
    return page.locator(".pane").nth(pane).locator(f'.turn[data-role="{role}"]')


def set_parameter(page: Page, name: str, value: object) -> None:
    """Fill in one of the parameters."""
    if not page.locator("#parameters").is_visible():
        page.get_by_role("button", name="Parameters").click()
    page.locator(f"#{name}").fill(str(value))


def answer_with(page: Page, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Let the chat be answered by these texts in turn: a model would not write them.

    Returns what is asked from now on.
    """
    asked: list[dict[str, Any]] = []

    def fulfil(route: Route) -> None:
        text = texts[len(asked) % len(texts)]
        asked.append(route.request.post_data_json)
        chunks = [{"choices": [{"delta": {"content": piece}}]} for piece in (text[:3], text[3:])]
        usage = {"choices": [], "usage": {"completion_tokens": 2}}
        events = [json.dumps(each) for each in (*chunks, usage)] + ["[DONE]"]
        body = "".join(f"data: {event}\n\n" for event in events)
        route.fulfill(body=body, content_type="text/event-stream")

    page.route("**/v1/chat/completions", fulfil)
    return asked
