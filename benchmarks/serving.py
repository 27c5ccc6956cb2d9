"""P7: concurrent chats over adapters of one base, against transformers.

    python -m benchmarks.serving --base .cache/test-home/models/smollm2-135m

All chats arrive at once and are answered greedily. Every measurement is a child process of its own,
and the sides take turns within each round. See NOTES.md for what each side is.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunesmith.modeling.load import Precision

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".cache" / "benchmarks" / "serving"
SIDES = ("ours", "generate", "continuous", "llamacpp")
PLAIN_SIDES = ("continuous", "llamacpp")  # no adapters
SEED = 11


@dataclass(frozen=True)
class Load:
    """What is asked: `chats` at once, spread evenly over `adapters` (0 is the base alone)."""

    base: str
    precision: "Precision"
    targets: str
    chats: int
    adapters: int
    answer_tokens: int


@dataclass(frozen=True)
class Result:
    """Answer tokens a second from first request to last token, and the waits for a first token."""

    tokens_per_second: float
    first_token_p50: float
    first_token_p99: float


def prompts(load: Load) -> list[list[int]]:
    """Random tokens in the lengths of chat turns: log-normal around 80 tokens."""
    chance = random.Random(SEED)
    lengths = [round(80 * chance.lognormvariate(0, 0.5)) for _ in range(load.chats)]
    return [[chance.randrange(1000, 40_000) for _ in range(length)] for length in lengths]


def adapter_names(load: Load) -> list[str]:
    """The adapter of each chat, "" for the base alone."""
    return [f"a{index % load.adapters}" if load.adapters else "" for index in range(load.chats)]


def adapter_folder(load: Load, name: str) -> Path:
    return WORK / f"{Path(load.base).name}-{load.targets}" / name


def make_adapters(load: Load) -> None:
    """Write LoRA adapters of rank 8 with random weights, once."""
    import torch

    from tunesmith.modeling.config import LoraConfig
    from tunesmith.modeling.load import load_model
    from tunesmith.modeling.methods import lora

    for index in range(load.adapters):
        folder = adapter_folder(load, f"a{index}")
        if (folder / lora.CONFIG).is_file():
            continue
        config = LoraConfig.model_validate({"rank": 8, "targets": load.targets})
        model = load_model(Path(load.base), dtype="fp32", packed=False)
        lora.apply(model, config, seed=index)
        generator = torch.Generator().manual_seed(index)
        for name, parameter in model.named_parameters():
            if "lora_b" in name:
                parameter.data.normal_(0, 0.01, generator=generator)
        folder.mkdir(parents=True, exist_ok=True)
        lora.save(model, config, folder, base=Path(load.base))


# --- the sides, each in a child process ------------------------------------------------------


def run_ours(load: Load) -> Result:
    from tunesmith.serving.config import EngineConfig
    from tunesmith.serving.load import load_engine
    from tunesmith.serving.protocol import GenerationRequest, Sampling

    config = EngineConfig.model_validate({"precision": load.precision, "prefix_tokens": 0})
    engine = load_engine(Path(load.base), config)
    for name in sorted(set(adapter_names(load)) - {""}):
        engine.load_adapter(name, adapter_folder(load, name))
    sampling = Sampling(temperature=0, max_tokens=load.answer_tokens)
    list(engine.submit(GenerationRequest((5, 6, 7), Sampling(temperature=0, max_tokens=4))))
    started = time.perf_counter()
    waits: dict[int, float] = {}
    requests = [
        GenerationRequest(tuple(prompt), sampling, adapter=name)
        for prompt, name in zip(prompts(load), adapter_names(load), strict=True)
    ]
    with ThreadPoolExecutor(load.chats) as clients:  # one alone would wait between its requests
        streams = list(clients.map(engine.submit, requests))
    num_tokens, open_streams = 0, dict(enumerate(streams))
    while open_streams:  # one token of each in turn: all are written at the same pace
        for index, stream in list(open_streams.items()):
            piece = next(stream, None)
            if piece is None:
                del open_streams[index]
                continue
            waits.setdefault(index, time.perf_counter() - started)
            num_tokens += 1
    seconds = time.perf_counter() - started
    engine.close()
    return _result(num_tokens, seconds, list(waits.values()))


def run_generate(load: Load) -> Result:
    """Transformers' `generate` on one padded batch; adapters by peft's `adapter_names`."""
    import torch
    from transformers import StoppingCriteria, StoppingCriteriaList

    class Clock(StoppingCriteria):
        first: float | None = None

        def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
            self.first = self.first or time.perf_counter()
            return torch.zeros(len(input_ids), dtype=torch.bool)

    model = _stock_model(load)
    names = adapter_names(load)
    extra = {"adapter_names": [name or "__base__" for name in names]} if load.adapters else {}
    asked = prompts(load)
    longest = max(len(prompt) for prompt in asked)
    ids = torch.tensor([[0] * (longest - len(p)) + p for p in asked])
    seen = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in asked])
    clock = Clock()
    started = time.perf_counter()
    with torch.inference_mode():
        output = model.generate(
            input_ids=ids,
            attention_mask=seen,
            max_new_tokens=load.answer_tokens,
            do_sample=False,
            stopping_criteria=StoppingCriteriaList([clock]),
            **extra,
        )
    seconds = time.perf_counter() - started
    end = model.generation_config.eos_token_id
    ends = end if isinstance(end, list) else [end]
    answers = output[:, longest:].tolist()
    num_tokens = sum(
        next((index + 1 for index, token in enumerate(a) if token in ends), len(a)) for a in answers
    )
    assert clock.first is not None
    return _result(num_tokens, seconds, [clock.first - started] * load.chats)


def run_continuous(load: Load) -> Result:
    """Transformers' continuous batching; it has one adapter a model, so the base alone."""
    from transformers import GenerationConfig

    model = _stock_model(load)
    config = GenerationConfig(
        max_new_tokens=load.answer_tokens, do_sample=False, eos_token_id=-1, pad_token_id=0
    )
    started = time.perf_counter()
    outputs = model.generate_batch(inputs=prompts(load), generation_config=config)
    seconds = time.perf_counter() - started
    num_tokens = sum(len(output.generated_tokens) for output in outputs.values())
    return _result(num_tokens, seconds, [float("nan")])


