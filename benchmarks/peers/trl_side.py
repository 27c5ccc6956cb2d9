"""Child process: the task with TRL's SFTTrainer, in the peer's own environment, without tunesmith.

Start, order, trained tokens and learning rates are those of our side:
- the adapter starts from the file that our engine wrote;
- the examples lie in training order, and the sampler keeps it;
- the loss counts answers and their <|im_end|>, by a chat template with generation marks (of a
  prompt and a completion TRL would also train the newline that the template puts behind them);
- the rate follows transformers' linear schedule, which our side's recipe is made to equal.
"""

import time

BEGAN = time.time()  # before the imports, which count

import argparse  # noqa: E402
import json  # noqa: E402
import resource  # noqa: E402
from dataclasses import dataclass, field  # noqa: E402
from itertools import pairwise  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import datasets  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
import trl  # noqa: E402
from peft import PeftModel  # noqa: E402
from transformers import AutoModelForCausalLM, TrainerCallback  # noqa: E402

TEMPLATE = Path(__file__).with_name("smollm2_training.jinja")


@dataclass(frozen=True)
class Setting:
    """How a side runs: dtype of the base weights, and what it changes of SFTConfig's defaults."""

    dtype: torch.dtype
    config: dict[str, Any] = field(default_factory=dict)


# Padding-free demands that nothing be cut; no example of the task is that long.
_UNPADDED = {"gradient_checkpointing": False, "padding_free": True, "max_length": None}

SETTINGS = {
    # SFTTrainer loads float32, computes in bf16 by autocast, and checkpoints every layer.
    "trl-defaults": Setting(torch.float32),
    # The fastest found on a CPU that keeps the task's batches; NOTES.md lists what was tried.
    "trl-best": Setting(torch.bfloat16, _UNPADDED),
    # The reference for the loss curve, to be compared with our side in fp32.
    "trl-fp32": Setting(torch.float32, _UNPADDED | {"bf16": False}),
}


class StepClock(TrainerCallback):
    """Notes when training begins and when each optimizer step ends."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        """Called by the trainer."""
        self.times.append(time.time())

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        """Called by the trainer."""
        self.times.append(time.time())


def main() -> None:
    """Train, then write what was measured."""
    parser = argparse.ArgumentParser()
    for name in ("--task", "--side", "--out"):
        parser.add_argument(name, required=True)
    parser.add_argument("--max-steps", type=int, default=-1)
    arguments = parser.parse_args()
    task = json.loads(Path(arguments.task).read_text("utf-8"))
    out = Path(arguments.out)
    clock = StepClock()
    setting = SETTINGS[arguments.side]
    trainer = make_trainer(task, setting, out=out, max_steps=arguments.max_steps, clock=clock)
    trainer.train()
    trainer.save_model(str(out / "adapter"))
    measured = {"side": arguments.side, **measure(trainer, clock)}
    (out / "measured.json").write_text(json.dumps(measured, indent=1), "utf-8")


def make_trainer(
    task: dict[str, Any], setting: Setting, *, out: Path, max_steps: int, clock: StepClock
) -> trl.SFTTrainer:
    """The trainer with the task's own settings and those of the side."""
    config = {
        "output_dir": str(out),
        "num_train_epochs": 1,
        "max_steps": max_steps,
        "per_device_train_batch_size": task["batch_size"],
        "learning_rate": task["learning_rate"],
        "lr_scheduler_type": "linear",
        "max_length": task["max_length"],
        "seed": task["seed"],
        "assistant_only_loss": True,
        "chat_template_path": str(TEMPLATE),
        "train_sampling_strategy": "sequential",
        "logging_steps": 1,  # the default is 10; every step's loss is compared
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": not torch.cuda.is_available(),  # else bf16, the default, is refused on a CPU
    }
    base = AutoModelForCausalLM.from_pretrained(task["base"], dtype=setting.dtype)
    return trl.SFTTrainer(
        model=PeftModel.from_pretrained(base, task["adapter"], is_trainable=True),
        args=trl.SFTConfig(**{**config, **setting.config}),
        train_dataset=datasets.load_dataset("json", data_files=task["examples"], split="train"),
        callbacks=[clock],
    )


def measure(trainer: trl.SFTTrainer, clock: StepClock) -> dict[str, Any]:
    """What the parent reads, see `benchmarks.sides.Measured`."""
    logs = [entry for entry in trainer.state.log_history if "loss" in entry]
    totals = [0, *(round(entry["num_tokens"]) for entry in logs)]  # TRL's own running count
    return {
        "losses": [entry["loss"] for entry in logs],
        "learning_rates": [entry["learning_rate"] for entry in logs],
        "step_seconds": [after - before for before, after in pairwise(clock.times)],
        "num_tokens": [after - before for before, after in pairwise(totals)],
        "num_trained_tokens": _trained_tokens(trainer, num_steps=len(logs)),
        "began_at": BEGAN,
        "first_step_ended_at": clock.times[1],
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "adapter": str(Path(trainer.args.output_dir) / "adapter"),
        "precision": "bf16" if trainer.args.bf16 else "fp32",
        "num_threads": torch.get_num_threads(),
        "software": {m.__name__: m.__version__ for m in (torch, transformers, trl)},
    }


def _trained_tokens(trainer: trl.SFTTrainer, *, num_steps: int) -> list[int]:
    """Labels of each step that are not masked; a row's first token has nothing to predict it."""
    size = trainer.args.per_device_train_batch_size
    counts = [sum(label != -100 for label in row[1:]) for row in trainer.train_dataset["labels"]]
    return [sum(counts[step * size : (step + 1) * size]) for step in range(num_steps)]


if __name__ == "__main__":
    main()
