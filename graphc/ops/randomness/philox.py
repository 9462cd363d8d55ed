"""Counter-based random bits: the Philox4x32-10 generator of Salmon, Moraes, Dror and Shaw (SC
2011).

A key is four uint32 words (k0, k1, s0, s1). The random block number i of a key is Philox of the
counter (i mod 2^32, i div 2^32, s0, s1) under (k0, k1): four words. Everything is integer
arithmetic, so every backend gives the same bits, in any order of evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from graphc.ir.dims import Dim
from graphc.ir.dtypes import as_dtype, uint32, uint64
from graphc.ir.errors import DTypeError, ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, Op, Reader, Sample
from graphc.ir.types import TensorType
from graphc.ops.layout import broadcast
from graphc.ops.source import as_shape

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)  # golden ratio and sqrt(3) - 1, added to the key each round
FOLD = (0x5BF03635, 0x1F83D9AB)  # sets the keys that derive keys apart from those that draw numbers


def philox(counter: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Philox4x32-10 in NumPy: blocks [..., 4] of counters [..., 4] under keys [..., 2]."""
    c0, c1, c2, c3 = (counter[..., i].astype(np.uint64) for i in range(4))
    k0, k1 = (key[..., i].astype(np.uint64) for i in range(2))
    word, low = np.uint64(32), np.uint64(0xFFFFFFFF)
    for _ in range(ROUNDS):
        p0, p1 = c0 * np.uint64(MULTIPLIERS[0]), c2 * np.uint64(MULTIPLIERS[1])
        c0, c1, c2, c3 = (p1 >> word) ^ c1 ^ k0, p1 & low, (p0 >> word) ^ c3 ^ k1, p0 & low
        k0, k1 = (k0 + np.uint64(WEYL[0])) & low, (k1 + np.uint64(WEYL[1])) & low
    return np.stack(np.broadcast_arrays(c0, c1, c2, c3), -1).astype(np.uint32)