def run_llamacpp(load: Load) -> Result:
    """llama.cpp's server over HTTP, with the base's GGUF file in its own quantization."""
    from benchmarks.llamacpp import serve

    ask = partial(serve(Path(load.base)), answer_tokens=load.answer_tokens)
    ask([5, 6, 7])
    started = time.perf_counter()
    with ThreadPoolExecutor(load.chats) as pool:
        answers = list(pool.map(ask, prompts(load)))
    seconds = time.perf_counter() - started
    waits = [answer.first_token_at - started for answer in answers]
    return _result(sum(answer.num_tokens for answer in answers), seconds, waits)


RUNS = {
    "ours": run_ours,
    "generate": run_generate,
    "continuous": run_continuous,
    "llamacpp": run_llamacpp,
}


def _stock_model(load: Load) -> Any:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from tunesmith.modeling.load import DTYPES, resolve_precision

    dtype = DTYPES[resolve_precision(load.precision)]
    model: Any = AutoModelForCausalLM.from_pretrained(load.base, dtype=dtype).eval()
    names = sorted(set(adapter_names(load)) - {""})
    for index, name in enumerate(names):
        folder = adapter_folder(load, name)
        if index == 0:
            model = PeftModel.from_pretrained(
                model, folder, adapter_name=name, autocast_adapter_dtype=False
            )
        else:
            model.load_adapter(folder, adapter_name=name, autocast_adapter_dtype=False)
    return model.to(dtype)


def _result(num_tokens: int, seconds: float, waits: Sequence[float]) -> Result:
    ordered = sorted(waits)
    last = ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]
    return Result(num_tokens / seconds, median(ordered), last)


# --- the comparison --------------------------------------------------------------------------


def measure(side: str, load: Load) -> Result:
    command = [
        sys.executable,
        "-m",
        "benchmarks.serving",
        "--child",
        side,
        json.dumps(asdict(load)),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{side} failed:\n{done.stderr[-2000:]}")
    return Result(**json.loads(done.stdout.splitlines()[-1]))


def compare(arguments: argparse.Namespace) -> None:
    """Print one row a side and load, medians over the rounds, and what adapters cost."""
    print(
        "| chats | adapters | side | tokens/s | first token p50, s | p99, s |\n"
        "|---|---|---|---|---|---|"
    )
    for chats in arguments.chats:
        plain = 0.0
        for adapters in (0, *(number for number in arguments.adapters if number <= chats)):
            load = Load(
                arguments.base,
                arguments.precision,
                arguments.targets,
                chats,
                adapters,
                arguments.answer_tokens,
            )
            make_adapters(load)
            sides = [s for s in arguments.sides if s not in PLAIN_SIDES or adapters == 0]
            results: dict[str, list[Result]] = {side: [] for side in sides}
            for _ in range(arguments.rounds):
                for side in sides:
                    results[side].append(measure(side, load))
            for side in sides:
                speed = median(result.tokens_per_second for result in results[side])
                p50 = median(result.first_token_p50 for result in results[side])
                p99 = median(result.first_token_p99 for result in results[side])
                note = ""
                if side == "ours":
                    plain = plain or speed
                    note = f" ({speed / plain - 1:+.0%})" if adapters else ""
                cells = (chats, adapters, side, f"{speed:.0f}{note}", f"{p50:.2f}", f"{p99:.2f}")
                print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def main() -> None:
    """Compare, or be one side's child."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--base", default=str(ROOT / ".cache/test-home/models/smollm2-135m"))
    parser.add_argument("--precision", choices=("auto", "bf16", "fp32"), default="auto")
    parser.add_argument("--targets", default="all-linear")
    parser.add_argument("--chats", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--adapters", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--answer-tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES[:3]))
    parser.add_argument("--child", nargs=2, metavar=("SIDE", "LOAD"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        side, load = arguments.child
        result = RUNS[side](Load(**json.loads(load)))
        print("\n" + json.dumps(asdict(result)))
    else:
        compare(arguments)


if __name__ == "__main__":
    main()
