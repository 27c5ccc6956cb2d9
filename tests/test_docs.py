"""The documentation's examples run, its tables are those of the code, its links lead somewhere."""

import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from tests.cli.command import tunesmith
from tests.conftest import make_tiny_model
from tunesmith.artifacts import commit_folder
from tunesmith.service.runs import recipe_of

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/*.md")])


def _blocks(page: Path, language: str) -> list[str]:
    text = page.read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the pages speak of; a tiny model stands in for smollm2-135m."""
    folder = tmp_path_factory.mktemp("docs")
    stand_in = folder / "home" / "models" / "smollm2-135m"
    commit_folder(stand_in, kind="base-model", write=_write_model)
    rows = [_row(f"say {number}", json.dumps({"n": number})) for number in range(12)]
    (folder / "messages.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "chats" / "old").mkdir(parents=True)
    for name in ("a.jsonl", "old/b.jsonl"):
        row = _row(f"what is in {name}?", "a chat")
        (folder / "chats" / name).write_text(json.dumps(row) + "\n")
    (folder / "chats" / "README.md").write_text("# Chats\n")
    tickets = [{"instruction": "open", "output": "opened"}]
    (folder / "tickets.json").write_text(json.dumps(tickets))
    (folder / "dataset_info.json").write_text('{"tickets": {"file_name": "tickets.json"}}')
    (folder / "questions.csv").write_text("question,answer\n1+1?,#### 2\n2+2?,#### 4\n")
    (folder / "facts.yaml").write_text(_blocks(ROOT / "docs" / "evaluation.md", "yaml")[0])
    (folder / "prompts.txt").write_text("Where is my order?\nSend it back.\n")
    [recipe] = _blocks(ROOT / "docs" / "recipe.md", "yaml")
    values = yaml.safe_load(recipe)
    values["data"]["train"] = "support"
    (folder / "recipe.yaml").write_text(yaml.safe_dump(values))
    return folder


def _row(question: str, answer: str) -> dict[str, object]:
    roles = (("user", question), ("assistant", answer))
    return {"messages": [{"role": role, "content": content} for role, content in roles]}


def _write_model(folder: Path) -> None:
    """Wide enough for the ranks on the pages."""
    make_tiny_model(folder, hidden_size=96, intermediate_size=192, num_key_value_heads=3)


def test_the_recipe_of_the_page_is_valid() -> None:
    [recipe] = _blocks(ROOT / "docs" / "recipe.md", "yaml")
    recipe_of(yaml.safe_load(recipe) | {"training": {}})


@pytest.mark.parametrize("name", ["data", "models", "recipe", "training", "compare", "evaluation"])
def test_console_examples_run(workplace: Path, name: str) -> None:
    """Pages build on each other in this order, as a reader would."""
    commands = [
        line.removeprefix("$ tunesmith ")
        for block in _blocks(ROOT / "docs" / f"{name}.md", "console")
        for line in block.splitlines()
        if line.startswith("$ tunesmith ")
    ]
    assert commands
    for command in commands:
        outcome = tunesmith(*shlex.split(command), home=workplace / "home", cwd=workplace)
        if command.startswith("runs resume"):  # the page resumes a run that has finished here
            assert "is finished" in outcome.err
            continue
        assert outcome.code == 0, f"{command}\n{outcome.err}"


@pytest.mark.parametrize("name", ["recipe", "service"])
def test_parameter_tables_are_those_of_the_code(name: str) -> None:
    spec = importlib.util.spec_from_file_location("parameters", ROOT / "docs" / "parameters.py")
    assert spec is not None
    assert spec.loader is not None
    parameters = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(parameters)
    page = (ROOT / "docs" / f"{name}.md").read_text("utf-8")
    assert parameters.page_with_tables(page) == page, "run: make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
