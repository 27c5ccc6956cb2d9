"""Evaluating tiny models for real: figures, perplexity, tasks, what was forgotten."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.conftest import make_tiny_model
from tests.evaluation.test_comparison import contestant
from tests.serving.adapters import make_adapter
from tests.serving.test_exactness import LIVELY
from tunesmith.artifacts import is_intact
from tunesmith.data.importing import run_import
from tunesmith.data.job import ImportJob
from tunesmith.errors import DatasetRejected, NameInvalid, RecipeInvalid
from tunesmith.evaluation.config import AnswerSettings
from tunesmith.evaluation.evaluation import run_evaluation
from tunesmith.evaluation.figures import read_results
from tunesmith.evaluation.forgetting import Knowledge, general_task, general_texts, judge
from tunesmith.evaluation.job import EvaluateJob
from tunesmith.evaluation.metrics import contains
from tunesmith.evaluation.perplexity import losses
from tunesmith.evaluation.questions import Prompt
from tunesmith.evaluation.report import REPORT
from tunesmith.evaluation.tasks import Task, check_sections, read_task
from tunesmith.evaluation.transcript import read_exchanges
from tunesmith.text.codec import TextCodec
from tunesmith.text.conversation import Conversation, Message, Passage
from tunesmith.training.job import PinnedDataset

SHORT = AnswerSettings(max_tokens=4, precision="fp32")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "lively", **LIVELY)


@pytest.fixture(scope="module")
def tuned(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that says what it was trained from, as ours do."""
    folder = make_adapter(
        base, tmp_path_factory.mktemp("one") / "lora", kind="lora-attention", seed=1, scale=0.1
    )
    of_base = {"reference": "lively", "digest": "", "folder": str(base)}
    (folder / "tunesmith.json").write_text(
        json.dumps({"base": of_base, "system_prompt": "You are a shop."})
    )
    return folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> PinnedDataset:
    folder = tmp_path_factory.mktemp("data")
    rows = [{"prompt": f"say {n}", "completion": f"it is {n}"} for n in range(6)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    job = ImportJob(source=str(folder / "rows.jsonl"), into=str(folder), scratch=str(folder))
    version = run_import(job, emit=lambda event: None)
    return PinnedDataset(reference="counting", version=version.id, folder=str(version.folder))


# --- perplexity ------------------------------------------------------------------------------


def test_perplexity_is_that_of_transformers(base: Path) -> None:
    """All tokens of a passage but the first; of a chat those of the answer and its end."""
    chat = Conversation((Message("user", "what?"), Message("assistant", "the answer is this")))
    texts = {"text": [Passage("the user is the system"), Passage("assistant")], "chat": [chat]}
    found = losses(base, texts, precision="fp32")
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    codec = TextCodec.from_folder(base)
    for name, examples in texts.items():
        nats, count = 0.0, 0
        for encoded in codec.encode_many(examples):
            ids = torch.tensor(encoded.token_ids.tolist())[None]
            labels = ids.masked_fill(~torch.from_numpy(encoded.trained)[None], -100)
            num_learned = int((labels[0, 1:] != -100).sum())
            with torch.inference_mode():
                nats += float(model(input_ids=ids, labels=labels).loss) * num_learned
            count += num_learned
        assert found[name].num_tokens == count
        assert found[name].perplexity == pytest.approx(math.exp(nats / count), rel=1e-4)


# --- figures ---------------------------------------------------------------------------------


def test_an_evaluation_has_a_row_for_each_model_and_the_answers_behind_it(
    base: Path, tuned: Path, dataset: PinnedDataset, tmp_path: Path
) -> None:
    task = Task(
        name="facts",
        metrics=["contains", "rouge-l"],
        prompts=[Prompt(prompt="2 + 2?", reference="4|four")],
    )
    job = EvaluateJob(
        contestants=[contestant(tuned, "tuned"), contestant(base, "lively")],
        dataset=dataset,
        limit=4,
        metrics=["exact"],
        tasks=[task],
        forgetting=True,
        answers=SHORT,
    )
    _, results = run_evaluation(job, tmp_path / "result", emit=lambda event: None)
    assert is_intact(tmp_path / "result")
    assert read_results(tmp_path / "result") == results
    assert [(each.name, each.labels, each.num_prompts) for each in results.sections] == [
        ("counting", ["tuned", "lively"], 4),
        ("facts", ["tuned", "lively"], 1),
        ("general", ["tuned", "lively"], 32),
    ]
    after, before = results.figures
    assert set(after.scores) == {
        "counting/exact", "counting/perplexity", "facts/contains", "facts/rouge-l",
        "general/contains", "general/perplexity", "general-en/perplexity", "general-zh/perplexity",
    }  # fmt: skip
    assert after.scores["general/perplexity"] != before.scores["general/perplexity"]
    assert before.forgetting is None
    assert after.forgetting is not None
    assert after.forgetting.base == "lively"
    assert after.forgetting.before.perplexity == before.scores["general/perplexity"]
    assert len(list(read_exchanges(tmp_path / "result" / "counting"))) == 4
    page = (tmp_path / "result" / REPORT).read_text("utf-8")
    assert after.forgetting.sentence.replace("+", "&#43;") in page or (
        after.forgetting.sentence in page
    )
    assert str(base) not in page + (tmp_path / "result" / "evaluation.json").read_text()


def test_the_base_is_measured_even_if_nobody_asked_for_it(tuned: Path, tmp_path: Path) -> None:
    job = EvaluateJob(
        contestants=[contestant(tuned, "lively")], metrics=[], forgetting=True, answers=SHORT
    )
    _, results = run_evaluation(job, tmp_path / "result", emit=lambda event: None)
    assert [each.label for each in results.figures] == ["lively"]
    assert results.sections[0].labels == ["lively", "lively (base)"]
    assert results.figures[0].forgetting is not None


def test_plain_text_has_a_perplexity_and_no_answers(base: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("the user is the system\n\nthe assistant is the user\n")
    importing = ImportJob(
        source=str(tmp_path / "text.txt"), into=str(tmp_path), scratch=str(tmp_path)
    )
    version = run_import(importing, emit=lambda event: None)
    dataset = PinnedDataset(reference="text", version=version.id, folder=str(version.folder))
    job = EvaluateJob(
        contestants=[contestant(base)], dataset=dataset, metrics=["exact"], answers=SHORT
    )
    _, results = run_evaluation(job, tmp_path / "result", emit=lambda event: None)
    assert results.sections == []
    assert set(results.figures[0].scores) == {"text/perplexity"}


def test_without_the_harness_its_tasks_are_refused_before_any_work(
    base: Path, tmp_path: Path
) -> None:
    job = EvaluateJob(
        contestants=[contestant(base)], metrics=[], harness=[str(tmp_path)], answers=SHORT
    )
    with pytest.raises(RecipeInvalid, match="is not installed") as refusal:
        run_evaluation(job, tmp_path / "result", emit=lambda event: None)
    assert refusal.value.hint == "pip install 'tunesmith[lm-eval]'"


# --- forgetting ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("perplexity", "num_right", "verdict"),
    [
        (20.0, 20, "kept"),
        (15.0, 24, "kept"),
        (21.9, 17, "kept"),
        (23.0, 20, "weakened"),
        (20.0, 16, "weakened"),
        (29.0, 12, "weakened"),
        (31.0, 20, "forgotten"),
        (20.0, 11, "forgotten"),
    ],
)
def test_the_verdict_follows_from_both_figures(
    perplexity: float, num_right: int, verdict: str
) -> None:
    found = judge("base", Knowledge(20.0, 20, 32), Knowledge(perplexity, num_right, 32))
    assert found.verdict == verdict
    assert f"{num_right} of 32 general questions" in found.sentence
    assert ("data.mix" in found.sentence) == (verdict != "kept")


def test_a_base_that_knows_nothing_can_lose_nothing() -> None:
    assert judge("base", Knowledge(20.0, 0, 32), Knowledge(20.0, 0, 32)).verdict == "kept"


def test_what_is_shipped_is_half_english_and_half_chinese_and_answerable() -> None:
    prompts = general_task().prompts
    chinese = [each for each in prompts if any("\u4e00" <= c <= "\u9fff" for c in each.prompt)]
    assert (len(prompts), len(chinese)) == (32, 16)
    for prompt in prompts:
        assert prompt.reference is not None
        for one in prompt.reference.split("|"):
            assert contains(f"({one})", prompt.reference)
    assert {language: len(texts) for language, texts in general_texts().items()} == {
        "en": 8,
        "zh": 8,
    }


# --- task files ------------------------------------------------------------------------------


def test_task_files_are_yaml_or_json_lines(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "name: shop\nmetrics: [exact]\nprompts:\n  - {prompt: hi, reference: hello}\n"
    )
    task = read_task(tmp_path / "a.yaml")
    assert (task.name, task.metrics, task.prompts[0].reference) == ("shop", ["exact"], "hello")
    (tmp_path / "facts.jsonl").write_text('{"prompt": "2+2?", "reference": "4"}\n')
    task = read_task(tmp_path / "facts.jsonl")
    assert (task.name, task.metrics) == ("facts", ["contains"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: shop\nprompts: []\n", "prompts"),
        ("name: shop\nprompts:\n  - {prompt: hi}\n", "prompt 1 of task shop has no reference"),
        ("name: shop\nmetric: [exact]\nprompts: []\n", "unknown key 'metric'"),
        ("name: shop\nmetrics: [best]\nprompts: []\n", "must be one of"),
        ("name: ../x\nprompts:\n  - {prompt: a, reference: b}\n", "may not contain"),
        ("[", "not valid YAML"),
    ],
)
def test_a_task_file_of_another_shape_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(RecipeInvalid, match=words):
        read_task(tmp_path / "t.yaml")


def test_a_name_stands_for_one_thing(tmp_path: Path) -> None:
    task = Task(name="shop", prompts=[Prompt(prompt="a", reference="b")])
    check_sections("shop2", [task], forgetting=True)
    for dataset, tasks, forgetting, words in (
        ("shop@abcd", [task], False, "'shop' stands for two"),
        (None, [task, task], False, "'shop' stands for two"),
        ("general", [], True, "'general' stands for two"),
        (None, [], False, "nothing to measure"),
    ):
        with pytest.raises(DatasetRejected, match=words):
            check_sections(dataset, tasks, forgetting=forgetting)
    (tmp_path / "my facts.jsonl").write_text('{"prompt": "2+2?", "reference": "4"}\n')
    with pytest.raises(NameInvalid):
        read_task(tmp_path / "my facts.jsonl")
