"""Requests come, go and share: choices, sampling, scores, ends, cancelling, adapters, room."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from tests.conftest import make_tiny_model
from tests.serving.adapters import (
    GREEDY,
    by_choice,
    make_adapter,
    reference,
    request,
    tokens_of,
)
from tests.serving.test_exactness import LIVELY, some_prompts
from tunesmith.errors import (
    ModelRejected,
    NotEnoughMemory,
    NotFound,
    RequestRejected,
    Unavailable,
)
from tunesmith.serving.config import EngineConfig
from tunesmith.serving.engine import TorchEngine
from tunesmith.serving.load import load_engine
from tunesmith.serving.protocol import Sampling

CONFIG = EngineConfig(precision="fp32", kv_tokens=1024, max_sequences=8, context_tokens=600)
[PROMPT] = some_prompts((40,))
LONG = Sampling(temperature=0, max_tokens=500)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "lively", **LIVELY)


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_adapter(base, tmp_path_factory.mktemp("one") / "lora", kind="lora", seed=1)


@pytest.fixture(scope="module")
def other(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two") / "lora"
    return make_adapter(base, folder, kind="lora-attention", seed=2)


@pytest.fixture
def engine(base: Path) -> Iterator[TorchEngine]:
    engine = load_engine(base, CONFIG)
    yield engine
    engine.close()


def test_a_seed_decides_whatever_else_is_answered(engine: TorchEngine) -> None:
    warm = Sampling(temperature=1.0, top_p=0.9, seed=5, max_tokens=20, num_choices=3)
    alone = by_choice(list(engine.submit(request(PROMPT, sampling=warm))))
    others = [engine.submit(request(p, sampling=warm)) for p in some_prompts((3, 90))]
    crowded = by_choice(list(engine.submit(request(PROMPT, sampling=warm))))
    for stream in others:
        list(stream)
    assert alone == crowded
    choices = [[piece.token.id for piece in alone[choice]] for choice in (0, 1, 2)]
    assert choices[0] != choices[1] != choices[2]
    second = warm.model_copy(update={"seed": 6, "num_choices": 1})
    assert tokens_of(engine.submit(request(PROMPT, sampling=second))) == choices[1]


def test_sampling_follows_the_distribution(engine: TorchEngine, base: Path) -> None:
    """2,000 draws of one token: top_p leaves only the nucleus, in its proportions."""
    drawn = Sampling(temperature=2.0, top_p=0.6, max_tokens=1, num_choices=100)
    counts = torch.zeros(320)
    for seed in range(0, 2000, 100):
        sampling = drawn.model_copy(update={"seed": seed})
        for token in tokens_of(engine.submit(request(PROMPT, sampling=sampling))):
            counts[token] += 1
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    with torch.no_grad():
        probs = (model(torch.tensor([PROMPT])).logits[0, -1] / 2).softmax(dim=-1)
    order = probs.argsort(descending=True)
    nucleus = order[probs[order].cumsum(dim=0) - probs[order] < 0.6]
    expected = torch.zeros(320)
    expected[nucleus] = probs[nucleus] / probs[nucleus].sum()
    assert len(nucleus) > 2
    assert set(counts.nonzero().flatten().tolist()) <= set(nucleus.tolist())
    assert (counts / 2000 - expected).abs().max() < 0.04  # three deviations of a fair count


def test_scores_are_the_models_own(engine: TorchEngine, base: Path) -> None:
    sampling = GREEDY.model_copy(update={"top_logprobs": 3})
    pieces = list(engine.submit(request(PROMPT, sampling=sampling)))
    ids = PROMPT + [piece.token.id for piece in pieces]
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    with torch.no_grad():
        logprobs = model(torch.tensor([ids])).logits[0].log_softmax(dim=-1)
    for index, piece in enumerate(pieces):
        row = logprobs[len(PROMPT) - 1 + index]
        assert piece.token.logprob == pytest.approx(float(row[piece.token.id]), abs=1e-3)
        assert [token for token, _ in piece.token.top] == row.topk(3).indices.tolist()
        assert piece.token.top[0] == (piece.token.id, piece.token.logprob)


def test_the_end_is_named(engine: TorchEngine) -> None:
    pieces = list(engine.submit(request(PROMPT, sampling=LONG)))
    text = "".join(piece.text for piece in pieces)
    ended = pieces[-1].token.id == 2
    assert pieces[-1].finish == ("stop" if ended else "length")
    stop = text[7:10]
    cut = LONG.model_copy(update={"stop": (stop, "never said")})
    stopped = list(engine.submit(request(PROMPT, sampling=cut)))
    assert stopped[-1].finish == "stop"
    assert "".join(piece.text for piece in stopped) == text[: text.find(stop)]
    assert all(piece.finish is None for piece in stopped[:-1])


def test_who_hangs_up_frees_the_room_at_once(engine: TorchEngine) -> None:
    endless = LONG.model_copy(update={"stop": ("never said",)})
    streams = [engine.submit(request(p, sampling=endless)) for p in some_prompts((60, 70, 80))]
    next(streams[0])
    assert engine.stats().num_running == 1, "two do not fit into 1,024 tokens"
    assert engine.stats().num_waiting == 2
    for stream in streams:
        stream.close()
        stream.close()
    stats = engine.stats()
    assert (stats.num_running, stats.num_waiting, stats.num_kv_tokens_reserved) == (0, 0, 0)
    assert list(streams[0]) == []


def test_owners_take_turns(engine: TorchEngine) -> None:
    """Three long answers of one owner, then a short one of another: it does not wait for all."""
    many = Sampling(temperature=0, max_tokens=400)
    greedy = [engine.submit(request(p, sampling=many, owner="a")) for p in some_prompts((9,) * 4)]
    modest = engine.submit(request(PROMPT, owner="b"))
    assert len(tokens_of(modest)) == 12
    assert engine.stats().num_waiting >= 1
    for stream in greedy:
        stream.close()


def test_adapters_come_and_go_while_others_answer(
    engine: TorchEngine, base: Path, adapter: Path, other: Path
) -> None:
    before = engine.base_digest()
    running = engine.submit(request(PROMPT, sampling=LONG))
    next(running)
    engine.load_adapter("x", adapter)
    lengthy = Sampling(temperature=0, max_tokens=100)
    under_way = engine.submit(request(PROMPT, adapter="x", sampling=lengthy))
    engine.load_adapter("x", other)
    assert (
        tokens_of(engine.submit(request(PROMPT, adapter="x")))
        == reference(base, other, [PROMPT])[0]
    )
    [expected] = reference(base, adapter, [PROMPT], max_new_tokens=100)
    assert tokens_of(under_way) == expected, "it keeps what it began with"
    engine.unload_adapter("x")
    with pytest.raises(NotFound, match="no adapter 'x' is loaded"):
        engine.submit(request(PROMPT, adapter="x"))
    running.close()
    assert tokens_of(engine.submit(request(PROMPT))) == reference(base, None, [PROMPT])[0]
    assert engine.base_digest() == before


def test_a_place_is_not_given_away_while_it_is_used(
    engine: TorchEngine, base: Path, adapter: Path, other: Path
) -> None:
    engine.load_adapter("old", adapter)
    lengthy = Sampling(temperature=0, max_tokens=100)
    under_way = engine.submit(request(PROMPT, adapter="old", sampling=lengthy))
    engine.unload_adapter("old")
    engine.load_adapter("new", other)
    newer = engine.submit(request(PROMPT, adapter="new"))
    assert engine.stats().num_running == 2
    [expected] = reference(base, adapter, [PROMPT], max_new_tokens=100)
    assert tokens_of(under_way) == expected
    assert tokens_of(newer) == reference(base, other, [PROMPT])[0]


def test_many_threads_get_their_own_answers(engine: TorchEngine, base: Path) -> None:
    prompts = some_prompts(tuple(range(5, 25)), seed=3)
    answers: dict[int, list[int]] = {}

    def ask(index: int) -> None:
        answers[index] = tokens_of(engine.submit(request(prompts[index], owner=str(index % 3))))

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(len(prompts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answers[index] for index in range(len(prompts))] == reference(base, None, prompts)


def test_what_cannot_be_answered_is_refused_at_once(engine: TorchEngine) -> None:
    with pytest.raises(RequestRejected, match="the prompt is empty"):
        engine.submit(request([]))
    with pytest.raises(RequestRejected, match="unknown tokens"):
        engine.submit(request([99_999]))
    with pytest.raises(RequestRejected, match=r"40 tokens, with an answer of 561 .* 600 tokens"):
        engine.submit(request(PROMPT, sampling=Sampling(max_tokens=561)))


def test_a_damaged_or_foreign_adapter_is_refused(
    engine: TorchEngine, adapter: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelRejected, match=r"no readable adapter_config\.json"):
        engine.load_adapter("x", tmp_path)
    weights = load_file(adapter / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_bytes((adapter / "adapter_config.json").read_bytes())
    name = next(name for name in weights if "up_proj.lora_A" in name)
    save_file({**weights, name: weights[name][:, :-1].contiguous()}, tmp_path / WEIGHTS)
    with pytest.raises(ModelRejected, match=r"does not fit model\.layers.*up_proj"):
        engine.load_adapter("x", tmp_path)
    save_file({n: w for n, w in weights.items() if n != name}, tmp_path / WEIGHTS)
    with pytest.raises(ModelRejected, match=r"unpaired is .*up_proj"):
        engine.load_adapter("x", tmp_path)
    head = {n.replace("model.layers.0.mlp.up_proj", "lm_head"): w for n, w in weights.items()}
    head |= {n: head[n].new_zeros(320, 4) for n in head if "lm_head.lora_B" in n}
    save_file(head, tmp_path / WEIGHTS)
    with pytest.raises(ModelRejected, match="lm_head, which cannot be shared"):
        engine.load_adapter("x", tmp_path)
    assert engine.stats().adapters == ()


WEIGHTS = "adapter_model.safetensors"


def test_what_does_not_fit_into_memory_is_refused_before_it_is_loaded(base: Path) -> None:
    huge = CONFIG.model_copy(update={"kv_tokens": 10**12})
    with pytest.raises(NotEnoughMemory, match=r"serving lively needs .* GB of memory, .* are free"):
        load_engine(base, huge)


def test_nobody_waits_for_an_engine_that_ended(base: Path) -> None:
    engine = load_engine(base, CONFIG)
    stream = engine.submit(request(PROMPT, sampling=LONG))
    next(stream)
    engine.close()
    with pytest.raises(Unavailable, match="the engine was closed"):
        list(stream)
    with pytest.raises(Unavailable, match="has ended"):
        engine.submit(request(PROMPT))
    stream.close()
    engine.close()
