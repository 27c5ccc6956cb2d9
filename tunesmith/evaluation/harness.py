"""Tasks of lm-evaluation-harness on this machine, for who has it installed.

The YAML of such a task may run Python code (`!function`), so tasks come from one's own folders
alone and never from a tenant.
"""

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunesmith.errors import RecipeInvalid
from tunesmith.modeling.answer import base_of, load_chat_model


def check_installed() -> None:
    """Refuse to begin what would end for want of the harness.

    Raises:
        RecipeInvalid: it is not installed.
    """
    if importlib.util.find_spec("lm_eval") is None:
        raise RecipeInvalid(
            "lm-evaluation-harness is not installed", hint="pip install 'tunesmith[lm-eval]'"
        )


def run_harness(folder: Path, tasks: Sequence[Path]) -> dict[str, float]:
    """The scores of a model by `TASK/METRIC`, for every task in the folders `tasks`.

    Raises:
        RecipeInvalid: there is no task.
        ModelRejected: the model cannot be loaded.
    """
    for name in ("HF_DATASETS_OFFLINE", "HF_HUB_OFFLINE", "HF_EVALUATE_OFFLINE"):
        os.environ[name] = "1"  # tasks are local, and so is their data
    lm_eval: Any = importlib.import_module("lm_eval")
    manager = importlib.import_module("lm_eval.tasks").TaskManager(
        include_path=[str(task) for task in tasks], include_defaults=False
    )
    if not manager.all_tasks:
        raise RecipeInvalid(
            f"there is no task in {', '.join(map(str, tasks))}", hint="give folders of YAML tasks"
        )
    from transformers import AutoTokenizer

    wrapper = importlib.import_module("lm_eval.models.huggingface").HFLM
    model = wrapper(
        pretrained=load_chat_model(folder).model,
        tokenizer=AutoTokenizer.from_pretrained(base_of(folder)),
    )
    found = lm_eval.simple_evaluate(
        model=model, tasks=list(manager.all_tasks), task_manager=manager, bootstrap_iters=0
    )
    # A metric is called NAME,FILTER there; what has no filter, such as a count, is none.
    return {
        f"{task}/{metric.partition(',')[0]}": float(value)
        for task, values in found["results"].items()
        for metric, value in values.items()
        if isinstance(value, int | float) and "," in metric and "stderr" not in metric
    }
