"""Chatting with models side by side, in a real browser."""

import signal

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.api.deployed import Deployer
from tests.api.serving import BASE, Served
from tests.console.answering import (
    CLERK,
    DEPLOY_MILLISECONDS,
    POET,
    answer_with,
    await_answers,
    open_chat,
    say,
    set_parameter,
    turns,
)
from tests.console.visitors import Visit, arrive, visiting
from tests.console.xss import ATTACKS, assert_unharmed

pytestmark = [pytest.mark.timeout(120), pytest.mark.usefixtures("deployer")]


@pytest.mark.parametrize(
    ("language", "figures"), [("en", "tokens/s · first after"), ("zh", "词元/秒 · 首词元")]
)
def test_two_models_answer_side_by_side(
    browser: Browser, served: Served, language: str, figures: str
) -> None:
    with visiting(browser, served, language=language) as visit:
        visit.log_in()
        page = open_chat(visit, BASE, POET)
        say(page, "Who are you?")
        await_answers(page)
        for pane in range(2):
            expect(turns(page, "user", pane=pane)).to_contain_text("Who are you?")
            expect(turns(page, "assistant", pane=pane)).to_contain_text(figures)
        texts = page.locator('.turn[data-role="assistant"] .bubble').all_inner_texts()
        assert texts[0] != texts[1]


def test_why_a_model_does_not_answer_is_said_in_chinese(browser: Browser, served: Served) -> None:
    with visiting(browser, served, language="zh") as visit:
        visit.log_in()
        page = open_chat(visit, POET)
        say(page, "word " * 1500)
        expect(turns(page, "assistant")).to_contain_text("请缩短提示词，或减少要生成的词元")


def ask_for_long(page: Page) -> None:
    """Ask what takes seconds to answer: the likeliest tokens of the tiny model never end."""
    set_parameter(page, "max_tokens", 1000)
    set_parameter(page, "temperature", 0)
    say(page, "Tell me everything")


# In the page itself: the tiny model would be through before a click from outside arrives.
_STOP_WHEN_IT_GROWS = """() => {
  const shown = document.querySelectorAll(".bubble")[1]?.innerText.length;
  if (!shown) return false;
  window.shownAtFirst ??= shown;
  if (shown === window.shownAtFirst) return false;
  document.querySelector("[data-do=stop]").click();
  return window.shownAtFirst;
}"""


def test_an_answer_is_shown_as_it_is_written_until_it_is_stopped(owner: Visit) -> None:
    page = open_chat(owner, POET)
    ask_for_long(page)
    shown = page.wait_for_function(_STOP_WHEN_IT_GROWS).json_value()
    expect(turns(page, "assistant")).to_contain_text("Stopped.")
    await_answers(page)
    assert len(turns(page, "assistant").locator(".bubble").inner_text()) > shown


def test_a_conversation_goes_on_is_edited_and_outlives_a_reload(owner: Visit) -> None:
    page = open_chat(owner, POET)
    asked = answer_with(page, ["First.", "Second.", "Third.", "Fourth."])
    set_parameter(page, "system", "Be brief")
    set_parameter(page, "seed", 7)
    set_parameter(page, "stop", "END\n###")
    say(page, "one")
    await_answers(page)
    say(page, "two")
    await_answers(page)
    expected = [("system", "Be brief"), ("user", "one"), ("assistant", "First."), ("user", "two")]
    assert [(each["role"], each["content"]) for each in asked[1]["messages"]] == expected
    assert (asked[1]["model"], asked[1]["seed"], asked[1]["stop"]) == (POET, 7, ["END", "###"])

    turns(page, "assistant").last.get_by_role("button", name="Answer again").click()
    expect(turns(page, "assistant").last).to_contain_text("Third.")
    assert asked[2]["messages"] == asked[1]["messages"]
    assert asked[2]["seed"] == 8  # the same seed would give the same answer

    turns(page, "user").first.get_by_role("button", name="Edit").click()
    expect(page.locator("#message")).to_have_value("one")
    say(page, "uno")
    await_answers(page)
    expect(turns(page, "user")).to_have_count(1)
    assert asked[3]["messages"][1:] == [{"role": "user", "content": "uno"}]

    page.goto(f"{owner.served.address}/chat")
    expect(turns(page, "user")).to_contain_text("uno")
    expect(turns(page, "assistant")).to_contain_text("Fourth.")


