"""Comparisons of this machine, looked at again and taken away."""

import json
from pathlib import Path

from tests.cli.command import tunesmith


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
