"""What is asked: shapes of files, datasets and templates."""

import json
from pathlib import Path

import pytest

from tunesmith.errors import DatasetRejected, RecipeInvalid
from tunesmith.evaluation.questions import Prompt, Question, filled_in, read_prompts
from tunesmith.evaluation.templates import check_template, variables_in


def test_a_file_holds_a_prompt_a_line_or_json_lines(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("first\n\n第二\n", "utf-8")
    assert [each.prompt for each in read_prompts(tmp_path / "p.txt")] == ["first", "第二"]
    turns = [
        {"role": "user", "content": "capital?"},
        {"role": "assistant", "content": "Paris"},
    ]
    rows = [
        {"prompt": "say a", "reference": "a", "language": "fr", "level": 3},
        {"messages": turns},
        {"messages": turns, "reference": "Lyon"},
    ]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    first, second, third = read_prompts(tmp_path / "p.jsonl")
    assert (first.reference, first.variables) == ("a", {"language": "fr", "level": "3"})
    assert (second.messages[-1].content, second.reference) == ("capital?", "Paris")
    assert third.reference == "Lyon"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("not json", "not JSON"),
        ("[1]", "expected"),
        ('{"question": "x"}', "either a prompt or messages"),
        ('{"prompt": "x", "messages": [{"role": "user", "content": "x"}]}', "either a prompt"),
        ('{"messages": "x"}', "messages"),
        ('{"messages": [3]}', "messages"),
        ('{"messages": [{"role": "assistant", "content": "x"}]}', "either a prompt or messages"),
        ('{"messages": [{"role": "system", "content": "x"}]}', "must be the user's"),
        ('{"prompt": 3}', "prompt"),
    ],
)
def test_a_line_of_another_shape_is_named(tmp_path: Path, row: str, words: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"prompt": "fine"}\n' + row + "\n")
    with pytest.raises((DatasetRejected, RecipeInvalid), match=words) as refusal:
        read_prompts(path)
    assert "line 2" in refusal.value.message


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("\n \n")
    with pytest.raises(DatasetRejected, match="holds no prompt"):
        read_prompts(tmp_path / "p.txt")


def test_templates_are_filled_with_the_prompt_and_its_variables() -> None:
    template = "Answer in {{ language }}: {{prompt}}"
    assert variables_in(template) == {"language", "prompt"}
    question = Question.of(Prompt(prompt="{{language}}?", variables={"language": "French"}))
    assert filled_in(question, template).messages[-1].content == "Answer in French: {{language}}?"
    with pytest.raises(DatasetRejected, match="has no value for language"):
        filled_in(Question.of(Prompt(prompt="hi")), template)
    check_template(template, source="short.txt")
    with pytest.raises(RecipeInvalid, match=r"short.txt has no \{\{prompt\}\}") as refusal:
        check_template("Answer in {{language}}.", source="short.txt")
    assert "at the end" in refusal.value.hint