def _as_deploying(route: Route) -> None:
    """What the page asks of deployments, answered as while each model loads."""
    answer = route.fetch()
    found = answer.json()
    for each in found["data"]:
        each["state"] = "deploying"
    route.fulfill(response=answer, json=found)


def test_a_model_that_is_not_deployed_is_deployed_from_its_pane(owner: Visit) -> None:
    page = open_chat(owner, CLERK)
    state = page.locator('[data-part="state"]')
    expect(state).to_contain_text("Not deployed.")
    page.route("**/api/v1/deployments?*", _as_deploying)  # an adapter loads in no time
    state.get_by_role("button", name="Deploy").click()
    expect(state).to_contain_text("Deploying")
    say(page, "hello")  # waits for the model
    page.unroute("**/api/v1/deployments?*")
    expect(state).to_be_hidden(timeout=DEPLOY_MILLISECONDS)
    await_answers(page)
    expect(turns(page, "assistant")).to_contain_text("tokens/s")


def test_blind_votes_name_the_models_only_afterwards_and_are_kept(owner: Visit) -> None:
    page = open_chat(owner, BASE, POET)
    answer_with(page, ["Roses", "Violets"])
    page.get_by_role("button", name="Blind").click()
    say(page, "a poem")
    vote = page.get_by_role("group", name="Which answer is best?")
    expect(vote).to_be_visible()
    names = page.locator('[data-part="model"]')
    expect(names.first).to_be_hidden()
    page.get_by_role("button", name="B is best").click()
    expect(vote).to_be_hidden()
    best = names.nth(1)
    expect(best).to_be_visible()
    winner = best.input_value()
    expect(page.locator('[data-part="tally"]')).to_contain_text(f"Votes in all chats: {winner} 1")

    say(page, "another")  # begins anew: what was said would tell who is who
    expect(vote).to_be_visible()
    expect(turns(page, "user")).to_have_count(1)
    expect(names.first).to_be_hidden()
    page.get_by_role("button", name="Tie").click()
    expect(page.locator('[data-part="tally"]')).to_contain_text("tie 1")
    page.get_by_role("link", name="Standings").click()  # the server's: another page has them too
    expect(page.get_by_role("row", name=winner)).to_contain_text("100%")
    expect(page.get_by_text("Ties: 1 · none good: 0 · voters: 1")).to_be_visible()


def test_a_vote_that_could_not_be_kept_is_asked_for_again(owner: Visit) -> None:
    page = open_chat(owner, POET, POET)  # there is nothing to decide between
    answer_with(page, ["Roses", "Violets"])
    page.get_by_role("button", name="Blind").click()
    say(page, "a poem")
    page.get_by_role("button", name="A is best").click()
    expect(page.get_by_role("alert")).to_contain_text("a vote is between different models")
    expect(page.get_by_role("button", name="A is best")).to_be_visible()
    expect(page.locator('[data-part="model"]').first).to_be_hidden()


