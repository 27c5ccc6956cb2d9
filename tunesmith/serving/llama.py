"""Llama and its kin, in as few operations as a step can do with.

A step of few rows is small operations more than products. So query, key and value are one product,
gate and up another; a rotation is three operations for queries and keys together; nothing is built
for a layer that was there for the one before. The residual stream is float32: it rounds less than
transformers' in bf16, and norms need no casts.

Axes: T tokens of a step, D hidden size, H query heads, X some heads, E head size, F inner size.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.activations import SiLUActivation

from tunesmith.serving import kernels
from tunesmith.serving.attention import Rotation, Step, attend
from tunesmith.serving.decoder import Decoder
from tunesmith.serving.kernels import as_array
from tunesmith.serving.products import FEW_ROWS, join, narrowed
from tunesmith.serving.shared_linear import SharedLinear


class LlamaDecoder(Decoder):
    """For models whose layers are Llama's but for biases, windows and norms of heads."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__(model)
        stock: Any = model
        self._rotary = stock.model.rotary_emb
        self._norm = RmsNorm(stock.model.norm)
        self._head = join([stock.lm_head])
        table_VD = stock.model.embed_tokens.weight.detach()
        tied = stock.lm_head.weight is stock.model.embed_tokens.weight
        shared = self._head.table_OI if tied else None
        # A copy, off the mapped file, which the system lets go only as a whole.
        self._embedding_VD: Tensor = narrowed(table_VD) if shared is None else shared
        self._layers: list[_Layer] = []
        for index in range(len(stock.model.layers)):
            self._layers.append(_Layer(self, stock.model.layers[index], index))
            stock.model.layers[index] = nn.Identity()  # its weights are free again

    def weights(self) -> Iterator[Tensor]:
        """As `Decoder` says."""
        yield from super().weights()
        yield self._embedding_VD
        yield from self._head.weights()
        yield self._norm.weight
        for layer in self._layers:
            yield from (norm.weight for norm in layer.norms)

    def __call__(
        self, tokens: Tensor, *, positions: Sequence[int], step: Step, last_rows: Sequence[int]
    ) -> Tensor:
        """As `Decoder` says."""
        embedded = tokens if tokens.is_floating_point() else self._embedding_VD[tokens]
        residual_TD = embedded.float()
        rotation = self._rotation(positions)
        for layer in self._layers:
            residual_TD = layer(residual_TD, rotation, step)
        return self._head(self._norm(residual_TD[last_rows]))

    def _rotation(self, positions: Sequence[int]) -> Rotation:
        ids_1T = torch.tensor([positions], device=self.device)
        cosine_1TE, sine_1TE = self._rotary(self._norm.weight, ids_1T)
        sine_1TE[..., : sine_1TE.shape[-1] // 2].neg_()
        return Rotation(*(each[0].to(self.dtype) for each in (cosine_1TE, sine_1TE)))


class _Layer:
    """Attention and SwiGLU, each added to the residual stream behind a norm."""

    def __init__(self, decoder: Decoder, stock: Any, index: int) -> None:
        attention, mlp = stock.self_attn, stock.mlp

        def share(block: str, *names: str) -> SharedLinear:
            layers = {n: getattr(getattr(stock, block), n) for n in names}
            return decoder.share({f"model.layers.{index}.{block}.{n}": layers[n] for n in names})

        self._index, self._scaling = index, attention.scaling
        self._head_size = attention.head_dim
        self._num_kv = attention.k_proj.out_features // self._head_size
        self._window = _window(attention)
        self._attention_norm = RmsNorm(stock.input_layernorm)
        self._qkv = share("self_attn", "q_proj", "k_proj", "v_proj")
        self._head_norms = [
            RmsNorm(getattr(attention, name))
            for name in ("q_norm", "k_norm")
            if hasattr(attention, name)
        ]
        self._o = share("self_attn", "o_proj")
        self._mlp_norm = RmsNorm(stock.post_attention_layernorm)
        self._gate_up = share("mlp", "gate_proj", "up_proj")
        self._activation = mlp.act_fn
        is_silu = isinstance(mlp.act_fn, (nn.SiLU, SiLUActivation))
        self._gates_by_kernel = is_silu and decoder.device.type == "cpu"
        self._down = share("mlp", "down_proj")
        self.norms = [self._attention_norm, *self._head_norms, self._mlp_norm]

    def __call__(self, residual_TD: Tensor, rotation: Rotation, step: Step) -> Tensor:
        """[T, D] -> [T, D]."""
        states = self._qkv(self._attention_norm(residual_TD)).view(
            len(residual_TD), -1, self._head_size
        )
        heads = states[:, : -2 * self._num_kv], states[:, -2 * self._num_kv : -self._num_kv]
        for norm, states_TXE in zip(self._head_norms, heads, strict=False):
            states_TXE.copy_(norm(states_TXE.float()))
        attended_THE = attend(
            states,
            step,
            layer=self._index,
            scaling=self._scaling,
            window=self._window,
            rotation=rotation,
        )
        residual_TD = residual_TD + self._o(attended_THE.flatten(1))
        gated_TF = self._gated(self._gate_up(self._mlp_norm(residual_TD)))
        return residual_TD.add_(self._down(gated_TF))

    def _gated(self, gate_up: Tensor) -> Tensor:
        """[T, 2 * F] -> [T, F]."""
        num_rows, inner = gate_up.shape[0], gate_up.shape[1] // 2
        if not (self._gates_by_kernel and num_rows <= FEW_ROWS):
            gate_TF, up_TF = gate_up.chunk(2, dim=-1)
            return self._activation(gate_TF).mul_(up_TF)
        gated = gate_up.new_empty(num_rows, inner)
        kernels.gate(as_array(gate_up), as_array(gated))
        return gated


def _window(attention: Any) -> int | None:
    """How far back the layer sees: Mistral has it in its config, Qwen in each layer."""
    of_layer = getattr(attention, "sliding_window", None)
    return attention.config.sliding_window if attention.config.model_type == "mistral" else of_layer


class RmsNorm:
    """Root-mean-square norm (arXiv 1910.07467) in float32."""

    def __init__(self, stock: Any) -> None:
        self._eps = np.float32(stock.variance_epsilon)
        self.weight: Tensor = stock.weight.detach().to(torch.float32, copy=True)
        self._by_kernel = self.weight.device.type == "cpu"
        if self._by_kernel:
            self._array = as_array(self.weight)

    def __call__(self, states: Tensor) -> Tensor:
        """Normalize the last axis of float32 states."""
        if not (self._by_kernel and states.shape[0] <= FEW_ROWS):
            return F.rms_norm(states, self.weight.shape, self.weight, float(self._eps))
        states = states.contiguous()
        output = torch.empty_like(states)
        size = len(self._array)
        flat, into = states.view(-1, size).numpy(), output.view(-1, size).numpy()
        kernels.normalize(flat, self._array, self._eps, into)
        return output
