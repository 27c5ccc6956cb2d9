"""What a step of few rows does on a CPU, compiled by numba when first used.

Some thirty operations of torch a layer, each a few microseconds of overhead and a copy, become a
few calls: attention of 8 chats with 150 tokens takes 100 us instead of 270, a pair beside each of
three layers 15 us instead of 38 (benchmarks/NOTES.md). Sums are float32 whatever the number format.

Kernels take arrays of numpy, which has no bf16: `as_array` shows its bits as uint16. Rows are taken
four at a time, `ROWS`, where loops over one alone would wait for each sum.

All are in one file: numba compiles a kept kernel anew when its file has changed, and knows nothing
of changes in others whose functions it calls.

Axes: S sequences, W the most blocks of one, P blocks of the cache, B tokens of a block, H query
heads, K key/value heads, X = H + 2 * K, G = H / K, D head size; T rows of a step, N places of a
bank, R rows of A, I inputs, O outputs, F inner size.
"""

from functools import partial
from typing import Any

import numba
import numpy as np
import torch
from llvmlite import ir
from numba.core import config as numba_config
from numba.extending import intrinsic, overload
from numpy.typing import NDArray
from torch import Tensor

ROWS = 4
_ONE_BY_ONE = 2  # so few rows of inputs are better read alone
_TALL = 8  # rows that share a weight that was read: as many sums as fit in registers
_WIDE = 1024  # of so many inputs 8 rows do not fit into the processor's first cache
_OUTPUTS = 64  # of a thread at a time
_APART = 16  # numbers between rows of a tile, which would share places of the processor's cache

_MOST_THREADS: int = numba_config.NUMBA_NUM_THREADS  # pyright: ignore[reportAttributeAccessIssue]

Array = NDArray[Any]

# Sums in any order, which is what vectors of a processor need. Infinities and NaN stay themselves
# or become others, as they do in any case where the order of sums changes.
_FAST = {"reassoc", "contract", "nsz", "arcp", "nnan"}
_LOG2_E = np.float32(1.4426950408889634)
_LEAST = np.float32(-126.0)  # 2 to this is the smallest normal number
_MOST = np.float32(126.0)
_ONE = np.float32(1)
_ZERO = np.float32(0)


def as_array(tensor: Tensor) -> Array:
    """The same memory for the kernels; of bf16 its bits."""
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.uint16)
    return tensor.numpy()


def _compiled(function: Any, *, parallel: bool = False) -> Any:
    """Compile at the first call, and keep the code where there is a folder to keep it in."""
    compiler = partial(numba.njit, function, fastmath=_FAST, nogil=True, parallel=parallel)
    try:
        return compiler(cache=True)
    except RuntimeError:  # neither the package's folder nor the user's can be written
        return compiler()


# --- bf16 <-> float32 ------------------------------------------------------------------------


