"""Comparisons and evaluations of this machine, looked at again and taken away."""

import json
import shutil
from pathlib import Path

from tests.cli.command import tunesmith
from tunesmith.training.job import RESULT


def test_past_comparisons(tiny_model: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (tmp_path / "prompts.txt").write_text("one\ntwo\n")
    asked = ["--prompts", tmp_path / "prompts.txt", "--max-tokens", "3", "--json"]
    assert "no comparisons yet" in tunesmith("comparisons", "list", home=home).out
    done = tunesmith("compare", tiny_model, *asked, home=home)
    assert done.code == 0, done.err
    made = json.loads(done.out)

    [listed] = json.loads(tunesmith("comparisons", "list", "--json", home=home).out)
    assert (listed["id"], listed["status"]) == (made["kept"], "finished")
    assert listed["models"] == [tiny_model.name]
    shown = tunesmith("comparisons", "show", listed["id"], "--json", home=home)
    assert json.loads(shown.out) == made
    assert "▌ two" in tunesmith("comparisons", "show", listed["id"], home=home).out
    page = tmp_path / "page.html"
    assert tunesmith("comparisons", "export", listed["id"], page, home=home).code == 0
    assert tunesmith("comparisons", "export", listed["id"], page, home=home).code == 2
    assert page.read_text() == Path(made["report"]).read_text()

    refused = tunesmith("comparisons", "delete", "../models", home=home)
    assert (refused.code, "no comparison" in refused.err) == (2, True)
    assert tunesmith("comparisons", "delete", listed["id"], home=home).code == 0
    assert json.loads(tunesmith("comparisons", "list", "--json", home=home).out) == []


def test_past_evaluations(tiny_model: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (tmp_path / "facts.yaml").write_text(
        "{name: facts, prompts: [{prompt: '2 + 2?', reference: '4'}]}"
    )
    asked = ["--tasks", tmp_path / "facts.yaml", "--max-tokens", "3", "--json"]
    assert "no evaluations yet" in tunesmith("evaluations", "list", home=home).out
    done = tunesmith("evaluate", tiny_model, *asked, home=home)
    assert done.code == 0, done.err
    results = json.loads(done.out)

    [listed] = json.loads(tunesmith("evaluations", "list", "--json", home=home).out)
    figures = {each["label"]: each["scores"] for each in results["figures"]}
    assert (listed["status"], listed["scores"]) == ("finished", figures)
    assert "facts/contains" in tunesmith("evaluations", "list", home=home).out
    shown = tunesmith("evaluations", "show", listed["id"], "--json", home=home)
    assert json.loads(shown.out) == results
    assert "facts/contains" in tunesmith("evaluations", "show", listed["id"], home=home).out
    page = tmp_path / "page.html"
    assert tunesmith("evaluations", "export", listed["id"], page, home=home).code == 0
    assert "facts" in page.read_text("utf-8")

    shutil.rmtree(home / "evaluations" / listed["id"] / RESULT)  # as if it had been killed
    [listed] = json.loads(tunesmith("evaluations", "list", "--json", home=home).out)
    assert (listed["status"], list(listed["scores"])) == ("interrupted", list(figures))
    refused = tunesmith("evaluations", "show", listed["id"], home=home)
    assert (refused.code, "is interrupted" in refused.err) == (2, True)
    assert tunesmith("evaluations", "delete", listed["id"], home=home).code == 0
    gone = tunesmith("evaluations", "show", listed["id"], home=home)
    assert (gone.code, "there is no evaluation" in gone.err) == (2, True)