def test_a_character_greets_and_sets_the_persona(owner: Visit) -> None:
    page = owner.open("/chat/characters/new")
    page.get_by_label("Name").fill("Captain")
    page.get_by_label("Greeting").fill("Ahoy!")
    page.get_by_label("Persona").fill("You are a captain")
    page.get_by_label("Temperature").fill("1.5")
    page.get_by_label("Played by").select_option(POET)
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Captain").click()
    arrive(page, page.get_by_role("button", name="Save as a new version"))
    page.get_by_label("Greeting").fill("Ahoy, sailor!")
    page.get_by_role("button", name="Save as a new version").click()
    expect(page.get_by_role("link", name="Captain")).to_contain_text("Version 2")

    page = open_chat(owner, BASE)
    asked = answer_with(page, ["Aye."])
    page.get_by_label("Character").select_option(label="Captain")
    expect(turns(page, "assistant")).to_contain_text("Ahoy, sailor!")
    say(page, "hello")
    await_answers(page)
    told = [(each["role"], each["content"]) for each in asked[0]["messages"]]
    persona, greeting = ("system", "You are a captain"), ("assistant", "Ahoy, sailor!")
    assert told == [persona, greeting, ("user", "hello")]
    assert (asked[0]["model"], asked[0]["temperature"]) == (POET, 1.5)

    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_text("Kept among the transcripts.")).to_be_visible()
    page = owner.open("/chat/transcripts")
    expect(page.get_by_role("row", name="hello")).to_contain_text("Captain@2")
    page.get_by_role("link", name="hello").click()
    expect(page.locator(".turn")).to_have_count(4)
    with page.expect_download() as download:
        page.get_by_role("link", name="JSONL").click()
    assert '"Ahoy, sailor!"' in download.value.path().read_text("utf-8")
    page.get_by_role("link", name="Go on with it").click()
    expect(turns(page, "assistant").last).to_contain_text("Aye.")


def test_a_prompt_of_the_library_takes_what_was_written(owner: Visit) -> None:
    page = owner.open("/chat/prompts/new")
    page.get_by_label("Name").fill("steps")
    page.get_by_label("Text").fill("Think in {{number}} steps.")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#notices")).to_contain_text("template has no {{prompt}}")
    page.get_by_label("Text").fill("{{prompt}} Think in {{number}} steps.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="steps")).to_be_visible()
    page = open_chat(owner, POET)
    page.locator("#message").fill("Why?")
    page.locator('[data-pick="prompt"]').select_option(label="steps")
    expect(page.locator("#message")).to_have_value("Why? Think in {{number}} steps.")
    page.keyboard.type("three")  # what is to be filled in is selected
    expect(page.locator("#message")).to_have_value("Why? Think in three steps.")


def test_whatever_is_said_is_only_shown(owner: Visit, deployer: Deployer) -> None:
    page = open_chat(owner, POET)
    answer_with(page, ["```\n" + "\n".join(ATTACKS) + "\n```\n" + "\n".join(ATTACKS)])
    said = "\n".join(ATTACKS[::7])
    say(page, said)
    await_answers(page)
    expect(turns(page, "user")).to_contain_text("onerror")
    expect(turns(page, "assistant").locator("pre").first).to_contain_text("<script>")
    assert_unharmed(page)
    content = {"greeting": said, "persona": said}
    deployer.ask("POST", "/characters", json={"name": "villain", "content": content})
    deployer.ask(
        "POST", "/prompts", json={"name": "trap", "content": {"template": "{{prompt}}" + said}}
    )
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_text("Kept among the transcripts.")).to_be_visible()
    for path in ("/chat/characters", "/chat/prompts", "/chat/transcripts", "/deployments/requests"):
        assert_unharmed(owner.open(path))
    page = owner.open("/chat/transcripts")
    page.locator("td a").first.click()
    expect(page.locator(".turn").first).to_contain_text("onerror")
    assert_unharmed(page)
    page = owner.open("/chat")
    page.get_by_label("Character").select_option(label="villain")
    expect(turns(page, "assistant").first).to_contain_text("onerror")
    assert_unharmed(page)


def test_a_killed_worker_is_told_and_the_chat_recovers(owner: Visit, served: Served) -> None:
    page = open_chat(owner, POET)
    ask_for_long(page)
    page.wait_for_function("() => document.querySelectorAll('.bubble')[1]?.innerText")  # at once
    served.end("worker", by=signal.SIGKILL)
    try:
        expect(turns(page, "assistant")).to_contain_text("ended before its answer did")
        await_answers(page)
    finally:
        served.start("worker")
    expect(page.locator('[data-part="state"]')).to_contain_text(
        "Deploying", timeout=DEPLOY_MILLISECONDS
    )
    set_parameter(page, "max_tokens", 8)
    turns(page, "assistant").get_by_role("button", name="Answer again").click()
    await_answers(page)
    expect(turns(page, "assistant")).to_contain_text("tokens/s")
    expect(page.locator('[data-part="state"]')).to_be_hidden()