def _emit(b: Any, counter: Sequence[Any], key: Sequence[Any]) -> list[Any]:
    """The block as four scalar expressions."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    m0, m1 = (b.const(m, uint32) for m in MULTIPLIERS)
    w0, w1 = (b.const(w, uint32) for w in WEYL)
    for _ in range(ROUNDS):
        high0, high1 = b.mulhi(c0, m0), b.mulhi(c2, m1)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, c2 * m1, high0 ^ c3 ^ k1, c0 * m0
        k0, k1 = k0 + w0, k1 + w1
    return [c0, c1, c2, c3]


def _pick(b: Any, which: Any, words: Sequence[Any]) -> Any:
    """words[which] for a number below len(words), a power of two."""
    if len(words) == 1:
        return words[0]
    half = len(words) // 2
    upper = b.not_equal(which & half, 0)
    return b.select(upper, _pick(b, which, words[half:]), _pick(b, which, words[:half]))


def _halves(b: Any, x: Any) -> tuple[Any, Any]:
    """The low and high words of a 64-bit integer."""
    wide = b.cast(x, uint64)
    return b.cast(wide & 0xFFFFFFFF, uint32), b.cast(wide >> 32, uint32)


def _demand_key(key: TensorType) -> None:
    if key.dtype is not uint32 or key.ndim == 0 or key.shape[-1] != 4:
        raise DTypeError(f"a key is four words, u32[..., 4], not {key}; make one with random.key")


def _word(b: Any, key: Sequence[Any], number: Any, dtype: Any) -> Any:
    """Word `number`, of uint32 or uint64, of the random bits of a key."""
    k0, k1, s0, s1 = key
    if dtype is uint32:
        words = _emit(b, (*_halves(b, number >> 2), s0, s1), (k0, k1))
        return _pick(b, number & 3, words)
    words = [b.cast(w, uint64) for w in _emit(b, (*_halves(b, number >> 1), s0, s1), (k0, k1))]
    return _pick(b, number & 1, [words[0] | words[1] << 32, words[2] | words[3] << 32])


class RandomBits(Op):
    """Uniform random words of `dtype` (uint32 or uint64) in `shape`, for each key.

    Element i (in row-major order of `shape`) is word i mod 4 of block i div 4; a uint64 is words
    2(i mod 2), the low half, and 2(i mod 2) + 1 of block i div 2.
    """

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        (key,) = inputs
        _demand_key(key)
        if attrs["dtype"] not in (uint32, uint64):
            raise DTypeError(f"random bits are uint32 or uint64, not {attrs['dtype']}")
        return (TensorType(attrs["dtype"], (*key.shape[:-1], *attrs["shape"])),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        return (None,)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        return (random_bits(inputs[0], node.attrs["shape"], node.attrs["dtype"]),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        keys, shape = inputs[0].reshape(-1, 4), attrs["shape"]
        dtype = attrs["dtype"].numpy
        count = int(np.prod(shape, dtype=int))
        blocks = -(-count * dtype.itemsize // 16)
        number = np.arange(blocks, dtype=np.uint64)
        counter = np.zeros((len(keys), blocks, 4), np.uint32)
        counter[..., 0], counter[..., 1] = number & np.uint64(0xFFFFFFFF), number >> np.uint64(32)
        counter[..., 2:] = keys[:, None, 2:]
        words = philox(counter, np.broadcast_to(keys[:, None, :2], (*counter.shape[:2], 2)))
        words = words.reshape(len(keys), -1)
        if dtype.itemsize == 8:
            pairs = words.astype(np.uint64)
            words = pairs[:, 0::2] | pairs[:, 1::2] << np.uint64(32)
        return words[:, :count].reshape((*inputs[0].shape[:-1], *shape))

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        b, (key,) = reader.ops, node.inputs
        lead = key.ndim - 1
        place: Dim = 0
        for i, d in zip(index[lead:], node.attrs["shape"], strict=True):
            place = place * d + i
        key_words = [reader.at(key, (*index[:lead], j)) for j in range(4)]
        return _word(b, key_words, reader.value(place, uint64), node.attrs["dtype"])

    def cost(self, node: Node) -> Dim:
        return node.types[0].size * 60

    def samples(self) -> Sequence[Sample]:
        cases = (((4,), (7,)), ((3, 4), (2, 3)), ((4,), ()), ((2, 4), (0,)))
        return tuple(
            Sample(partial(_draw_keys, k), {"shape": shape, "dtype": dtype})
            for k, shape in cases
            for dtype in (uint32, uint64)
        )


class RandomWords(Op):
    """The words of some numbers, uint64, of the random bits of a key: of `random_bits` in any shape
    with as many elements, in row-major order.

    No gradient or batch of it is needed: passes make it after those.
    """

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        key, numbers = inputs
        _demand_key(key)
        if numbers.dtype is not uint64:
            raise DTypeError(f"words are numbered by uint64, not {numbers}")
        return (TensorType(attrs["dtype"], numbers.shape),)

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        key, numbers = inputs
        each = 16 // attrs["dtype"].numpy.itemsize
        block, place = numbers // np.uint64(each), numbers % np.uint64(each)
        counter = np.zeros((*numbers.shape, 4), np.uint32)
        counter[..., 0], counter[..., 1] = block & np.uint64(0xFFFFFFFF), block >> np.uint64(32)
        counter[..., 2:] = key[2:]
        words = philox(counter, np.broadcast_to(key[:2], (*numbers.shape, 2)))
        if each == 2:
            pairs = words.astype(np.uint64)
            words = pairs[..., 0::2] | pairs[..., 1::2] << np.uint64(32)
        return np.take_along_axis(words, place[..., None].astype(np.int64), -1)[..., 0]

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        key, numbers = node.inputs
        words = [reader.at(key, (j,)) for j in range(4)]
        return _word(reader.ops, words, reader.at(numbers, index), node.attrs["dtype"])

    def cost(self, node: Node) -> Dim:
        return node.types[0].size * 60


class RandomFold(Op):
    """For each key and number a key of its own: Philox of (number, s0, s1) under the key set apart
    by constants.
    """

    lowering = "read"

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        key, data = inputs
        _demand_key(key)
        if data.dtype is not uint64:
            raise DTypeError(f"what is folded into a key is uint64, not {data}")
        if data.shape != key.shape[:-1]:
            raise ShapeError(f"one number for each key needed, not {data} for {key}")
        return (key,)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        return (None, None)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        key, data = (
            x if axis == 0 else broadcast(x, (size, *x.shape), tuple(range(1, x.ndim + 1)))
            for x, axis in zip(inputs, axes, strict=True)
        )
        return apply(self, key, data).outputs

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        key, data = inputs
        counter = key.copy()
        counter[..., 0], counter[..., 1] = data & np.uint64(0xFFFFFFFF), data >> np.uint64(32)
        return philox(counter, key[..., :2] ^ np.asarray(FOLD, np.uint32))

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        b, (key, data) = reader.ops, node.inputs
        k0, k1, s0, s1 = (reader.at(key, (*index[:-1], j)) for j in range(4))
        number = _halves(b, reader.at(data, index[:-1]))
        words = _emit(b, (*number, s0, s1), (k0 ^ FOLD[0], k1 ^ FOLD[1]))
        return _pick(b, reader.value(index[-1], uint64), words)

    def cost(self, node: Node) -> Dim:
        return node.types[0].size * 60

    def samples(self) -> Sequence[Sample]:
        return tuple(Sample(partial(_draw_keys, (*n, 4), n)) for n in ((), (3,), (2, 3), (0,)))


def _draw_keys(keys: tuple[int, ...], *rest: Any) -> tuple[np.ndarray, ...]:
    """Random key words, and random 64-bit numbers if a shape for them comes before the
    generator.
    """
    *data, rng = rest
    words = rng.integers(0, 2**32, keys, np.uint32)
    return (words, *(rng.integers(0, 2**64, shape, np.uint64) for shape in data))


_BITS = RandomBits("random_bits")
_WORDS = RandomWords("random_words")
_FOLD = RandomFold("random_fold")


def random_bits(key: Tensor, shape: Any, dtype: Any = "uint32") -> Tensor:
    """Uniform random words for each key of u32[..., 4]: a tensor of the keys' leading axes, then
    `shape`.
    """
    attrs = {"shape": as_shape(shape), "dtype": as_dtype(dtype)}
    return apply(_BITS, key, **attrs).outputs[0]


def random_words(key: Tensor, numbers: Tensor, dtype: Any) -> Tensor:
    """The words of these numbers of a key's random bits."""
    return apply(_WORDS, key, numbers, dtype=as_dtype(dtype)).outputs[0]


def random_fold(key: Tensor, data: Tensor) -> Tensor:
    """The key that a number gives for each key: `data` is uint64, in the leading axes of `key`."""
    return apply(_FOLD, key, data).outputs[0]
