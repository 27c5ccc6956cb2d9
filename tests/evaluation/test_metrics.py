"""Metrics against other people's implementations, and on Chinese."""

from typing import get_args

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from tunesmith.errors import DatasetRejected
from tunesmith.evaluation.config import DEFAULT_METRICS, MetricName
from tunesmith.evaluation.metrics import METRICS, contains, json_exact, rouge_l, rouge_n, tokens_of

WORDS = ["the", "cat", "sat", "on", "a", "mat", "42", "cats"]
SENTENCES = st.lists(st.sampled_from(WORDS), max_size=12)


class OurTokens:
    """rouge_score's own tokenizer knows the Latin alphabet only."""

    def tokenize(self, text: str) -> list[str]:
        return tokens_of(text)


REFERENCE = RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=OurTokens())


@given(SENTENCES, SENTENCES)
def test_rouge_is_that_of_rouge_score(answer: list[str], reference: list[str]) -> None:
    said, wanted = " ".join(answer), " ".join(reference)
    expected = REFERENCE.score(wanted, said)
    assert rouge_n(said, wanted, n=1) == pytest.approx(expected["rouge1"].fmeasure)
    assert rouge_n(said, wanted, n=2) == pytest.approx(expected["rouge2"].fmeasure)
    assert rouge_l(said, wanted) == pytest.approx(expected["rougeL"].fmeasure)


def test_chinese_is_compared_by_the_character() -> None:
    assert tokens_of("我住在Berlin市, 10号") == ["我", "住", "在", "berlin", "市", "10", "号"]
    assert rouge_l("我喜欢吃苹果", "我喜欢吃香蕉") == pytest.approx(4 / 6)
    assert METRICS["bleu"].one("我喜欢吃苹果", "我喜欢吃香蕉") == pytest.approx(
        sacrebleu.sentence_bleu("我喜欢吃苹果", ["我喜欢吃香蕉"], tokenize="zh").score / 100
    )
    assert METRICS["bleu"].one("我喜欢吃苹果", "我喜欢吃香蕉") > 0.4
    assert contains("答案是北京。", "北京")
    assert not contains("答案是北海。", "北京")


def test_bleu_of_a_corpus_is_sacrebleus_and_not_the_mean() -> None:
    answers = ["the cat sat on the mat today", "it rains in spain all the time"]
    references = ["the cat sat on a mat today", "it rains in france all the time"]
    bleu = METRICS["bleu"]
    points = [bleu.one(a, r) for a, r in zip(answers, references, strict=True)]
    total = bleu.total(answers, references, points)
    assert total == pytest.approx(sacrebleu.corpus_bleu(answers, [references]).score / 100)
    assert total != pytest.approx(sum(points) / 2)
    chrf = METRICS["chrf"].total(answers, references, points)
    assert chrf == pytest.approx(sacrebleu.corpus_chrf(answers, [references]).score / 100)


def test_an_answer_equal_to_its_reference_has_all_points_and_an_empty_one_none() -> None:
    for name, metric in METRICS.items():
        text = '{"a": "one two three four"}'
        assert metric.one(text, text) == pytest.approx(1.0), name
        assert metric.one("", text) == 0.0, name


def test_contains_takes_whole_words_and_alternatives() -> None:
    assert contains("It is FOUR, I think.", "4|four")
    assert not contains("It is 42.", "4|four")
    assert not contains("anything", "|")


def test_a_reference_that_is_no_json_is_refused() -> None:
    with pytest.raises(DatasetRejected, match="is not JSON") as refusal:
        json_exact("{}", "Paris")
    assert "--metric exact" in refusal.value.hint


def test_the_table_has_the_names_of_the_settings() -> None:
    assert set(METRICS) == set(get_args(MetricName)) >= set(DEFAULT_METRICS)
