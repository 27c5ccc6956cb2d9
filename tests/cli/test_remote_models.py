"""Models of a real server from a terminal elsewhere: deployed, talked to, compared, measured."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.deployed import Deployer, make_and_register, wait_for
from tests.api.serving import BASE, Served, serving
from tests.cli.remotely import remote

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("models")
    with serving(folder, "server", "worker") as served:
        make_and_register(served.services, folder, name="shop", seed=1)
        yield served


def test_a_deployed_model_answers_until_it_is_stopped(served: Served, tmp_path: Path) -> None:
    refused = remote(served, "chat", BASE, "--prompt", "hi")
    assert (refused.code, f"tunesmith deployments add {BASE}" in refused.err) == (2, True)
    added = remote(served, "deployments", "add", BASE)
    assert added.code == 0, added.err
    assert f"{BASE} is ready" in added.out
    listed = json.loads(remote(served, "deployments", "list", "--json").out)
    assert [(each["reference"], each["state"]) for each in listed] == [(BASE, "ready")]

    said = remote(served, "chat", BASE, "--prompt", "hi", "--max-tokens", "4")
    assert said.code == 0, said.err
    assert len(said.out) > 1  # a random model may say nothing but line breaks
    pirate = tmp_path / "pirate.yaml"
    pirate.write_text("{greeting: Ahoy!, persona: You are a pirate., sampling: {max_tokens: 3}}")
    assert (
        remote(served, "characters", "set", "jack", pirate).out == "character jack has version 1\n"
    )
    asked = remote(
        served, "chat", BASE, "--character", "jack", typed="hello\n/new\nhello\n/save ahoy\n/quit\n"
    )
    assert asked.code == 0, asked.err
    [kept] = json.loads(remote(served, "transcripts", "list", "--json").out)
    assert (kept["title"], kept["character"], kept["num_messages"]) == ("ahoy", "jack@1", 4)
    assert remote(served, "transcripts", "delete", kept["id"]).code == 0
    assert "jack > Ahoy!" in asked.out

    def logged() -> Any:  # each when its answer has been sent
        lines = json.loads(remote(served, "requests", "list", "--json").out)
        return lines if len(lines) == 3 else None

    log = wait_for(logged, what="three lines of the log")
    assert [(each["model"], each["status"], each["answer_tokens"] <= 4) for each in log] == [
        (BASE, 200, True)
    ] * 3
    assert "You are a pirate." in log[0]["prompt"]
    assert "hello" in remote(served, "requests", "show", log[0]["id"]).out
    assert json.loads(remote(served, "requests", "list", "--failed", "--json").out) == []

    assert "is stopped" in remote(served, "deployments", "stop", BASE).out
    assert remote(served, "deployments", "delete", BASE).code == 0
    assert json.loads(remote(served, "deployments", "list", "--json").out) == []


def test_two_versions_of_a_prompt_are_compared(served: Served, tmp_path: Path) -> None:
    file = tmp_path / "short.yaml"
    for version, text in enumerate(("{{prompt}}", "Say it briefly: {{prompt}}"), 1):
        file.write_text(json.dumps({"template": text}))
        kept = remote(served, "prompts", "set", "short", file)
        assert kept.out == f"prompt short has version {version}\n", kept.err
    file.write_text("template: Say hello.")
    refused = remote(served, "prompts", "set", "short", file)
    assert (refused.code, "template has no {{prompt}}" in refused.err) == (2, True)
    assert "Say it briefly" in remote(served, "prompts", "show", "short").out
    assert "Say it briefly" not in remote(served, "prompts", "show", "short@1").out
    questions = tmp_path / "questions.txt"
    questions.write_text("one\ntwo\nthree\n")
    done = remote(
        served, "compare", "shop", "--prompts", questions, "--limit", "2", "--max-tokens", "3",
        "--template", "short@1", "--template", "short@2", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert [each["label"] for each in found["summary"]["totals"]] == [
        "shop short@1",
        "shop short@2",
    ]
    first, second = (each["num_prompt_tokens"] for each in found["summary"]["totals"])
    assert first < second
    assert [each["messages"][-1]["content"] for each in found["exchanges"]] == ["one", "two"]
    assert found["report"] == f"{served.address}/comparisons/{found['kept']}"
    assert remote(served, "prompts", "delete", "short").code == 0

    comparison = found["kept"]
    [listed] = json.loads(remote(served, "comparisons", "list", "--json").out)
    assert (listed["id"], listed["status"], listed["num_votes"]) == (comparison, "succeeded", 0)
    assert json.loads(remote(served, "comparisons", "show", comparison, "--json").out) == found
    voted = remote(served, "comparisons", "vote", comparison, typed="c\nb\n0\n")
    assert voted.code == 0, voted.err
    assert voted.out.count("shop short@2") == 2  # told after each vote
    again = remote(served, "comparisons", "vote", comparison)
    assert "you have voted on all of it" in again.out
    totals = json.loads(remote(served, "comparisons", "votes", comparison, "--json").out)
    assert (totals["num_votes"], totals["num_none"]) == (2, 1)
    assert "1 votes" not in remote(served, "comparisons", "votes").out  # in chats there are none
    page = tmp_path / "page.html"
    assert remote(served, "comparisons", "export", comparison, page).code == 0
    assert "short@2" in page.read_text()
    assert remote(served, "comparisons", "delete", comparison).code == 0
    gone = remote(served, "comparisons", "show", comparison)
    assert (gone.code, comparison in gone.err) == (2, True)


def test_models_are_measured_on_a_task_file(served: Served, tmp_path: Path) -> None:
    task = tmp_path / "facts.yaml"
    task.write_text("{name: facts, prompts: [{prompt: '2 + 2?', reference: '4'}]}")
    done = remote(served, "evaluate", "shop", BASE, "--tasks", task, "--max-tokens", "3", "--json")
    assert done.code == 0, done.err
    figures = json.loads(done.out)["figures"]
    assert [(each["label"], list(each["scores"])) for each in figures] == [
        ("shop", ["facts/contains"]),
        (BASE, ["facts/contains"]),
    ]
    [listed] = json.loads(remote(served, "evaluations", "list", "--json").out)
    scores = {each["label"]: each["scores"] for each in figures}
    assert (listed["status"], listed["scores"]) == ("succeeded", scores)
    shown = remote(served, "evaluations", "show", listed["id"], "--json")
    assert json.loads(shown.out)["figures"] == figures
    page = tmp_path / "page.html"
    assert remote(served, "evaluations", "export", listed["id"], page).code == 0
    assert "facts" in page.read_text("utf-8")
    assert remote(served, "evaluations", "delete", listed["id"]).code == 0
    gone = remote(served, "evaluations", "show", listed["id"])
    assert (gone.code, listed["id"] in gone.err) == (2, True)
    assert json.loads(remote(served, "evaluations", "list", "--json").out) == []


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["data", "import", "rows.jsonl", "--name", "a b"], "may not contain ' '"),
        (["registry", "import", "model.zip", "--name", "a b"], "may not contain ' '"),
        (["data", "split", "talks", "--names", "a b,c"], "may not contain ' '"),
        (["compare", "shop", "--dataset", "talks", "--limit", "20000"], "10000"),
        (["comparisons", "show", "nothing"], "there is no comparison nothing"),
        (["runs", "show", "nothing"], "there is no run or job 'nothing'"),
        (["channels", "add", "ops"], "needs an address"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_refused(served: Served, command: list[str], words: str) -> None:
    refused = remote(served, *command)
    assert (refused.code, words in refused.err) == (2, True), refused.err


def test_kept_chats_are_read_exported_and_trained_on(served: Served, tmp_path: Path) -> None:
    said = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    deployer = Deployer(served, served.key)
    for title in ("first", "second"):
        chat = {"title": title, "model": BASE, "messages": said}
        deployer.ask("POST", "/transcripts", json=chat)
    deployer.close()
    newest, oldest = json.loads(remote(served, "transcripts", "list", "--json").out)
    assert (newest["title"], oldest["title"]) == ("second", "first")
    assert "assistant > hello" in remote(served, "transcripts", "show", newest["id"]).out
    file = tmp_path / "chats.jsonl"
    assert remote(served, "transcripts", "export", file, newest["id"]).code == 0
    assert json.loads(file.read_text()) == {"messages": said}
    again = remote(served, "transcripts", "export", file)
    assert (again.code, "exists" in again.err) == (2, True)
    assert "2 chats" in remote(served, "transcripts", "export", file, "--overwrite").out
    made = remote(served, "transcripts", "dataset", "kept")
    assert made.code == 0, made.err
    assert "2 of 2 rows" in remote(served, "data", "show", "kept").out
    assert remote(served, "transcripts", "delete", oldest["id"]).code == 0
    assert remote(served, "transcripts", "show", oldest["id"]).code == 2
