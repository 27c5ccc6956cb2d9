"""Whatever is wrong with the input: one sentence, exit code 2, no traceback, nothing left."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.cli.command import files_below, tunesmith
from tests.training.runs import make_home, recipe

GOOD_ROW = {"instruction": "2 + 2?", "output": "4"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A home with a dataset, and a base model folder."""
    home, base = make_home(tmp_path_factory.mktemp("bad"))
    return home.folder, base


FILES: dict[str, tuple[str, bytes | None, list[str]]] = {
    # name: (file name, content or None for a missing file, words the sentence must hold)
    "missing file": ("nothing.json", None, ["nothing.json"]),
    "empty file": ("empty.jsonl", b"", ["empty.jsonl", "empty"]),
    "wrong JSON": ("bad.json", b'[{"instruction": "a", "output": }]', ["bad.json", "line 1"]),
    "wrong JSON line": (
        "bad.jsonl",
        json.dumps(GOOD_ROW).encode() + b'\n{"instruction": \n',
        ["bad.jsonl", "2"],
    ),
    "row without an answer": (
        "rows.json",
        json.dumps([GOOD_ROW, {"instruction": "3 + 3?", "output": ""}]).encode(),
        ["rows.json", "row 2", "output", "--allow-rejected"],
    ),
    "messages without an assistant": (
        "chat.jsonl",
        json.dumps({"messages": [{"role": "user", "content": "hi"}]}).encode(),
        ["chat.jsonl", "row 1", "messages"],
    ),
    "null content": (
        "null.jsonl",
        json.dumps(
            {
                "messages": [
                    {"role": "user", "content": "hi"},
                    {"role": "assistant", "content": None},
                ]
            }
        ).encode(),
        ["null.jsonl", "row 1", "messages[1].content"],
    ),
    "no known shape": ("odd.json", b'[{"colour": "red"}]', ["odd.json", "colour"]),
    "not text": ("bytes.jsonl", b'{"instruction": "\xff\xfe\xfa"}', ["bytes.jsonl"]),
}


@pytest.mark.parametrize(("name", "content", "words"), FILES.values(), ids=FILES.keys())
def test_bad_files(
    world: tuple[Path, Path], tmp_path: Path, name: str, content: bytes | None, words: list[str]
) -> None:
    home, _ = world
    if content is not None:
        (tmp_path / name).write_bytes(content)
    before = files_below(home)
    outcome = tunesmith("data", "import", tmp_path / name, "--name", "mine", home=home)
    _assert_refused(outcome, words)
    assert files_below(home) == before


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("my.data", "'.'"),
        ("../up", "'.'"),
        ("", "empty"),
        ("-x", "start"),
        ("a" * 200, "200"),
        ("con", "reserved"),
    ],
)
def test_bad_names(world: tuple[Path, Path], tmp_path: Path, name: str, word: str) -> None:
    (tmp_path / "good.json").write_text(json.dumps([GOOD_ROW]))
    before = files_below(world[0])
    outcome = tunesmith("data", "import", tmp_path / "good.json", f"--name={name}", home=world[0])
    _assert_refused(outcome, [word])
    assert files_below(world[0]) == before


RECIPES: dict[str, tuple[dict[str, object], list[str]]] = {
    "misspelt key": ({"training": {"epoch": 2}}, ["training.epoch", "did you mean 'epochs'"]),
    "misspelt group": ({"trainig": {"epochs": 2}}, ["trainig", "did you mean 'training'"]),
    "misspelt key of a method": ({"method": {"rnak": 4}}, ["method.rnak", "did you mean 'rank'"]),
    "rate of zero": (
        {"training": {"learning_rate": 0}},
        ["training.learning_rate", "greater than 0"],
    ),
    "negative rate": ({"training": {"learning_rate": -1e-4}}, ["training.learning_rate"]),
    "text for a number": ({"training": {"epochs": "many"}}, ["training.epochs", "'many'"]),
    "too many epochs": ({"training": {"epochs": 51}}, ["training.epochs", "50"]),
    "name with a dot": ({"name": "my.run"}, ["name", "'.'"]),
    "unknown method": ({"method": {"kind": "lorra"}}, ["method", "lora"]),
    "unknown scheduler": ({"training": {"scheduler": "cosin"}}, ["training.scheduler", "cosine"]),
    "unknown base model": ({"model": "smollm2-135"}, ["smollm2-135", "smollm2-135m"]),
    "unknown dataset": ({"data": {"train": "countign"}}, ["countign", "counting"]),
    "unknown target": ({"method": {"targets": ["quary"]}}, ["quary", "q_proj"]),
    "validation beyond half": (
        {"data": {"validation": {"kind": "split", "percent": 60}}},
        ["data.validation", "50"],
    ),
}


