"""Answers of the model while it learns: told once a step, no trace of them in what is trained."""

from pathlib import Path

import pytest

from tests.cli.command import tunesmith
from tests.training import runs as small
from tunesmith.cli.show import one_line
from tunesmith.errors import RecipeInvalid
from tunesmith.events import current_history, read_events
from tunesmith.service import runs
from tunesmith.store.home import Home
from tunesmith.training.checkpoint import committed_checkpoints

World = tuple[Home, Path]

SAMPLES = {"prompts": ["what follows 3", "<b>&\n你好"], "every_steps": 2, "max_tokens": 6}
SAMPLED_STEPS = [0, 2, 4, 6, 8, 10, 12, 14, 15]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return small.make_home(tmp_path_factory.mktemp("samples"))


def _sampled(folder: Path) -> list[tuple[int, str, str]]:
    history = current_history(read_events(folder / "events.jsonl"))
    found = (event for event in history if event["kind"] == "sampled")
    return [(event["step"], event["prompt"], event["answer"]) for event in found]


def _trained_bytes(folder: Path) -> dict[str, bytes]:
    """Weights, optimizer and random state of every checkpoint, and the result's weights."""
    checkpoints = committed_checkpoints(folder / "checkpoints")
    files = [path for each in checkpoints for path in each.folder.rglob("*.safetensors")]
    files += (folder / "result").glob("*.safetensors")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_samples_change_no_bit_and_are_told_once_across_kills(world: World) -> None:
    """With dropout, whose random state the answers must not touch."""
    home, base = world
    values = small.recipe(base, precision="bf16")
    silent, asked, killed = (
        small.create(home, {**values, **more})
        for more in ({}, {"samples": SAMPLES}, {"samples": SAMPLES})
    )
    assert runs.read_job(silent).identity == runs.read_job(asked).identity
    small.run_to_end(silent)
    small.run_to_end(asked)
    small.run_until_killed(killed, "loop.after_step:1")  # before there is a checkpoint
    small.run_until_killed(killed, "loop.after_step:7")
    small.run_to_end(killed)

    assert len(_trained_bytes(silent)) > 20
    assert _trained_bytes(asked) == _trained_bytes(silent)
    assert _trained_bytes(killed) == _trained_bytes(silent)
    answers = _sampled(asked)
    assert [(step, prompt) for step, prompt, _ in answers] == [
        (step, prompt) for step in SAMPLED_STEPS for prompt in SAMPLES["prompts"]
    ]
    assert _sampled(killed) == answers
    assert _sampled(silent) == []
    assert answers[0][2] != answers[-2][2], "what it learns is seen"
    shown = tunesmith("runs", "show", asked.name, home=home.folder).out
    assert all(f"{step:8} {one_line(answer)}".rstrip() in shown for step, _, answer in answers)


def test_answers_are_those_of_the_checkpoint(world: World) -> None:
    """What a page shows beside a step is what that step's checkpoint answers in a chat."""
    from tunesmith.modeling.answer import Sampling, load_chat_model
    from tunesmith.text.conversation import Message

    home, base = world
    values = small.recipe(base, precision="fp32", data={"system_prompt": "Count."})
    folder = small.create(home, {**values, "samples": {"prompts": ["what follows 3"]}})
    small.run_to_end(folder)
    answers = {step: answer for step, _, answer in _sampled(folder)}
    assert list(answers) == [0, 5, 10, 15], "by default whenever validation is due"
    chat = load_chat_model(folder / "result", precision="fp32")
    asked = [[Message("user", "what follows 3")]]
    assert chat.answer(asked, sampling=Sampling(max_new_tokens=64)) == [answers[15]]


@pytest.mark.parametrize(
    ("samples", "complaint"),
    [
        ({"prompts": ["a", "a"]}, "each prompt may be given once"),
        ({"prompts": [""]}, r"samples\.prompts\[0\].*at least 1 character"),
        ({"prompts": ["a"] * 9}, r"samples\.prompts.*at most 8 items"),
        ({"prompts": ["a"], "every_steps": "epoch"}, r"samples\.every_steps"),
        ({"prompts": ["a"], "max_tokens": 0}, r"samples\.max_tokens.*greater than or equal to 1"),
        ({"prompt": "a"}, r"unknown key 'samples\.prompt'"),
    ],
)
def test_bad_settings_are_named(world: World, samples: dict[str, object], complaint: str) -> None:
    with pytest.raises(RecipeInvalid, match=complaint):
        runs.recipe_of(small.recipe(world[1], samples=samples))


def test_prompts_that_the_base_cannot_be_asked_are_refused_before_training(
    world: World, tmp_path: Path
) -> None:
    from tests.conftest import make_tiny_model
    from tunesmith.training.samples import check_prompts

    short = make_tiny_model(tmp_path / "short", max_position_embeddings=64)
    asked = runs.recipe_of(small.recipe(short, samples={"prompts": ["word " * 30]}))
    with pytest.raises(RecipeInvalid, match="the base reads 64"):
        check_prompts(asked, short)
    (short / "chat_template.jinja").unlink()
    with pytest.raises(RecipeInvalid, match="cannot be asked"):
        check_prompts(asked, short)


def test_a_run_that_was_stopped_before_its_first_step_has_a_history() -> None:
    events = [{"kind": "paused", "step": None}, {"kind": "started", "from_step": 0}]
    assert current_history(events) == events
