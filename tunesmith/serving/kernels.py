"""What a step of few rows does on a CPU beside its products, compiled by numba when first used.

Some twenty operations of torch a layer, each a few microseconds of overhead and a copy, become one
call: attention of 8 chats with 150 tokens takes 100 us instead of 270, a pair beside each of three
layers 15 us instead of 38 (benchmarks/NOTES.md). Sums are float32 whatever the number format.

Kernels take arrays of numpy, which has no bf16: `as_array` shows its bits as uint16. Rows are taken
four at a time, `ROWS`, where loops over one alone would wait for each sum.

Axes: S sequences, W the most blocks of one, P blocks of the cache, B tokens of a block, H query
heads, K key/value heads, G = H / K, D head size; T rows of a step, N places of a bank, R rows of A,
I inputs, O outputs.
"""

from typing import Any

import numba
import numpy as np
import torch
from numba.extending import overload
from numpy.typing import NDArray
from torch import Tensor

ROWS = 4

Array = NDArray[Any]

# Sums in any order, which is what vectors of a processor need. Infinities and NaN stay themselves
# or become others, as they do in any case where the order of sums changes.
_FAST = {"reassoc", "contract", "nsz", "arcp", "nnan"}
_LOG2_E = np.float32(1.4426950408889634)
_LEAST = np.float32(-126.0)  # 2 to this is the smallest normal number
_ONE = np.float32(1)
_ZERO = np.float32(0)


def as_array(tensor: Tensor) -> Array:
    """The same memory for the kernels; of bf16 its bits."""
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.uint16)
    return tensor.numpy()


def _compiled(function: Any) -> Any:
    """Compile at the first call, and keep the code where there is a folder to keep it in."""
    try:
        return numba.njit(function, fastmath=_FAST, nogil=True, cache=True)
    except RuntimeError:  # neither the package's folder nor the user's can be written
        return numba.njit(function, fastmath=_FAST, nogil=True)


# --- bf16 <-> float32 ------------------------------------------------------------------------


def _widen(source: Array, into: Array) -> None:
    """Copy to float32. Both are contiguous: numba knows steps of others only when it runs."""
    raise NotImplementedError


@overload(_widen, jit_options={"fastmath": _FAST})
def _(source: Array, into: Array) -> Any:
    def from_bf16(source: Array, into: Array) -> None:
        bits = into.view(np.uint32)
        for index in range(source.size):
            bits[index] = np.uint32(source[index]) << np.uint32(16)

    def from_float32(source: Array, into: Array) -> None:
        for index in range(source.size):
            into[index] = source[index]

    return from_bf16 if source.dtype == numba.uint16 else from_float32


def _narrow(source: Array, into: Array) -> None:
    """Copy from float32, rounded to the nearest, ties to even."""
    raise NotImplementedError


@overload(_narrow, jit_options={"fastmath": _FAST})
def _(source: Array, into: Array) -> Any:
    def to_bf16(source: Array, into: Array) -> None:
        bits = source.view(np.uint32)
        for index in range(into.size):
            tie = (bits[index] >> np.uint32(16)) & np.uint32(1)
            into[index] = (bits[index] + np.uint32(0x7FFF) + tie) >> np.uint32(16)

    def to_float32(source: Array, into: Array) -> None:
        for index in range(into.size):
            into[index] = source[index]

    return to_bf16 if into.dtype == numba.uint16 else to_float32


# --- products of a matrix and a vector -------------------------------------------------------


@_compiled
def _products(rows_XD: Array, vector_D: Array, into_X: Array) -> None:
    """Set `into` to rows @ vector."""
    for x in range(0, into_X.size, ROWS):
        row0, row1, row2, row3 = rows_XD[x], rows_XD[x + 1], rows_XD[x + 2], rows_XD[x + 3]
        sum0 = sum1 = sum2 = sum3 = _ZERO
        for d in range(vector_D.size):
            value = vector_D[d]
            sum0 += value * row0[d]
            sum1 += value * row1[d]
            sum2 += value * row2[d]
            sum3 += value * row3[d]
        into_X[x], into_X[x + 1], into_X[x + 2], into_X[x + 3] = sum0, sum1, sum2, sum3


@_compiled
def _add_weighted(weights_X: Array, rows_XD: Array, start: int, into_D: Array) -> None:
    """Add weights @ rows[:, start:] to `into`, as wide as that is."""
    here = slice(start, start + into_D.size)
    for x in range(0, weights_X.size, ROWS):
        weight0, weight1 = weights_X[x], weights_X[x + 1]
        weight2, weight3 = weights_X[x + 2], weights_X[x + 3]
        row0, row1 = rows_XD[x, here], rows_XD[x + 1, here]
        row2, row3 = rows_XD[x + 2, here], rows_XD[x + 3, here]
        for d in range(into_D.size):
            into_D[d] += (weight0 * row0[d] + weight1 * row1[d]) + (
                weight2 * row2[d] + weight3 * row3[d]
            )


