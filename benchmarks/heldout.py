"""Child process: the loss of adapters on the held-out rows, by one ruler: our engine in fp32."""

import json
import sys
from pathlib import Path

import numpy as np

from benchmarks.task import Task, read_task
from tunesmith.data.dataset import open_version
from tunesmith.data.loader import in_order
from tunesmith.data.tokenize import TokenStore, tokenize_dataset
from tunesmith.modeling.load import load_model
from tunesmith.modeling.methods import lora
from tunesmith.text.codec import TextCodec
from tunesmith.training.objectives import measure


def main(out: Path, adapters: list[Path]) -> None:
    """Write the mean loss per trained token, in nats, of every adapter folder."""
    task = read_task()
    store = _tokens(task)
    losses = {str(adapter): _loss(task, store, adapter) for adapter in adapters}
    (out / "heldout.json").write_text(json.dumps(losses, indent=1), "utf-8")


def _tokens(task: Task) -> TokenStore:
    return tokenize_dataset(
        open_version(Path(task.held_out)),
        TextCodec.from_folder(Path(task.base)),
        max_length=task.max_length,
        system_prompt="",
        train_on="answers",
        cache=Path(task.home) / "cache" / "tokens",
    )


def _loss(task: Task, store: TokenStore, adapter: Path) -> float:
    model = load_model(Path(task.base), dtype="fp32", packed=True)
    config = lora.read_config(adapter)
    lora.apply(model, config, seed=task.seed)
    lora.restore(model, config, adapter)
    model.eval()
    batches = in_order(store, np.arange(len(store)), batch_size=task.batch_size)
    measured = [measure(model, batch) for batch in batches]
    return sum(m.loss for m in measured) / sum(m.num_trained_tokens for m in measured)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(argument) for argument in sys.argv[2:]])
