"""A base model folder -> an engine that has proved itself on that model."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel

from tunesmith.errors import ModelRejected
from tunesmith.modeling.inspect import empty_model
from tunesmith.modeling.load import DTYPES, load_model, resolve_precision
from tunesmith.serving import attention
from tunesmith.serving.attention import Span, Step
from tunesmith.serving.cache import CacheShape, KvCache
from tunesmith.serving.config import EngineConfig
from tunesmith.serving.core import Core
from tunesmith.serving.engine import TorchEngine
from tunesmith.serving.memory import check_room, plan_serving
from tunesmith.text.codec import TextCodec

# Largest difference of logits from transformers' own attention, relative to the largest logit.
_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.05}
_PROOF_LENGTHS = (13, 9, 1, 1)  # read in several pieces: fresh, behind others, one by one


def load_engine(folder: Path, config: EngineConfig) -> TorchEngine:
    """Load the base model in `folder` and start its engine.

    Raises:
        ModelRejected: it cannot be loaded, has no end of a turn, or is of an architecture whose
            answers would not be those of transformers.
        NotEnoughMemory: it does not fit beside what is in memory.
    """
    codec = TextCodec.from_folder(folder)
    if not codec.end_ids:
        raise ModelRejected(
            f"{folder} declares no token that ends a turn",
            hint="set eos_token_id in its generation_config.json",
        )
    dtype = resolve_precision(config.precision)
    empty = empty_model(folder)
    text_config = empty.config.get_text_config()
    shape = _cache_shape(text_config, DTYPES[dtype])
    plan = plan_serving(
        shape,
        config,
        num_parameters=sum(parameter.numel() for parameter in empty.parameters()),
        num_ids=text_config.vocab_size,
        inner_size=getattr(text_config, "intermediate_size", None) or 4 * text_config.hidden_size,
    )
    check_room(
        plan.needed,
        what=f"serving {folder.name}",
        hint="unload another model, or give this one fewer kv_tokens and prefix_tokens",
    )
    model = load_model(folder, dtype=dtype, packed=False).eval()
    _switch_attention(model, shape)
    context = getattr(text_config, "max_position_embeddings", None) or config.context_tokens
    config = config.model_copy(update={"context_tokens": min(config.context_tokens, context)})
    core = Core(model, shape, config, end_ids=frozenset(codec.end_ids))
    return TorchEngine(core, codec, config, folder=folder, num_ids=text_config.vocab_size)


def _cache_shape(config: PretrainedConfig, dtype: torch.dtype) -> CacheShape:
    """What the attention of this architecture stores.

    Raises:
        ModelRejected: layers of a kind whose state is not keys and values, or a position code that
            changes with what else is in the batch.
    """
    values: Any = config
    kinds = set(getattr(values, "layer_types", None) or ()) - {
        "full_attention",
        "sliding_attention",
    }
    rope = getattr(values, "rope_parameters", None) or {}
    moving = rope.get("rope_type") in ("dynamic", "longrope")
    if kinds or moving:
        what = f"layers of kind {min(kinds)}" if kinds else f"{rope['rope_type']} positions"
        raise ModelRejected(f"{config.model_type} has {what}, which this engine does not serve")
    heads = values.num_attention_heads
    return CacheShape(
        num_layers=values.num_hidden_layers,
        num_heads=getattr(values, "num_key_value_heads", None) or heads,
        head_size=getattr(values, "head_dim", None) or values.hidden_size // heads,
        dtype=dtype,
    )


def _switch_attention(model: PreTrainedModel, shape: CacheShape) -> None:
    """Put the engine's attention in, and prove that the logits are those of the model's own.

    Raises:
        ModelRejected: the architecture takes no other attention, or computes otherwise with it.
    """
    kind = model.config.model_type
    generator = torch.Generator().manual_seed(0)
    num_ids = model.config.get_text_config().vocab_size
    ids = torch.randint(num_ids, (1, sum(_PROOF_LENGTHS)), generator=generator)
    with torch.inference_mode():
        expected = model(input_ids=ids.to(model.device), use_cache=False).logits[0, -1].float()
        attention.register()
        try:
            model.set_attn_implementation(attention.PAGED)
            found = _read_in_pieces(model, shape, ids)
        except (ValueError, TypeError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelRejected(f"{kind} does not run with this engine: {reason}") from error
    difference = float((found - expected).abs().max() / expected.abs().max())
    if not difference <= _TOLERANCE[shape.dtype]:
        raise ModelRejected(
            f"{kind} computes something else with this engine (logits differ by {difference:.1%}), "
            "so it is not served"
        )


def _read_in_pieces(model: PreTrainedModel, shape: CacheShape, ids: Tensor) -> Tensor:
    """The last logits of `ids`, read through a cache of its own."""
    cache = KvCache(shape, num_tokens=ids.shape[1], device=model.device)
    table = list(range(cache.num_blocks))
    start = 0
    logits = torch.empty(0)
    for length in _PROOF_LENGTHS:
        stop = start + length
        logits = model(
            input_ids=ids[:, start:stop].to(model.device),
            position_ids=torch.arange(start, stop, device=model.device)[None],
            use_cache=False,
            step=Step(cache, [Span(0, start, length, table)]),
        ).logits[0, -1]
        start = stop
    return logits.float()
