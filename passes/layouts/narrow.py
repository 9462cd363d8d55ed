"""Convolutions of numbers that were narrower before: what there is in words of 32 bits."""

from __future__ import annotations

import numpy as np

from graphc.ir.dtypes import DType, bfloat16, float32, int32
from graphc.ir.node import Node, Tensor, apply
from graphc.ops.convert import cast
from graphc.ops.convolutions.packed import panel_of
from graphc.ops.convolutions.word_kernels import GROUPS, OFFSET
from graphc.ops.copying import copy
from graphc.ops.layout import reshape, transpose
from graphc.ops.padding import pad
from graphc.ops.recipes import made
from graphc.ops.reduction import sum
from graphc.ops.source import constant, constant_value, is_constant
from graphc.passes.fold import LARGEST, MOVES

Operands = tuple[Tensor, Tensor]


def narrow_operands(node: Node) -> Operands | None:
    """The images and kernels of a convolution, as narrow as they are known to be; None where these
    have no words, or it sums in another dtype than words do.
    """
    x, w = node.inputs
    x = _before(x)
    w = _before(w) if not is_constant(w) else _as_narrow(w, x.dtype)
    if (x.dtype, w.dtype) not in GROUPS:
        return None
    own = (float32, bfloat16) if x.dtype is bfloat16 else (int32, x.dtype)
    return (x, w) if node.types[0].dtype in own else None


def _before(x: Tensor) -> Tensor:
    """x before it was made wider, in the order to which that was brought since."""
    moves: list[Node] = []
    y = x
    while y.node.op.name in MOVES:
        moves.append(y.node)
        (y,) = y.node.inputs
    if not _is_widened(y):
        return x
    while _is_widened(y):
        (y,) = y.node.inputs
    for node in reversed(moves):
        (y,) = apply(node.op, y, **node.attrs).outputs
    return y


def _is_widened(x: Tensor) -> bool:
    return x.node.op.name == "cast" and _holds(x.dtype, x.node.inputs[0].dtype)


def _holds(wide: DType, narrow: DType) -> bool:
    """Whether every number of the narrow dtype is one of the wide one."""
    if wide.kind == narrow.kind:
        return wide.bits > narrow.bits
    return (wide.kind, narrow.kind) == ("i", "u") and wide.bits > narrow.bits


def _as_narrow(w: Tensor, images: DType) -> Tensor:
    """A small constant, which may have been made wider when the graph was simplified, in a dtype
    that goes with images of this one and has all its numbers.
    """
    value = constant_value(w)
    if value is None or value.size > LARGEST:
        return w
    for x, dtype in GROUPS:
        if x is images and _holds(w.dtype, dtype):
            with np.errstate(all="ignore"):
                narrow = value.astype(dtype.numpy)
            if np.array_equal(narrow.astype(value.dtype), value):
                return constant(narrow)
    return w


def words_of(operands: Operands, channels_first: bool) -> Tensor:
    """The kernels, of channels in multiples of eight, as words."""
    x, w = operands
    group = GROUPS[x.dtype, w.dtype]
    if is_constant(w):
        return made("words", w, channels_first, group)
    outputs = w.shape[0]
    assert isinstance(outputs, int), "packed kernels are for known channels"
    width = panel_of(outputs)
    lines = w if channels_first else transpose(w, (0, 2, 3, 1))
    line = lines.shape[-1]
    assert isinstance(line, int), "packed kernels have known channels"
    if line % group:
        lines = pad(lines, ((0, 0), (0, 0), (0, 0), (0, -line % group)))
    words = reshape(lines, (outputs // width, width, -1, group))
    return copy(transpose(words, (0, 2, 1, 3)))


def offset_of(operands: Operands) -> int:
    """What is added to the images."""
    x, w = operands
    return OFFSET if x.dtype is w.dtype and x.dtype.bits == 8 else 0


def without_offset(y: Tensor, operands: Operands) -> Tensor:
    """Sums (N, H, W, O) of images to which the offset was added, without what that added."""
    w = operands[1]
    if not offset_of(operands):
        return y
    if is_constant(w):
        return y + made("offsets", w)
    return y - OFFSET * sum(cast(w, int32), axis=(1, 2, 3))
