"""What TRL's SFTTrainer does with a dataset before its first step, measured in its own environment.

The trainer is made as a user makes it, with a model that costs nothing; what is timed is its own
preparation alone: rendering, tokenizing, labels from the template's generation marks, packing.
"""

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import trl
from datasets import load_from_disk
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from benchmarks.peers.trl_side import TEMPLATE


class TimedTrainer(trl.SFTTrainer):
    """Notes how long the preparation takes."""

    preparation_seconds = 0.0

    def _prepare_dataset(self, *args: Any, **kwargs: Any) -> Any:
        begun = time.perf_counter()
        prepared = super()._prepare_dataset(*args, **kwargs)
        self.preparation_seconds += time.perf_counter() - begun
        return prepared


def prepare(
    rows: Path, base: Path, *, max_length: int, num_processes: int | None
) -> dict[str, float]:
    """Prepare the conversations that were saved as `rows` for packed training on answers alone."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    tiny = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 1, "num_key_value_heads": 1}
    with tempfile.TemporaryDirectory() as out:
        # A copy, because `datasets` keeps results beside its rows and would find another side's.
        dataset = load_from_disk(shutil.copytree(rows, Path(out) / "rows"))
        trainer = TimedTrainer(
            model=LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **tiny, **heads)),
            args=trl.SFTConfig(
                output_dir=out,
                max_length=max_length,
                packing=True,
                assistant_only_loss=True,
                chat_template_path=str(TEMPLATE),
                dataset_num_proc=num_processes,
                report_to="none",
                disable_tqdm=True,
                use_cpu=True,
            ),
            train_dataset=dataset,
            processing_class=tokenizer,
        )
        num_tokens = sum(map(sum, trainer.train_dataset["seq_lengths"]))
        seconds = trainer.preparation_seconds
        return {"seconds": seconds, "rows": len(dataset), "tokens": num_tokens}