@pytest.mark.parametrize(("changes", "words"), RECIPES.values(), ids=RECIPES.keys())
def test_bad_recipes(
    world: tuple[Path, Path], tmp_path: Path, changes: dict[str, object], words: list[str]
) -> None:
    home, base = world
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe(base, **changes)))
    outcome = tunesmith("train", tmp_path / "recipe.yaml", home=home)
    _assert_refused(outcome, words)
    assert not (home / "runs").exists(), "nothing of a run may be written"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: [", ["recipe.yaml", "line"]),
        ("", ["recipe.yaml"]),
        ("- a\n- b", ["recipe.yaml"]),
        ("name: a\nname: b", ["'name' is given twice"]),
    ],
    ids=["not YAML", "empty", "a list", "a key twice"],
)
def test_recipes_that_are_none(
    world: tuple[Path, Path], tmp_path: Path, text: str, words: list[str]
) -> None:
    (tmp_path / "recipe.yaml").write_text(text)
    _assert_refused(tunesmith("train", tmp_path / "recipe.yaml", home=world[0]), words)


@pytest.mark.parametrize(
    ("override", "words"),
    [("training.epoch=2", ["training.epoch", "epochs"]), ("training.epochs", ["key=value"])],
)
def test_bad_overrides(
    world: tuple[Path, Path], tmp_path: Path, override: str, words: list[str]
) -> None:
    home, base = world
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe(base)))
    outcome = tunesmith("train", tmp_path / "recipe.yaml", "--set", override, home=home)
    _assert_refused(outcome, words)


@pytest.mark.parametrize("command", [["runs", "resume"], ["runs", "show"], ["chat"]])
def test_unknown_runs_and_models(world: tuple[Path, Path], command: list[str]) -> None:
    _assert_refused(tunesmith(*command, "nobody", home=world[0]), ["nobody"])


def _assert_refused(outcome: object, words: list[str]) -> None:
    from tests.forks import Outcome

    assert isinstance(outcome, Outcome)
    assert "Traceback" not in outcome.err
    assert outcome.code == 2, outcome.err or outcome.out
    error, *rest = outcome.err.strip().splitlines()
    assert error.startswith("error: ")
    assert len(rest) <= 1, f"one sentence and at most one hint: {outcome.err}"
    for word in words:
        assert word in outcome.err, f"{word!r} is not in: {outcome.err}"


def test_a_model_beyond_the_memory_is_refused_before_the_start(
    world: tuple[Path, Path], tmp_path: Path
) -> None:
    home, base = world
    giant = tmp_path / "giant"
    shutil.copytree(base, giant)
    config = json.loads((giant / "config.json").read_text())
    (giant / "config.json").write_text(json.dumps(config | {"intermediate_size": 1_000_000_000}))
    values = recipe(giant, method={"targets": ["q_proj"]})
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(values))
    outcome = tunesmith("train", tmp_path / "recipe.yaml", home=home)
    _assert_refused(outcome, ["training would need", "GB", "training.batch_size"])
    assert not (home / "runs").exists(), "nothing of a run may be written"


def test_the_command_line_never_imports_torch() -> None:
    check = "import sys, tunesmith.cli.main; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
