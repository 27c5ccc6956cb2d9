"""Comparisons from the form to the standings, in a real browser."""

from dataclasses import replace

import pytest
from playwright.sync_api import expect

from tests.api.deployed import Deployer
from tests.api.serving import BASE, Served
from tests.console.answering import DEPLOY_MILLISECONDS, POET, add_comparison
from tests.console.visitors import Visit, arrive
from tests.console.xss import ATTACKS, assert_unharmed
from tests.evaluation.made import exchange

pytestmark = [pytest.mark.timeout(120), pytest.mark.usefixtures("deployer")]


def test_a_comparison_is_begun_looked_at_and_voted_on(owner: Visit) -> None:
    page = owner.open("/comparisons/new")
    page.get_by_label("Name").fill("capitals")
    for row, model in enumerate((BASE, POET)):
        page.get_by_label("Model", exact=True).nth(row).select_option(model)
    page.get_by_role("button", name="Add a model").click()
    page.get_by_label("Model", exact=True).nth(2).select_option(POET)
    page.get_by_label("Label", exact=True).nth(2).fill("poet again")
    page.get_by_label("Questions").fill("Capital of France? => Paris\nWhy?")
    page.get_by_label("Longest answer").fill("12")
    page.locator("main button[type=submit]").click()
    answers = page.locator("#answers tbody tr")
    expect(answers).to_have_count(2, timeout=DEPLOY_MILLISECONDS)
    expect(answers.first).to_contain_text("Paris")
    expect(answers.first.locator("td")).to_have_count(2 + 3)
    with page.expect_download() as download:
        page.get_by_role("link", name="Report").click()
    assert "poet again" in download.value.path().read_text("utf-8")

    page.get_by_role("link", name="Vote blindly").click()
    ballot = page.locator("#ballot")
    arrive(page, ballot.get_by_text("Prompt 1 of 2"))
    expect(ballot).not_to_contain_text("poet again")
    page.keyboard.press("b")
    expect(ballot).to_contain_text("poet again")
    page.keyboard.press("ArrowRight")
    arrive(page, ballot.get_by_text("Prompt 2 of 2"))
    page.keyboard.press("=")
    expect(ballot).to_contain_text("poet again")
    page.keyboard.press("ArrowRight")
    arrive(page, page.get_by_text("Ties: 1 · none good: 0 · voters: 1"))
    expect(page.locator("tr", has_text="100%").first).to_be_visible()

    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    expect(page).to_have_url(f"{owner.served.address}/comparisons")


def test_what_is_missing_is_said_over_the_form(owner: Visit) -> None:
    page = owner.open("/comparisons/new")
    page.get_by_label("Model", exact=True).first.select_option(BASE)
    page.locator("main button[type=submit]").click()
    expect(page.get_by_role("alert")).to_contain_text("prompts")


def test_prompts_and_answers_are_only_shown(owner: Visit, served: Served) -> None:
    labels = ATTACKS[:2]
    exchanges = [
        replace(
            exchange(number, labels, reference=text), messages=[{"role": "user", "content": text}]
        )
        for number, text in enumerate(ATTACKS[::5], 1)
    ]
    comparison = add_comparison(served, labels, exchanges)
    page = owner.open(f"/comparisons/{comparison}")
    expect(page.locator("#answers")).to_contain_text(labels[0])
    assert_unharmed(page)
    assert_unharmed(owner.open(f"/comparisons/{comparison}/vote"))
    assert_unharmed(owner.open("/comparisons"))


def test_an_evaluation_brings_a_row_for_each_model(owner: Visit, deployer: Deployer) -> None:
    page = owner.open("/evaluations")
    page.get_by_role("button", name="Evaluate models").click()
    expect(page.locator("#evaluate.show")).to_be_visible()  # unfolded: nothing moves any more
    page.get_by_label("Models", exact=True).select_option([BASE, POET])
    page.locator("main button[type=submit]").click()
    expect(page.get_by_role("alert")).to_contain_text("dataset")  # there is nothing to ask

    facts = {"name": "facts", "prompts": [{"prompt": "Capital of France?", "reference": "Paris"}]}
    models = [{"model": BASE}, {"model": POET}]
    job = {"kind": "evaluate", "models": models, "tasks": [facts], "answers": {"max_tokens": 4}}
    deployer.ask("POST", "/jobs", json={"job": job})
    rows = page.locator("table.figures tbody tr")
    expect(rows).to_have_count(2, timeout=DEPLOY_MILLISECONDS)  # by themselves
    expect(rows.filter(has_text=POET)).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    rows.first.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No model was evaluated")).to_be_visible()
