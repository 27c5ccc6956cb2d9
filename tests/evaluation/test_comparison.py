"""Comparing tiny models for real: through the engine, by seed, kept and readable."""

import json
from pathlib import Path

import pytest

from tests.conftest import make_tiny_model
from tests.serving.adapters import make_adapter, reference
from tests.serving.test_exactness import LIVELY
from tunesmith.artifacts import is_intact
from tunesmith.errors import DatasetRejected, ModelRejected
from tunesmith.evaluation.answers import Answer, Asked
from tunesmith.evaluation.answers import ask as ask_all
from tunesmith.evaluation.comparison import run_comparison
from tunesmith.evaluation.config import AnswerSettings
from tunesmith.evaluation.job import CompareJob, Contestant
from tunesmith.evaluation.questions import Prompt, Question
from tunesmith.evaluation.report import REPORT
from tunesmith.evaluation.summary import read_summary
from tunesmith.evaluation.transcript import read_exchanges
from tunesmith.events import Event
from tunesmith.text.codec import TextCodec

SHORT = AnswerSettings(max_tokens=12, precision="fp32")
WARM = AnswerSettings(max_tokens=12, precision="fp32", temperature=1.0)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "lively", **LIVELY)


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_adapter(base, tmp_path_factory.mktemp("one") / "lora", kind="lora", seed=1)


def contestant(folder: Path, label: str = "", **more: str) -> Contestant:
    return Contestant(label=label or folder.name, model=folder.name, folder=str(folder), **more)


def ask(
    contestants: list[Contestant], asked: list[Question], settings: AnswerSettings
) -> list[list[Answer]]:
    return ask_all([Asked(each, asked) for each in contestants], settings)


def questions(count: int = 3) -> list[Question]:
    return [Question.of(Prompt(prompt=f"question {n}")) for n in range(count)]


def test_answers_are_those_of_transformers_for_bases_and_adapters(
    base: Path, adapter: Path, tiny_model: Path
) -> None:
    """Two bases and an adapter of one, in an order that is not the engine's."""
    asked = questions()
    order = [contestant(tiny_model, "tiny"), contestant(adapter), contestant(base)]
    found = ask(order, asked, SHORT)
    for answers, (folder, part) in zip(
        found, [(tiny_model, None), (base, adapter), (base, None)], strict=True
    ):
        codec = TextCodec.from_folder(folder)
        prompts = [codec.encode_prompt(question.messages) for question in asked]
        expected = reference(folder, part, prompts)
        # The engine leaves out the half of a character at which an answer is cut.
        assert [answer.text.rstrip("\ufffd") for answer in answers] == [
            codec.decode(ids).strip().rstrip("\ufffd") for ids in expected
        ]
        assert [answer.num_prompt_tokens for answer in answers] == [len(p) for p in prompts]
        assert [answer.num_tokens for answer in answers] == [len(ids) for ids in expected]
    assert len({tuple(answer.text for answer in answers) for answers in found}) == 3


def test_a_seed_decides_and_prompts_differ(base: Path) -> None:
    same = [Question.of(Prompt(prompt="say"))] * 3
    one, two = (contestant(base, label) for label in ("one", "two"))
    [first, second] = ask([one, two], same, WARM)
    assert first == second  # one prompt, one seed, whoever answers
    assert len({answer.text for answer in first}) == 3
    [other] = ask([one], same, WARM.model_copy(update={"seed": 77}))
    assert [answer.text for answer in other] != [answer.text for answer in first]


def test_system_prompts_and_templates_belong_to_a_contestant(base: Path) -> None:
    asked = [Question.of(Prompt(prompt="abc", variables={"who": "Ann"}))]
    plain, told, filled = ask(
        [
            contestant(base, "plain"),
            contestant(base, "told", system_prompt="You are short."),
            contestant(base, "filled", template="{{who}} asks: {{prompt}}"),
        ],
        asked,
        SHORT,
    )
    codec = TextCodec.from_folder(base)

    def size(text: str, system: str = "") -> int:
        asked = Question.of(Prompt(prompt=text)).messages
        return len(codec.encode_prompt(asked, system_prompt=system))

    assert plain[0].num_prompt_tokens == size("abc")
    assert told[0].num_prompt_tokens == size("abc", "You are short.")
    assert filled[0].num_prompt_tokens == size("Ann asks: abc")


def test_what_cannot_be_asked_or_answered_is_one_sentence(base: Path, tmp_path: Path) -> None:
    long = [*questions(1), Question.of(Prompt(prompt="word " * 3000))]
    with pytest.raises(DatasetRejected, match=r"prompt 2 for lively: the prompt has .* tokens"):
        ask([contestant(base)], long, SHORT)
    other = make_tiny_model(tmp_path / "other", num_hidden_layers=1)
    stranger = make_adapter(other, tmp_path / "stranger", kind="prefix", seed=2)
    config = json.loads((stranger / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = str(base)
    (stranger / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelRejected, match=r"^mine: "):
        ask([contestant(stranger, "mine")], questions(1), SHORT)


def test_a_comparison_is_kept_with_figures_and_a_page(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    told: list[Event] = []
    [[answer]] = ask([contestant(base)], questions(1), SHORT)
    job = CompareJob(
        contestants=[contestant(base), contestant(adapter)],
        prompts=[
            Prompt(prompt="question 0", reference=answer.text),
            Prompt(prompt="<script>alert(1)</script>"),
        ],
        answers=SHORT,
        metrics=["exact", "bleu"],
    )
    folder = tmp_path / "result"
    manifest, comparison = run_comparison(job, folder, emit=told.append)
    assert is_intact(folder)
    assert manifest.kind == "comparison"
    assert read_summary(folder) == comparison
    assert [total.scores["exact"] for total in comparison.totals] == [1.0, 0.0]
    first, second = read_exchanges(folder)
    assert first.answers[0].text == answer.text
    assert first.answers[0].points == {"exact": 1.0, "bleu": pytest.approx(1.0)}
    assert (second.reference, second.answers[0].points) == (None, {})
    page = (folder / REPORT).read_text("utf-8")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert str(base) not in page + (folder / "comparison.json").read_text()
    assert [event.kind for event in told] == ["phase", "progress", "progress"]

    again, _ = run_comparison(job, tmp_path / "again", emit=told.append)
    assert again.digest == manifest.digest  # equal comparisons are equal bytes