def _generate_from_bf16(typing: Any, bits: Any) -> Any:
    """The float32 whose upper half `bits` are."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = builder.zext(arguments[0], ir.IntType(32))
        upper = builder.shl(wide, ir.Constant(ir.IntType(32), 16))
        return builder.bitcast(upper, ir.FloatType())

    return numba.float32(numba.uint16), generate


_from_bf16: Any = intrinsic(_generate_from_bf16)


def _at(source: Array, index: int) -> np.float32:
    """The number there."""
    raise NotImplementedError


@overload(_at)
def _(source: Array, index: int) -> Any:
    def bf16(source: Array, index: int) -> Any:
        return _from_bf16(source[index])

    def float32(source: Array, index: int) -> Any:
        return source[index]

    return bf16 if source.dtype == numba.uint16 else float32


@_compiled
def _widen(source: Array, into: Array) -> None:
    """Copy to float32. Both are contiguous: numba knows steps of others only when it runs."""
    for index in range(source.size):
        into[index] = _at(source, index)


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
            sum0 += value * _at(row0, d)
            sum1 += value * _at(row1, d)
            sum2 += value * _at(row2, d)
            sum3 += value * _at(row3, d)
        into_X[x], into_X[x + 1], into_X[x + 2], into_X[x + 3] = sum0, sum1, sum2, sum3


@_compiled
def _multiply_tall(inputs_TI: Array, weight_OI: Array, into_TO: Array) -> None:
    """Set `into` to inputs @ weight.T for `_TALL` rows: every weight is read once for all."""
    row0, row1, row2, row3 = inputs_TI[0], inputs_TI[1], inputs_TI[2], inputs_TI[3]
    row4, row5, row6, row7 = inputs_TI[4], inputs_TI[5], inputs_TI[6], inputs_TI[7]
    for o in range(len(weight_OI)):
        weights = weight_OI[o]
        sum0 = sum1 = sum2 = sum3 = sum4 = sum5 = sum6 = sum7 = _ZERO
        for i in range(weights.size):
            weight = _at(weights, i)
            sum0 += weight * row0[i]
            sum1 += weight * row1[i]
            sum2 += weight * row2[i]
            sum3 += weight * row3[i]
            sum4 += weight * row4[i]
            sum5 += weight * row5[i]
            sum6 += weight * row6[i]
            sum7 += weight * row7[i]
        into_TO[0, o], into_TO[1, o], into_TO[2, o], into_TO[3, o] = sum0, sum1, sum2, sum3
        into_TO[4, o], into_TO[5, o], into_TO[6, o], into_TO[7, o] = sum4, sum5, sum6, sum7


@_compiled
def _multiply_square(inputs_TI: Array, weight_OI: Array, into_TO: Array) -> None:
    """The same for `ROWS` rows, two outputs at a time: as many sums, and half the inputs."""
    row0, row1, row2, row3 = inputs_TI[0], inputs_TI[1], inputs_TI[2], inputs_TI[3]
    for o in range(0, len(weight_OI), 2):
        weights, others = weight_OI[o], weight_OI[o + 1]
        sum0 = sum1 = sum2 = sum3 = other0 = other1 = other2 = other3 = _ZERO
        for i in range(weights.size):
            weight, other = _at(weights, i), _at(others, i)
            value0, value1, value2, value3 = row0[i], row1[i], row2[i], row3[i]
            sum0 += weight * value0
            sum1 += weight * value1
            sum2 += weight * value2
            sum3 += weight * value3
            other0 += other * value0
            other1 += other * value1
            other2 += other * value2
            other3 += other * value3
        into_TO[0, o], into_TO[1, o], into_TO[2, o], into_TO[3, o] = sum0, sum1, sum2, sum3
        p = o + 1
        into_TO[0, p], into_TO[1, p], into_TO[2, p], into_TO[3, p] = other0, other1, other2, other3


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
            into_D[d] += (weight0 * _at(row0, d) + weight1 * _at(row1, d)) + (
                weight2 * _at(row2, d) + weight3 * _at(row3, d)
            )


@_compiled
def _exponentials_(powers: Array) -> None:
    """2 to each, in place, off by 2e-7 at most: a polynomial of the fraction (exp2f of Cephes)."""
    exponents = powers.view(np.int32)
    for index in range(powers.size):
        power = min(max(powers[index], _LEAST), _MOST)
        whole = np.floor(power + np.float32(0.5))
        part = power - whole
        value = np.float32(1.535336188319500e-4)
        value = value * part + np.float32(1.339887440266574e-3)
        value = value * part + np.float32(9.618437357674640e-3)
        value = value * part + np.float32(5.550332471162809e-2)
        value = value * part + np.float32(2.402264791363012e-1)
        value = value * part + np.float32(6.931472028550421e-1)
        powers[index] = value * part + _ONE
        exponents[index] += np.int32(whole) << np.int32(23)


@_compiled
def _softmax_(scores: Array) -> None:
    """In place."""
    most = scores.max()
    for index in range(scores.size):
        scores[index] = (scores[index] - most) * _LOG2_E
    _exponentials_(scores)
    total = _ZERO
    for index in range(scores.size):
        total += scores[index]
    scores *= _ONE / total


# --- what layers call ------------------------------------------------------------------------


def _by_threads(alone: Any, together: Any) -> Any:
    """The kernel for as many threads as torch takes."""
    if (num_threads := torch.get_num_threads()) == 1:
        return alone
    numba.set_num_threads(min(num_threads, _MOST_THREADS))
    torch.set_num_threads(num_threads)  # both have one OpenMP: numba set it to all cores
    return together


@_compiled
def _tiles(inputs_TI: Array, num_padded: int) -> Array:
    num_rows, num_inputs = inputs_TI.shape
    tiles_TI = np.zeros((num_padded, num_inputs + _APART), np.float32)
    tiles_TI[:num_rows, :num_inputs] = inputs_TI
    return tiles_TI


@_compiled
def _multiply_outputs(inputs_TI: Array, tiles_TI: Array, weight_OI: Array, into_TO: Array) -> None:
    """Set `into` to inputs @ weight.T. The tiles are the inputs, padded, where they are several."""
    num_rows, num_inputs = inputs_TI.shape
    if num_rows <= _ONE_BY_ONE:
        for t in range(num_rows):
            _products(weight_OI, inputs_TI[t], into_TO[t])
        return
    num_padded = len(into_TO)
    num_tall = 0 if num_inputs > _WIDE else num_padded // _TALL * _TALL
    for t in range(0, num_tall, _TALL):
        _multiply_tall(tiles_TI[t : t + _TALL], weight_OI, into_TO[t : t + _TALL])
    for t in range(num_tall, num_padded, ROWS):
        _multiply_square(tiles_TI[t : t + ROWS], weight_OI, into_TO[t : t + ROWS])


@_compiled
def _multiply_alone(inputs_TI: Array, weight_OI: Array, into_TO: Array) -> None:
    tiles_TI = _tiles(inputs_TI, len(into_TO))
    for block in range(-(-len(weight_OI) // _OUTPUTS)):
        here = slice(block * _OUTPUTS, (block + 1) * _OUTPUTS)
        _multiply_outputs(inputs_TI, tiles_TI, weight_OI[here], into_TO[:, here])


@partial(_compiled, parallel=True)
def _multiply_together(inputs_TI: Array, weight_OI: Array, into_TO: Array) -> None:
    tiles_TI = _tiles(inputs_TI, len(into_TO))
    for block in numba.prange(-(-len(weight_OI) // _OUTPUTS)):
        here = slice(block * _OUTPUTS, (block + 1) * _OUTPUTS)
        _multiply_outputs(inputs_TI, tiles_TI, weight_OI[here], into_TO[:, here])


def multiply(inputs: Tensor, weight_OI: Array) -> Tensor:
    """Few rows of float32 times weights of float32 or bf16, [T, I] -> [T, O].

    A processor without products of bf16 does 8 rows in 0.4 to 0.9 of the time that oneDNN takes
    with weights that it has packed, one row in half. It takes as many threads as torch does.
    O is `ROWS` times a number.
    """
    num_rows = inputs.shape[0]
    num_padded = num_rows if num_rows <= _ONE_BY_ONE else -(-num_rows // ROWS) * ROWS
    output = inputs.new_empty(num_padded, len(weight_OI))
    kernel = _by_threads(_multiply_alone, _multiply_together)
    kernel(inputs.numpy(), weight_OI, output.numpy())
    return output[:num_rows]


@_compiled
def normalize(states_TD: Array, weight_D: Array, eps: Any, into_TD: Array) -> None:
    """Set `into` to states / sqrt(mean of their squares + eps) * weight, all of float32."""
    for t in range(len(states_TD)):
        states, into = states_TD[t], into_TD[t]
        total = _ZERO
        for d in range(states.size):
            total += states[d] * states[d]
        scale = _ONE / np.sqrt(total / np.float32(states.size) + eps)
        for d in range(states.size):
            into[d] = states[d] * scale * weight_D[d]


@_compiled
def gate(gate_up_TF: Array, into_TF: Array) -> None:
    """Set `into` to silu(gate) * up (arXiv 2002.05202), which lie beside each other."""
    inner = into_TF.shape[1]
    gate_F, up_F = np.empty(inner, np.float32), np.empty(inner, np.float32)
    powers_F = np.empty(inner, np.float32)
    for t in range(len(into_TF)):
        _widen(gate_up_TF[t, :inner], gate_F)
        _widen(gate_up_TF[t, inner:], up_F)
        for f in range(inner):
            powers_F[f] = gate_F[f] * -_LOG2_E
        _exponentials_(powers_F)
        for f in range(inner):
            gate_F[f] = gate_F[f] / (_ONE + powers_F[f]) * up_F[f]
        _narrow(gate_F, into_TF[t])


@_compiled
def _turn(states_D: Array, cosine_D: Array, sine_D: Array, into_D: Array) -> None:
    """Set `into` to a head at its rotary position; the sine has the sign of its half."""
    half = states_D.size // 2
    for d in range(half):
        first, second = _at(states_D, d), _at(states_D, half + d)
        into_D[d] = first * _at(cosine_D, d) + second * _at(sine_D, d)
        into_D[half + d] = second * _at(cosine_D, half + d) + first * _at(sine_D, half + d)


@_compiled
def _attend_one(
    s: int,
    states_SXD: Array,
    cosine_SD: Any,
    sine_SD: Any,
    stored_2PKBD: Array,
    blocks_SW: Array,
    first_S: Array,
    stop_S: Array,
    scaling: Any,
    into_SHD: Array,
) -> None:
    """Let sequence `s` take its step, as `attend` says."""
    states_XD, blocks_W, into_HD = states_SXD[s], blocks_SW[s], into_SHD[s]
    first, stop = first_S[s], stop_S[s]
    num_heads, size = into_HD.shape
    num_kv_heads, block_tokens = stored_2PKBD.shape[2:4]
    num_shared = num_heads // num_kv_heads
    query_GD = np.empty((num_shared, size), np.float32)
    turned_D = np.empty(size, np.float32)
    rows_BD = np.empty((block_tokens, size), np.float32)
    scores_GL = np.empty((num_shared, blocks_W.size * block_tokens), np.float32)
    sums_GD = np.empty((num_shared, size), np.float32)
    blocks = range(first // block_tokens, (stop - 1) // block_tokens + 1)
    block, offset = blocks_W[(stop - 1) // block_tokens], (stop - 1) % block_tokens
    for k in range(num_kv_heads):
        key_D, value_D = states_XD[num_heads + k], states_XD[num_heads + num_kv_heads + k]
        if cosine_SD is None:
            stored_2PKBD[0, block, k, offset] = key_D
        else:
            _turn(key_D, cosine_SD[s], sine_SD[s], turned_D)
            _narrow(turned_D, stored_2PKBD[0, block, k, offset])
        stored_2PKBD[1, block, k, offset] = value_D
        for g in range(num_shared):
            query_D = states_XD[k * num_shared + g]
            if cosine_SD is None:
                _widen(query_D, query_GD[g])
            else:
                _turn(query_D, cosine_SD[s], sine_SD[s], query_GD[g])
        for w in blocks:
            _widen(stored_2PKBD[0, blocks_W[w], k].reshape(-1), rows_BD.reshape(-1))
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
            _widen(stored_2PKBD[1, blocks_W[w], k].reshape(-1), rows_BD.reshape(-1))
            here = slice(w * block_tokens, (w + 1) * block_tokens)
            for g in range(num_shared):
                _add_weighted(scores_GL[g, here], rows_BD, 0, sums_GD[g])
        for g in range(num_shared):
            _narrow(sums_GD[g], into_HD[k * num_shared + g])


@_compiled
def _attend_alone(num_sequences: int, *arguments: Any) -> None:
    for s in range(num_sequences):
        _attend_one(s, *arguments)


@partial(_compiled, parallel=True)
def _attend_together(num_sequences: int, *arguments: Any) -> None:
    for s in numba.prange(num_sequences):
        _attend_one(s, *arguments)


def attend(
    states: Tensor,
    rotation: tuple[Tensor, Tensor] | None,
    stored: Tensor,
    blocks_SW: Array,
    first_S: Array,
    stop_S: Array,
    scaling: float,
) -> Tensor:
    """The next token of S sequences: store its key and value, and attend -> [S, H, D].

    Args:
        states: queries, keys and values, [S, X, D].
        rotation: cosine and sine of each position, [S, D], by which queries and keys are to be
            turned first; None if they are.
        stored: the layer's cache, [2, P, K, B, D].
        blocks_SW: where each sequence lies in it.
        first_S: the first position that it sees.
        stop_S: its length with this token.
        scaling: of scores.
    """
    num_sequences, num_states, size = states.shape
    attended = states.new_empty(num_sequences, num_states - 2 * stored.shape[2], size)
    cosine, sine = (None, None) if rotation is None else map(as_array, rotation)
    kernel = _by_threads(_attend_alone, _attend_together)
    kernel(
        num_sequences,
        as_array(states),
        cosine,
        sine,
        as_array(stored),
        blocks_SW,
        first_S,
        stop_S,
        np.float32(scaling),
        as_array(attended),
    )
    return attended


@_compiled
def _add_pair(
    t: int,
    inputs_TI: Array,
    place_T: Array,
    a_NRI: Array,
    b_NRO: Array,
    ends: Array,
    into_TO: Array,
) -> None:
    """Add to row `t`, as `add_pairs` says."""
    place = place_T[t]
    if place < 0:
        return
    num_rows, num_inputs = a_NRI.shape[1:]
    rank, num_outputs = b_NRO.shape[1:]
    input_I = np.empty(num_inputs, np.float32)
    reduced_R = np.empty(num_rows, np.float32)
    output_O = np.empty(num_outputs, np.float32)
    _widen(inputs_TI[t], input_I)
    _products(a_NRI[place], input_I, reduced_R)
    _widen(into_TO[t], output_O)
    start = 0
    for layer in range(len(ends)):
        reduced = reduced_R[layer * rank : (layer + 1) * rank]
        _add_weighted(reduced, b_NRO[place], start, output_O[start : ends[layer]])
        start = ends[layer]
    _narrow(output_O, into_TO[t])


@_compiled
def _add_pairs_alone(num_rows: int, *arguments: Any) -> None:
    for t in range(num_rows):
        _add_pair(t, *arguments)


@partial(_compiled, parallel=True)
def _add_pairs_together(num_rows: int, *arguments: Any) -> None:
    for t in numba.prange(num_rows):
        _add_pair(t, *arguments)


def add_pairs(
    inputs: Tensor, place_T: Array, a_NRI: Array, b_NRO: Array, ends: Array, into: Tensor
) -> None:
    """Add to each row what it gets of the pairs at its place; none at -1.

    The outputs of several layers lie beside each other, up to each of `ends`. All share the rows of
    `b`; of `a` each has as many of its own. `inputs` are [T, I], `into` is [T, O].
    """
    kernel = _by_threads(_add_pairs_alone, _add_pairs_together)
    kernel(len(place_T), as_array(inputs), place_T, a_NRI, b_NRO, ends, as_array(into))
