"""The commands as a user types them: output, JSON, exit codes, and nothing half-written."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tunesmith.cli import main, show
from tunesmith.store.home import open_home

Run = Callable[..., str]


@pytest.fixture
def run(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> Run:
    """Runs a command in a folder of its own and returns what it printed; checks the exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(show.console, "width", 200)

    def call(*words: object, exit_code: int = 0) -> str:
        monkeypatch.setattr("sys.argv", ["tunesmith", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main.run()
        out, err = capfd.readouterr()
        assert (left.value.code or 0) == exit_code, out + err
        return out if exit_code == 0 else err

    return call


def write(path: str, num_rows: int, *, about: str = "sum") -> Path:
    rows = [{"prompt": f"{about} {n}?", "completion": f"{about} is {n}"} for n in range(num_rows)]
    Path(path).write_text("\n".join(json.dumps(row) for row in rows))
    return Path(path)


@pytest.fixture
def sums(run: Run) -> Run:
    run("data", "import", write("sums.jsonl", 40), "--name", "sums")
    return run


def names() -> list[str]:
    return sorted({entry.name for entry in open_home().entries("dataset")})


def test_duplicates_are_dropped_and_listed(run: Run) -> None:
    source = write("rows.jsonl", 5)
    source.write_text(f"{source.read_text()}\n{source.read_text()}")
    view = json.loads(
        run("data", "import", source, "--name", "rows", "--deduplicate", "exact", "--json")
    )
    assert (view["stats"]["num_examples"], view["stats"]["num_dropped"]) == (5, 5)


def test_show_reports_trouble_and_use(sums: Run) -> None:
    report = json.loads(sums("data", "show", "sums", "--json"))
    assert report["dataset"]["stats"]["num_examples"] == 40
    assert report["lineage"]["source"] == "sums.jsonl"
    assert report["runs"] == []
    assert {each["kind"] for each in report["findings"]} >= {"duplicates", "mojibake"}
    assert "nothing suspicious" in sums("data", "show", "sums")


def test_a_folder_is_imported_and_reported_file_by_file(run: Run) -> None:
    Path("lake/sub").mkdir(parents=True)
    write("lake/b.jsonl", 3)
    write("lake/sub/c.jsonl", 2, about="product")
    Path("lake/b.jsonl").write_text(Path("lake/b.jsonl").read_text() + '\n{"prompt": "x", "n": 1}')
    Path("lake/notes.docx").touch()
    run("data", "import", "lake", "--name", "lake", exit_code=2)
    text = run("data", "import", "lake", "--name", "lake", "--allow-rejected", 20)
    assert "lake, 2 files, utf-8" in text
    assert "the columns n; the files notes.docx" in text
    text = run("data", "show", "lake")
    assert "lake/sub/c.jsonl from row 5 on" in text
    assert "lake/b.jsonl, row 4  completion  is missing or null" in text
    report = json.loads(run("data", "show", "lake", "--json"))
    assert [file["first_row"] for file in report["lineage"]["files"]] == [1, 5]
    assert report["rows_left_out"][0]["row"] == 4


def test_an_entry_is_found_in_the_folder_of_its_dataset_info(run: Run) -> None:
    Path("dataset_info.json").write_text('{"sums": {"file_name": "rows.json"}}')
    Path("rows.json").write_text('[{"instruction": "1+1?", "output": "2"}]')
    run("data", "import", ".", "--entry", "sums", "--name", "sums")
    assert names() == ["sums"]


def test_a_hub_id_is_told_how_to_be_written(run: Run) -> None:
    message = run("data", "import", "openai/gsm8k", "--name", "x", exit_code=2)
    assert "there is no file openai/gsm8k" in message
    assert "hf://datasets/OWNER/NAME@REVISION/FILE" in message


def test_a_preview_of_no_row_is_refused(sums: Run, tiny_model: Path) -> None:
    command = ("data", "preview", "sums", "--model", tiny_model, "--row")
    assert "row 40" in sums(*command, 40)
    assert "no example from row 41 on" in sums(*command, 41, exit_code=2)


def test_diff_shows_what_changed(sums: Run) -> None:
    sums("data", "import", write("more.jsonl", 42), "--name", "more")
    view = json.loads(sums("data", "diff", "sums", "more", "--json"))
    counts = view["difference"]
    assert (counts["num_added"], counts["num_removed"], counts["num_common"]) == (2, 0, 40)
    text = sums("data", "diff", "sums", "more")
    assert "2 added, 0 removed, 40 common examples" in text
    assert "sum 40?" in text


def test_split_makes_two_versions_once(sums: Run) -> None:
    command = ("data", "split", "sums", "--percent", 25, "--seed", 3, "--names", "train,held")
    first, second = json.loads(sums(*command, "--json"))
    assert (first["stats"]["num_examples"], second["stats"]["num_examples"]) == (30, 10)
    again = json.loads(sums(*command, "--json"))
    assert [view["version"] for view in again] == [first["version"], second["version"]]
    difference = json.loads(sums("data", "diff", "train", "held", "--json"))["difference"]
    assert difference["num_common"] == 0
    assert names() == ["held", "sums", "train"]


@pytest.mark.parametrize("given", ["one", "same,same", "bad name,held"])
def test_split_refuses_bad_names_before_work(sums: Run, given: str) -> None:
    sums("data", "split", "sums", "--names", given, exit_code=2)
    assert names() == ["sums"]


def test_export_writes_a_file_that_imports(sums: Run) -> None:
    sums("data", "export", "sums", "out.jsonl", "--format", "alpaca")
    view = json.loads(sums("data", "import", "out.jsonl", "--name", "back", "--json"))
    assert view["existed"]
    assert "--overwrite" in sums("data", "export", "sums", "out.jsonl", exit_code=2)
    message = sums("data", "export", "sums", "text.jsonl", "--format", "text", exit_code=2)
    assert "row 1 does not fit the format text" in message
    assert not Path("text.jsonl").exists()


def test_mix_shows_a_ratio_and_keeps_it(sums: Run, tiny_model: Path) -> None:
    sums("data", "import", write("general.jsonl", 90, about="weather"), "--name", "general")
    command = ("data", "mix", "sums", "general", "--model", tiny_model, "--ratio", 0.4, "--json")
    view = json.loads(sums(*command))
    assert view["ratio"] == pytest.approx(0.4, abs=0.02)
    assert view["made"] is None
    made = json.loads(sums(*command, "--name", "mixed"))["made"]
    assert made["stats"]["num_examples"] == 40 + view["general"]["num_examples"]
    difference = json.loads(sums("data", "diff", "sums", "mixed", "--json"))["difference"]
    assert difference["num_removed"] == 0
    assert difference["num_common"] == 40
    message = sums(*command[:-2], 1.5, exit_code=2)
    assert "data.mix.ratio" in message


def test_delete_removes_a_version_that_nothing_needs(sums: Run, home: Path) -> None:
    sums("data", "import", "sums.jsonl", "--name", "twin")
    deleted = json.loads(sums("data", "delete", "sums", "--json"))
    assert (len(deleted["versions"]), deleted["removed"]) == (1, [])
    assert names() == ["twin"]
    sums("data", "delete", "twin")
    assert names() == []
    assert list((home / "datasets").iterdir()) == []
    assert "there is no dataset 'twin'" in sums("data", "delete", "twin", exit_code=2)
    sums("data", "import", "sums.jsonl", "--name", "twin")
    assert names() == ["twin"]


def test_delete_of_one_version_leaves_the_others(sums: Run) -> None:
    sums("data", "import", write("sums.jsonl", 7), "--name", "sums")
    newest = open_home().find("dataset", "sums").id
    sums("data", "delete", f"sums@{newest[:6]}")
    assert names() == ["sums"]
    assert open_home().find("dataset", "sums").id != newest


# --- train -----------------------------------------------------------------------------------


def write_recipe(model: Path, **data: Any) -> Path:
    values = {
        "name": "tiny",
        "model": str(model),
        "data": {"train": "sums", "validation": {"percent": 10}, "max_length": 64, **data},
        "method": {"kind": "lora", "rank": 2},
        "training": {"epochs": 1, "batch_size": 20},
    }
    Path("recipe.yaml").write_text(yaml.safe_dump(values))
    return Path("recipe.yaml")


def test_the_preflight_as_text_and_as_json(sums: Run, tiny_model: Path) -> None:
    recipe = write_recipe(tiny_model)
    figures = json.loads(sums("train", recipe, "--plan", "--json"))
    assert (figures["num_examples"], figures["num_validation_examples"]) == (36, 4)
    assert figures["total_steps"] == 2
    assert figures["data"][0]["report"]["num_whole"] == 40
    assert figures["seconds"] > 0
    text = sums("train", recipe, "--plan")
    for words in ("trained in all 40 complete", "leakage", "about", "█", "36 of 36 training"):
        assert words in text
    assert re.search(r"≤ +64  █{40} +40 100\.0%", text)
    assert open_home().entries("run") == []


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([{"prompt": "a", "chosen": "b", "rejected": "c"}], "a preference pair is nothing that"),
        ([{"text": "a", "label": "b"}], "a classified text is nothing that"),
    ],
)
def test_a_recipe_of_data_that_is_not_trained_on_is_refused(
    run: Run, tiny_model: Path, rows: list[dict[str, str]], sentence: str
) -> None:
    Path("others.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    run("data", "import", "others.jsonl", "--name", "others")
    message = run("train", write_recipe(tiny_model, train="others"), exit_code=2)
    assert f"dataset others: row 1: {sentence}" in message
    assert open_home().entries("run") == []


def test_damage_stops_until_it_is_allowed(sums: Run, tiny_model: Path) -> None:
    recipe = write_recipe(tiny_model, max_length=45)
    message = sums("train", recipe, "--plan", exit_code=2)
    assert "30 of 40 rows (75.0 %) are damaged: 30 longer than data.max_length" in message
    assert "--allow 75" in message
    sums("train", recipe, "--plan", "--allow", 74.9, exit_code=2)
    assert "are cut at data.max_length = 45" in sums("train", recipe, "--plan", "--allow", 75)


def test_what_is_tried_is_a_run_each(sums: Run, tiny_model: Path) -> None:
    recipe = write_recipe(tiny_model)
    text = sums("train", recipe, "--try", "training.learning_rate=1e-4 | 3e-4")
    assert "loss of each run" in text
    runs = json.loads(sums("runs", "list", "--json"))
    assert {run["name"] for run in runs} >= {"tiny-1", "tiny-2"}
    for tried, said in (("seed", "expected key=value"), ("seed=1|2|3|4|5|6|7|8|9", "too many")):
        assert said in sums("train", recipe, "--try", tried, exit_code=2)


def test_folds_train_and_summarize_and_pin_their_data(sums: Run, tiny_model: Path) -> None:
    text = sums("train", write_recipe(tiny_model), "--folds", 2)
    assert "mean ± sd" in text
    runs = [entry.name for entry in open_home().entries("run")]
    assert runs == ["tiny-fold1", "tiny-fold2"]
    message = sums("data", "delete", "sums", exit_code=2)
    assert "is used by tiny-fold1" in message
    assert names() == ["sums"]
    report = json.loads(sums("data", "show", "sums", "--json"))
    assert [use["name"] for use in report["runs"]] == runs
