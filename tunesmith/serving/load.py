"""A base model folder -> an engine that has proved itself on that model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel

from tunesmith.errors import ModelRejected
from tunesmith.modeling.answer import check_end
from tunesmith.modeling.inspect import empty_model
from tunesmith.modeling.load import DTYPES, load_model, resolve_precision
from tunesmith.serving.attention import Span, Step
from tunesmith.serving.cache import CacheShape, KvCache
from tunesmith.serving.config import EngineConfig
from tunesmith.serving.core import Core
from tunesmith.serving.decoder import Decoder, StockDecoder
from tunesmith.serving.engine import TorchEngine
from tunesmith.serving.llama import LlamaDecoder
from tunesmith.serving.memory import check_room
from tunesmith.serving.sizes import LLAMA_KIN, plan_serving, read_size
from tunesmith.serving.threads import threads
from tunesmith.text.codec import TextCodec

# By `model_type`; anything else is read by the model of transformers.
DECODERS: Mapping[str, type[Decoder]] = dict.fromkeys(LLAMA_KIN, LlamaDecoder)
# Largest difference of logits from transformers' own attention, relative to the largest logit.
_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.05}
# Tokens and threads (0 is all) of the pieces that are read: fresh, behind others, one by one. What
# is compiled is so from here on, for one thread and for several.
_PROOF_PIECES = ((13, 0), (9, 1), (1, 0), (1, 1))


def load_engine(folder: Path, config: EngineConfig) -> TorchEngine:
    """Load the base model in `folder` and start its engine.

    Raises:
        ModelRejected: it cannot be loaded, has no end of a turn, or is of an architecture whose
            answers would not be those of transformers.
        NotEnoughMemory: it does not fit beside what is in memory.
    """
    codec = TextCodec.from_folder(folder)
    check_end(codec, str(folder))
    dtype = resolve_precision(config.precision)
    empty = empty_model(folder)
    text_config = empty.config.get_text_config()
    shape = cache_shape(text_config, DTYPES[dtype])
    plan = plan_serving(read_size(folder), config, number_bytes=shape.dtype.itemsize)
    check_room(
        plan.needed,
        what=f"serving {folder.name}",
        hint="unload another model, or give this one fewer kv_tokens and prefix_tokens",
    )
    context = getattr(text_config, "max_position_embeddings", None) or config.context_tokens
    config = config.model_copy(update={"context_tokens": min(config.context_tokens, context)})

    def load_core() -> Core:
        model = load_model(folder, dtype=dtype, packed=False).eval()
        decoder = _proven_decoder(model, shape)
        return Core(decoder, shape, config, end_ids=frozenset(codec.end_ids))

    return TorchEngine(load_core, codec, config, folder=folder, num_ids=text_config.vocab_size)


def cache_shape(config: PretrainedConfig, dtype: torch.dtype) -> CacheShape:
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


def _proven_decoder(model: PreTrainedModel, shape: CacheShape) -> Decoder:
    """The decoder for this architecture, if its logits are those of transformers.

    Raises:
        ModelRejected: the architecture takes no other attention, or computes otherwise with it.
    """
    kind = model.config.model_type
    generator = torch.Generator().manual_seed(0)
    num_ids = model.config.get_text_config().vocab_size
    ids_T = torch.randint(
        num_ids, (sum(length for length, _ in _PROOF_PIECES),), generator=generator
    ).to(model.device)
    with torch.inference_mode():
        expected = model(input_ids=ids_T[None], use_cache=False).logits[0, -1].float()
        try:
            decoder = DECODERS.get(kind, StockDecoder)(model)
            found = _read_in_pieces(decoder, shape, ids_T)
        except (ValueError, TypeError, AttributeError, LookupError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelRejected(f"{kind} does not run with this engine: {reason}") from error
    difference = float((found - expected).abs().max() / expected.abs().max())
    if not difference <= _TOLERANCE[shape.dtype]:
        raise ModelRejected(
            f"{kind} computes something else with this engine (logits differ by {difference:.1%}), "
            "so it is not served"
        )
    return decoder


def _read_in_pieces(decoder: Decoder, shape: CacheShape, ids_T: Tensor) -> Tensor:
    """The last logits of `ids_T`, read through a cache of its own."""
    cache = KvCache(shape, num_tokens=len(ids_T), device=decoder.device)
    table = list(range(cache.num_blocks))
    start = 0
    logits_SV = torch.empty(0)
    for length, num_threads in _PROOF_PIECES:
        stop = start + length
        with threads(num_threads or torch.get_num_threads()):
            logits_SV = decoder(
                ids_T[start:stop],
                positions=range(start, stop),
                step=Step(cache, [Span(0, start, length, table)]),
                last_rows=[length - 1],
            )
        start = stop
    return logits_SV[0].float()
