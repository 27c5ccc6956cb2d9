"""Chats from the terminal that are kept on this machine, and trained on."""

import json
from datetime import UTC, datetime
from pathlib import Path

from tests.cli.command import environment_for, tunesmith
from tests.forks import Outcome, run_forked
from tunesmith.cli.main import run
from tunesmith.evaluation.questions import Turn
from tunesmith.service.local_transcripts import keep_chat
from tunesmith.service.transcripts import ChatToKeep
from tunesmith.store.home import Home


def talk(home: Path, model: Path, *options: str, typed: str) -> Outcome:
    command = ("chat", str(model), "--max-tokens", "3", *options)
    return run_forked(run, *command, environment=environment_for(home), typed=typed)


def test_a_chat_is_kept_while_it_goes_on_and_when_it_ends(tiny_model: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert "no chats are kept yet" in tunesmith("transcripts", "list", home=home).out
    typed = "/save too early\nhello\n/save\n/save greeted \n/new\n/new idea\n/quit\n"
    said = talk(home, tiny_model, "--system", "Be brief.", "--keep", "when it ends", typed=typed)
    assert said.code == 0, said.err
    assert "not kept: there is no answer yet; ask something first" in said.err
    assert "not kept: a title of 0 characters" in said.err

    listed = json.loads(tunesmith("transcripts", "list", "--json", home=home).out)
    assert sorted(each["title"] for each in listed) == ["greeted", "when it ends", "when it ends"]
    assert {each["num_messages"] for each in listed} == {3}
    [greeted] = [each["id"] for each in listed if each["title"] == "greeted"]
    shown = json.loads(tunesmith("transcripts", "show", greeted, "--json", home=home).out)
    assert [(each["role"], each["content"]) for each in shown["messages"][:2]] == [
        ("system", "Be brief."),
        ("user", "hello"),
    ]
    assert shown["sampling"]["max_tokens"] == 3
    assert "user > hello" in tunesmith("transcripts", "show", greeted, home=home).out

    file = tmp_path / "chats.jsonl"
    assert "1 chats" in tunesmith("transcripts", "export", file, greeted, home=home).out
    assert json.loads(file.read_text("utf-8")) == {"messages": shown["messages"]}
    assert tunesmith("transcripts", "delete", greeted, home=home).code == 0
    for command in ("show", "delete"):
        gone = tunesmith("transcripts", command, greeted, home=home)
        assert (gone.code, "there is no transcript" in gone.err) == (2, True)


def test_kept_chats_become_a_dataset(tmp_path: Path) -> None:
    home = tmp_path / "home"
    refused = tunesmith("transcripts", "dataset", "kept", home=home)
    assert (refused.code, "no chats are kept" in refused.err) == (2, True)
    said = [Turn(role="user", content="hi"), Turn(role="assistant", content="hello")]
    chats = [ChatToKeep(title=title, model="m", messages=said) for title in ("one", "two")]
    for each in chats:
        keep_chat(Home(home), each, now=datetime.now(UTC))
    assert tunesmith("transcripts", "dataset", "kept", home=home).code == 0
    assert "2 of 2 rows" in tunesmith("data", "show", "kept", home=home).out


def test_one_question_is_kept_with_its_answer(tiny_model: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    refused = talk(home, tiny_model, "--prompt", "hi", "--keep", "x" * 201, typed="")
    assert (refused.code, "a title of 201 characters" in refused.err) == (2, True)
    assert talk(home, tiny_model, "--prompt", "hi", "--keep", "short", typed="").code == 0
    [listed] = json.loads(tunesmith("transcripts", "list", "--json", home=home).out)
    assert (listed["title"], listed["num_messages"]) == ("short", 2)
    assert talk(home, tiny_model, "--keep", "silent", typed="/quit\n").code == 2
