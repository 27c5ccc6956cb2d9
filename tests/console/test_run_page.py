"""What people see and do on a run's page beside its curves: answers, checkpoints, warnings."""

import json

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from tests.api.serving import BASE, Served
from tests.console.trainings import add_dataset, events_of, train, wait_for
from tests.console.visitors import Visit, settle, visiting
from tests.console.xss import ATTACKS, assert_unharmed
from tunesmith.service.access import Actor
from tunesmith.training.checkpoint import delete_superseded

pytestmark = pytest.mark.timeout(300)

_LONG = 90_000  # milliseconds that a training may take on a machine that does other things
_PROMPT = "what follows <b>3</b>"


@pytest.fixture(scope="module")
def dataset(served: Served, actor: Actor) -> str:
    add_dataset(served, actor, "rows-of-run-pages", num_examples=20)
    return "rows-of-run-pages"


@pytest.fixture(scope="module")
def finished(served: Served, actor: Actor, dataset: str) -> str:
    """A run that has ended well, with checkpoints of steps 5 and 10."""
    run_id = train(served, actor, "with-a-page", dataset, epochs=1)
    wait_for(served, actor, run_id, "succeeded")
    return run_id


# --- answers while it learns -----------------------------------------------------------------


def test_answers_change_before_peoples_eyes(owner: Visit, dataset: str) -> None:
    """From the form's field for prompts to the answers of every step, live."""
    page = owner.open("/train")
    page.locator("#name").fill("asked-while-it-learns")
    page.locator("#dataset").fill(dataset)
    page.locator("[id='training.batch_size']").fill("2")
    page.get_by_text("Answers while it learns").click()
    page.locator("[id='samples.prompts']").fill(f"{_PROMPT}\nand 4?")
    page.locator("[id='samples.max_tokens']").fill("8")
    expect(page.locator("[data-ready=yes]")).to_be_visible()
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url("**/runs/ftjob-*")
    answers = page.locator("#samples")
    expect(answers).to_be_visible(timeout=_LONG)
    expect(page.locator("#head")).to_contain_text("succeeded", timeout=_LONG)
    expect(answers.get_by_role("heading", level=3)).to_have_text([_PROMPT, "and 4?"])
    steps = answers.locator("section").first.locator("[data-step]")
    expect(steps).to_have_text(["step 30", "step 20", "step 10", "at the start"])


def test_an_answer_is_text_whatever_it_looks_like(
    owner: Visit, served: Served, finished: str
) -> None:
    path = events_of(served, finished)
    last = json.loads(path.read_text("utf-8").splitlines()[-1])
    sampled = [
        {**last, "kind": "sampled", "seq": last["seq"] + number, "step": number, "seconds": 0.1}
        | {"prompt": attack, "answer": attack}
        for number, attack in enumerate(ATTACKS, start=1)
    ]
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(each) + "\n" for each in sampled)
    page = owner.open(f"/runs/{finished}")
    expect(page.locator("#samples section")).to_have_count(len(set(ATTACKS)))
    expect(page.locator("#samples [data-answer]").first).to_have_text(ATTACKS[0])
    assert_unharmed(page)


def test_a_warning_of_the_stream_is_said_in_chinese(
    browser: Browser, served: Served, finished: str
) -> None:
    path = events_of(served, finished)
    last = json.loads(path.read_text("utf-8").splitlines()[-1])
    message = "the environment changed, bits may differ from here on: torch was 1, is 2"
    warning = {**last, "kind": "warning", "seq": last["seq"] + 1, "message": message}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(warning) + "\n")
    told = "运行环境已变化，此后结果可能不再逐位一致：torch 原为 1，现为 2"
    with visiting(browser, served, language="zh") as visit:
        visit.log_in()
        page = visit.open(f"/runs/{finished}")
        expect(page.locator("#warnings")).to_have_text(told)
        expect(page.locator("#events")).to_contain_text(told)


# --- checkpoints -----------------------------------------------------------------------------


def _open_run(owner: Visit, run_id: str) -> tuple[Page, Response]:
    """A run's page once its stream has made it ask for its checkpoints anew; and the answer."""
    with owner.page.expect_response(f"**/runs/{run_id}/checkpoints") as listed:
        page = owner.open(f"/runs/{run_id}")
    settle(page)
    return page, listed.value


def test_a_checkpoint_is_pinned_and_let_go(owner: Visit, finished: str) -> None:
    page, _ = _open_run(owner, finished)
    row = page.locator("#checkpoints tbody tr").last
    row.get_by_role("button", name="Pin").click()
    expect(row.get_by_role("img", name="pinned")).to_be_visible()
    page.reload()
    row.get_by_role("button", name="Unpin").click()
    expect(row.get_by_role("img", name="pinned")).to_be_hidden()


def test_a_pin_that_comes_too_late_is_told(owner: Visit, served: Served, finished: str) -> None:
    page, listed = _open_run(owner, finished)
    # Whenever it asks again: what is deleted from now on is still shown.
    shown = listed.text()
    page.route(f"**/runs/{finished}/checkpoints", lambda route: route.fulfill(body=shown))
    expect(page.locator("#checkpoints tbody tr")).to_have_count(2)
    checkpoints = events_of(served, finished).with_name("checkpoints")
    delete_superseded(checkpoints, keep=1, best_step=None)
    page.locator("#checkpoints tbody tr").last.get_by_role("button", name="Pin").click()
    expect(page.locator("#notices")).to_contain_text("there is no checkpoint 5")
    expect(page.locator("#notices")).to_contain_text("there are: 10")


def test_a_checkpoint_becomes_a_version_of_the_model_to_chat_with(
    owner: Visit, finished: str
) -> None:
    page, _ = _open_run(owner, finished)
    page.locator("#checkpoints tbody tr").first.get_by_role("button", name="version").click()
    page.wait_for_url("**/models/*")
    expect(page.get_by_role("heading", name="with-a-page@2")).to_be_visible()
    page.locator(".page-header").get_by_role("link", name="Chat").click()
    models = page.locator('[data-part="model"]')
    expect(models.nth(0)).to_have_value("with-a-page@2")
    expect(models.nth(1)).to_have_value(BASE)  # beside what it was trained from


def test_a_checkpoint_is_chatted_with_as_the_version_that_it_becomes(
    owner: Visit, finished: str
) -> None:
    for _ in range(2):  # the second time it is one
        page, _ = _open_run(owner, finished)
        page.locator("#checkpoints tbody tr").first.get_by_role("button", name="Chat").click()
        page.wait_for_url("**/chat?*")
        expect(page.locator('[data-part="model"]')).to_have_value("with-a-page@2")
    page = owner.open("/models")
    expect(page.get_by_role("link", name="with-a-page")).to_have_count(2)