@_compiled
def _softmax_(scores: Array) -> None:
    """In place. 2^x is a polynomial of its fraction, off by 2e-7 at most (exp2f of Cephes)."""
    most = scores.max()
    exponents = scores.view(np.int32)
    for index in range(scores.size):
        power = max((scores[index] - most) * _LOG2_E, _LEAST)
        whole = np.floor(power + np.float32(0.5))
        part = power - whole
        value = np.float32(1.535336188319500e-4)
        value = value * part + np.float32(1.339887440266574e-3)
        value = value * part + np.float32(9.618437357674640e-3)
        value = value * part + np.float32(5.550332471162809e-2)
        value = value * part + np.float32(2.402264791363012e-1)
        value = value * part + np.float32(6.931472028550421e-1)
        scores[index] = value * part + _ONE
        exponents[index] += np.int32(whole) << np.int32(23)
    total = _ZERO
    for index in range(scores.size):
        total += scores[index]
    scores *= _ONE / total


# --- what layers call ------------------------------------------------------------------------


@_compiled
def attend(
    query_SHD: Array,
    stored_2PKBD: Array,
    blocks_SW: Array,
    first_S: Array,
    stop_S: Array,
    scaling: Any,
    into_SHD: Array,
) -> None:
    """Attention of one query a sequence to positions [first, stop) of its blocks."""
    num_heads, size = query_SHD.shape[1:]
    num_kv_heads, block_tokens = stored_2PKBD.shape[2:4]
    num_shared = num_heads // num_kv_heads
    query_GD = np.empty((num_shared, size), np.float32)
    rows_BD = np.empty((block_tokens, size), np.float32)
    scores_GL = np.empty((num_shared, blocks_SW.shape[1] * block_tokens), np.float32)
    sums_GD = np.empty((num_shared, size), np.float32)
    for s in range(len(query_SHD)):
        first, stop = first_S[s], stop_S[s]
        blocks = range(first // block_tokens, (stop - 1) // block_tokens + 1)
        for k in range(num_kv_heads):
            for g in range(num_shared):
                _widen(query_SHD[s, k * num_shared + g], query_GD[g])
            for w in blocks:
                _widen(stored_2PKBD[0, blocks_SW[s, w], k].reshape(-1), rows_BD.reshape(-1))
                here = slice(w * block_tokens, (w + 1) * block_tokens)
                for g in range(num_shared):
                    _products(rows_BD, query_GD[g], scores_GL[g, here])
            for g in range(num_shared):
                scores_GL[g, blocks.start * block_tokens : first] = 0
                scores_GL[g, stop : blocks.stop * block_tokens] = 0
                seen = scores_GL[g, first:stop]
                seen *= scaling
                _softmax_(seen)
            sums_GD[:] = 0
            for w in blocks:
                _widen(stored_2PKBD[1, blocks_SW[s, w], k].reshape(-1), rows_BD.reshape(-1))
                here = slice(w * block_tokens, (w + 1) * block_tokens)
                for g in range(num_shared):
                    _add_weighted(scores_GL[g, here], rows_BD, 0, sums_GD[g])
            for g in range(num_shared):
                _narrow(sums_GD[g], into_SHD[s, k * num_shared + g])


@_compiled
def add_pairs(
    inputs_TI: Array, place_T: Array, a_NRI: Array, b_NRO: Array, ends: Array, into_TO: Array
) -> None:
    """Add to each row what it gets of the pairs at its place; none at -1.

    The outputs of several layers lie beside each other, up to each of `ends`. All share the rows of
    `b`; of `a` each has as many of its own.
    """
    num_rows, num_inputs = a_NRI.shape[1:]
    rank, num_outputs = b_NRO.shape[1:]
    a_RI = np.empty((num_rows, num_inputs), np.float32)
    b_RO = np.empty((rank, num_outputs), np.float32)
    input_I = np.empty(num_inputs, np.float32)
    reduced_R = np.empty(num_rows, np.float32)
    output_O = np.empty(num_outputs, np.float32)
    widened = -1
    for t in range(len(place_T)):
        place = place_T[t]
        if place < 0:
            continue
        if place != widened:
            _widen(a_NRI[place].reshape(-1), a_RI.reshape(-1))
            _widen(b_NRO[place].reshape(-1), b_RO.reshape(-1))
            widened = place
        _widen(inputs_TI[t], input_I)
        _products(a_RI, input_I, reduced_R)
        _widen(into_TO[t], output_O)
        start = 0
        for layer in range(len(ends)):
            reduced = reduced_R[layer * rank : (layer + 1) * rank]
            _add_weighted(reduced, b_RO, start, output_O[start : ends[layer]])
            start = ends[layer]
        _narrow(output_O, into_TO[t])
