"""Child process: the rate of this machine's own matrix product at the model's shapes.

Axes: T tokens of a step, I inputs and O outputs of a linear layer, D hidden, V vocabulary.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.task import Task, read_task

_SECONDS_PER_PRODUCT = 0.3
_DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


@dataclass(frozen=True)
class Shape:
    """A linear layer's product [T, I] x [I, O], and how often a forward pass takes it."""

    num_rows: int
    num_inputs: int
    num_outputs: int
    count: int = 1

    @property
    def flops(self) -> float:
        """Floating-point operations of one product."""
        return 2.0 * self.num_rows * self.num_inputs * self.num_outputs


def main(out: Path) -> None:
    """Write the rates by number format, see `benchmarks.compare.Rates`."""
    task = read_task()
    config = json.loads((Path(task.base) / "config.json").read_text("utf-8"))
    rates = {name: _rates(config, task, dtype) for name, dtype in _DTYPES.items()}
    (out / "machine.json").write_text(json.dumps(rates, indent=1), "utf-8")


def _rates(config: dict[str, Any], task: Task, dtype: torch.dtype) -> dict[str, float]:
    """Operations a second of the layers' products and of the head's, and their weights."""
    num_steps = len(task.num_tokens)
    layers = layer_shapes(config, num_rows=sum(task.num_tokens) // num_steps)
    hidden, vocabulary = config["hidden_size"], config["vocab_size"]
    head = Shape(sum(task.num_trained_tokens) // num_steps, hidden, vocabulary)
    return {
        "layer_flops_per_second": _rate(layers, dtype),
        "head_flops_per_second": _rate([head], dtype),
        "num_layer_weights": sum(s.count * s.num_inputs * s.num_outputs for s in layers),
        "num_head_weights": hidden * vocabulary,
    }


def layer_shapes(config: dict[str, Any], *, num_rows: int) -> list[Shape]:
    """The products of all layers of a Llama-like model on `num_rows` tokens."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    heads, key_heads = config["num_attention_heads"], config["num_key_value_heads"]
    size = config.get("head_dim") or hidden // heads
    count = config["num_hidden_layers"]
    return [
        Shape(num_rows, hidden, heads * size, count),
        Shape(num_rows, hidden, key_heads * size, 2 * count),
        Shape(num_rows, heads * size, hidden, count),
        Shape(num_rows, hidden, inner, 2 * count),
        Shape(num_rows, inner, hidden, count),
    ]


def _rate(shapes: list[Shape], dtype: torch.dtype) -> float:
    """Operations a second over all `shapes`, forward and the gradient for the inputs."""
    flops = sum(2 * shape.count * shape.flops for shape in shapes)
    return flops / sum(shape.count * _seconds(shape, dtype) for shape in shapes)


def _seconds(shape: Shape, dtype: torch.dtype) -> float:
    """Seconds of x W^T and of g W, each the fastest of many: the limit, not the average."""
    x_TI = torch.randn(shape.num_rows, shape.num_inputs).to(dtype)
    weight_OI = torch.randn(shape.num_outputs, shape.num_inputs).to(dtype)
    output_TO, grad_TI = x_TI @ weight_OI.T, torch.empty_like(x_TI)
    return _fastest(lambda: torch.mm(x_TI, weight_OI.T, out=output_TO)) + _fastest(
        lambda: torch.mm(output_TO, weight_OI, out=grad_TI)
    )


def _fastest(product: Callable[[], object]) -> float:
    best, until = float("inf"), time.perf_counter() + _SECONDS_PER_PRODUCT
    while time.perf_counter() < until or best == float("inf"):
        begun = time.perf_counter()
        product()
        best = min(best, time.perf_counter() - begun)
    return best


if __name__ == "__main__":
    main(Path(sys.argv[1]))
