"""Deployments and the log of requests, in a real browser."""

import time
from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.api.deployed import Deployer
from tests.api.serving import BASE, PASSWORD, Served
from tests.console.answering import CLERK, DEPLOY_MILLISECONDS, POET, await_answers, open_chat, say
from tests.console.visitors import Visit, arrive, visiting

pytestmark = [pytest.mark.timeout(120), pytest.mark.usefixtures("deployer")]


@pytest.fixture
def viewer(browser: Browser, served: Served) -> Generator[Visit]:
    """Somebody who may look and ask."""
    served.add_member("viewer-of-deployments@example.org", role="viewer")
    with visiting(browser, served) as visit:
        visit.log_in(email="viewer-of-deployments@example.org", password=PASSWORD)
        yield visit


def test_a_deployment_from_its_form_to_its_end(owner: Visit, deployer: Deployer) -> None:
    page = owner.open("/deployments")
    page.get_by_label("Deploy a model").select_option(CLERK)
    page.get_by_role("button", name="Deploy").click()
    row = page.locator("#deployments tr", has_text=CLERK)
    expect(row.get_by_text("ready")).to_be_visible(timeout=DEPLOY_MILLISECONDS)
    expect(page.get_by_label("Memory for deployed models")).to_be_visible()

    row.get_by_role("link", name=CLERK).click()
    arrive(page, page.locator("#python", has_text=f'model="{CLERK}"'))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").last.click()
    expect(page.locator(".ti-check")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").startswith("curl http")

    page.get_by_role("button", name=f"Stop {CLERK}").click()
    expect(page.locator("#deployment").get_by_text("stopped")).to_be_visible()
    page.get_by_role("button", name=f"Start {CLERK}").click()
    expect(page.locator("#deployment").get_by_text("ready")).to_be_visible(
        timeout=DEPLOY_MILLISECONDS
    )
    page.get_by_role("button", name=f"Stop {CLERK}").click()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name=f"Delete {CLERK}").click()
    expect(page.get_by_label("Deploy a model")).to_be_visible()
    expect(row).to_have_count(0)


def test_only_engines_that_fit_are_offered_and_why_others_do_not_is_said(owner: Visit) -> None:
    page = owner.open("/deployments")
    offered, obstacles = (
        page.get_by_label("Engine").locator("option"),
        page.locator("#engines [data-unfit]"),
    )
    page.get_by_label("Deploy a model").select_option(BASE)
    expect(obstacles.first).to_contain_text(f"{BASE} has no .gguf file")
    expect(offered).to_have_count(1)
    folder = owner.served.services.installation.models / BASE
    file = folder / "weights.gguf"
    file.touch()
    try:
        page.get_by_label("Deploy a model").select_option(POET)
        expect(obstacles.first).to_contain_text(f"{POET} is an adapter")
        expect(obstacles.last).to_contain_text("the engine vllm is not installed")
        page.get_by_label("Deploy a model").select_option(BASE)
        expect(offered).to_have_count(2)
        expect(obstacles).to_have_count(1)
    finally:
        file.unlink()
    page.locator("#deployments").get_by_role("link", name=BASE, exact=True).click()
    expect(page.locator(".datagrid-item", has_text="Engine")).to_contain_text("reference")


def test_a_viewer_asks_and_changes_nothing(viewer: Visit) -> None:
    page = viewer.open("/deployments")
    row = page.locator("#deployments tr", has_text=POET)
    expect(row.get_by_role("link", name="Chat")).to_be_visible()
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    expect(page.get_by_label("Deploy a model")).to_have_count(0)
    row.get_by_role("link", name="Chat").click()
    arrive(page, page.locator(".pane"))
    say(page, "hello")
    await_answers(page)
    expect(page.get_by_role("button", name="Keep")).to_have_count(0)


def test_what_was_asked_is_in_the_log_unless_it_is_kept_out(owner: Visit) -> None:
    page = open_chat(owner, POET)
    say(page, "a question for the log")
    await_answers(page)
    page = _open_log(owner, "a question for the log")
    line = page.locator("#requests tr", has_text="a question for the log")
    expect(line).to_contain_text(POET)
    line.locator("summary").click()
    expect(line.locator(".prose", has_text="a question for the log")).to_be_visible()
    page.get_by_label("Outcome").select_option("failed")
    expect(line).to_have_count(0)

    try:
        _keep_texts(page, False)
        page = open_chat(owner, POET)
        say(page, "a secret")
        await_answers(page)
        page = _open_log(owner, "texts are not kept")
        expect(page.locator("#requests tr").nth(1)).to_contain_text("texts are not kept")
    finally:
        _keep_texts(page, True)


def _open_log(owner: Visit, text: str) -> Page:
    """The log with a line that holds `text`: it is written when the answer has been sent."""
    page = owner.open("/deployments/requests")
    deadline = time.monotonic() + 15
    while page.locator("#requests tr", has_text=text).count() == 0:
        assert time.monotonic() < deadline, f"no line holds {text!r}"
        page.reload()
    return page


def _keep_texts(page: Page, wanted: bool) -> None:
    page.get_by_label("Keep prompts and answers").set_checked(wanted)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Kept from now on.")).to_be_visible()
