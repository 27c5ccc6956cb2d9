"""What is trained on what: one task, the same for every side. Torch-free, as the parent process is.

The parent must stay small: across fork and exec Linux hands a process's peak memory on to its
children, so a parent with torch in it would set a floor under every peak that is measured.
"""

from pathlib import Path

from tunesmith.schema import Strict

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".cache" / "benchmarks" / "training"
RESULTS = ROOT / "benchmarks" / "results"
TASK = WORK / "task.json"

MODEL = "smollm2-135m"
BATCH_SIZE = 8
LEARNING_RATE = 1e-4
LORA_RANK, LORA_ALPHA = 8, 16
MAX_LENGTH = 1024
NUM_HELD_OUT = 40
SEED = 42


class Task(Strict):
    """The prepared task. Folders and files are absolute paths.

    Attributes:
        home: the benchmark's own TUNESMITH_HOME; its `models` are those of the user's home.
        recipe: what our side is given.
        base: the base model in Hugging Face layout.
        adapter: the LoRA pairs before the first step, in PEFT's format, where every side starts.
        examples: JSON lines of `messages`, in the order in which our loader takes them.
        held_out: the dataset version of the held-out rows.
        num_tokens: real tokens of each step, as our loader packs them.
        num_trained_tokens: of those, the ones whose prediction is trained.
    """

    home: str
    recipe: str
    base: str
    adapter: str
    examples: str
    held_out: str
    batch_size: int
    learning_rate: float
    max_length: int
    seed: int
    num_tokens: list[int]
    num_trained_tokens: list[int]


def read_task() -> Task:
    """The task that `benchmarks.prepare` wrote."""
    return Task.model_validate_json(TASK.read_text("utf-8"))
