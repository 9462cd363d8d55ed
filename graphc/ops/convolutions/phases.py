"""The gradient of a convolution in steps, for its image: convolutions in single steps that give the
phases of the elements, and these put together.

Element i = s q + r of an axis with steps of s is seen by the taps k = s m + c, where c is the
remainder of r + before: those of one phase r see results in single steps. Each phase is a
convolution of its own, or all are channels of one, whose kernels have the taps of the phase that
has most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from itertools import product as combinations
from math import prod

import numpy as np

from graphc.ir.dims import Dim, floordiv
from graphc.ir.node import Node, Tensor
from graphc.ir.record import dataclass
from graphc.ir.types import Shape
from graphc.ops.convolutions.axes import Line
from graphc.ops.convolutions.depthwise import MOST_STEPS
from graphc.ops.convolutions.product import fills_vectors
from graphc.ops.convolutions.tiles import untile
from graphc.ops.copying import copy
from graphc.ops.indexing.slicing import strided
from graphc.ops.joining import concat
from graphc.ops.layout import broadcast, expand_dims, reshape, transpose
from graphc.ops.padding import pad
from graphc.ops.source import constant, constant_value

#: Of kernels, results, lines and lengths, the image.
Product = Callable[[Tensor, Tensor, tuple[Line, ...], Shape], Tensor]

#: More phases than these are too many products.
MOST_PHASES = 9
#: Taps of the phases as channels of one product, at most, for each one that there is, if one
#: product for each phase is as well.
MOST_TAPS = 1.25
#: Channels that fill vectors.
ENOUGH_CHANNELS = 16


@dataclass(frozen=True)
class Phase:
    """Along one axis: the first tap and the number of taps, every `step`-th one, that see this
    phase's elements; and how far before the first result the first element's tap lies.
    """

    first: int
    taps: int
    step: int
    before: int


def has_phases(node: Node, w: Tensor) -> bool:
    """Whether an image's gradient is put together from phases."""
    lines = [Line(*line) for line in node.attrs["lines"]]
    plain = all(line.dilation == line.spread == 1 for line in lines)
    wide = any(line.stride > 1 for line in lines)
    if fills_vectors(w, node.attrs["groups"], lines) and max(x.stride for x in lines) <= MOST_STEPS:
        return False
    return plain and wide and all(isinstance(d, int) for d in w.shape[2:])


def image_of(w: Tensor, y: Tensor, node: Node, product: Product) -> Tensor:
    """The gradient, by `product(w, y, lines, extent)`, which gives that of a phase, or of all."""
    lines = [Line(*line) for line in node.attrs["lines"]]
    taps = [d for d in w.shape[2:] if isinstance(d, int)]
    if _is_one_product(lines, taps, node.types[0].shape, w.shape[1]):
        return _at_once(w, y, node, product)
    return _each(w, y, node, product)


def _is_one_product(lines: Sequence[Line], taps: Sequence[int], shape: Shape, each: Dim) -> bool:
    """Whether all phases are channels of one product, rather than products of their own, for images
    of this shape whose groups have `each` channels.

    So few that they do not fill vectors make products along rows, which take known lengths.
    """
    steps = [line.stride for line in lines]
    if prod(steps) > MOST_PHASES or not all(isinstance(line.before, int) for line in lines):
        return True
    if not _are_enough(shape[1]) and not all(isinstance(d, int) for d in shape[2:]):
        return True
    if each == 1 and len(steps) > 1:
        return False
    shared = [_shared(k, step) for k, step in zip(taps, steps, strict=True)]
    return prod(r * t for r, t in shared) <= MOST_TAPS * prod(taps)


def _are_enough(channels: Dim) -> bool:
    """Whether channels fill vectors."""
    return isinstance(channels, int) and channels >= ENOUGH_CHANNELS


def _shared(taps: int, step: int) -> tuple[int, int]:
    """How many phases see so many taps, and the taps of the one that sees most."""
    return min(taps, step), -(-taps // step)


def _at_once(w: Tensor, y: Tensor, node: Node, product: Product) -> Tensor:
    """The gradient by one product, whose channels are those of the image at each phase.

    Here elements are counted from a multiple of the step on, `starts` before the first one, so that
    a phase sees the taps that leave the same remainder.
    """
    lines, shape = [Line(*line) for line in node.attrs["lines"]], node.types[0].shape
    n = len(lines)
    taps = [d for d in w.shape[2:] if isinstance(d, int)]
    shared = [_shared(k, line.stride) for k, line in zip(taps, lines, strict=True)]
    wholes = [floordiv(line.before, line.stride) for line in lines]
    starts = [b * line.stride - line.before for b, line in zip(wholes, lines, strict=True)]
    extent = tuple(
        floordiv(d - start + line.stride - 1, line.stride)
        for d, start, line in zip(shape[2:], starts, lines, strict=True)
    )
    last = _are_enough(shape[1])
    kernels = _by_phase(w, taps, shared, last)
    image = product(kernels, y, tuple(Line(1, 1, b) for b in wholes), extent)
    phases, places = tuple(r for r, _ in shared), tuple(range(2, 2 + n))
    missing = [line.stride - r for r, line in zip(phases, lines, strict=True)]
    if last:
        of_groups = (shape[0], *extent, node.attrs["groups"], *phases, w.shape[1])
        split = reshape(transpose(image, (0, *places, 1)), of_groups)
        turned = transpose(split, (*range(2 + n), 2 + 2 * n, *range(2 + n, 2 + 2 * n)))
        parts = reshape(turned, (shape[0], *extent, shape[1], *phases))
    else:
        split = reshape(image, (*shape[:2], *phases, *extent))
        parts = transpose(split, (0, 1, *range(2 + n, 2 + 2 * n), *places))
    whole = pad(parts, [(0, 0)] * (2 + n) + [(0, k) for k in missing]) if any(missing) else parts
    if not last:
        return untile(whole, places, tuple(shape[2:]), tuple(starts))
    found = untile(whole, tuple(range(1, 1 + n)), tuple(shape[2:]), tuple(starts))
    return transpose(found, (0, 1 + n, *range(1, 1 + n)))


def _by_phase(
    w: Tensor, taps: Sequence[int], shared: Sequence[tuple[int, int]], last: bool
) -> Tensor:
    """Kernels (O, C, *taps) as (O, C * phases, *taps of a phase), with zeros where there is no tap;
    `last`: as (O, phases * C, *taps). C are the channels of a group. Of constants, a constant.
    """
    n, (outputs, channels) = len(shared), w.shape[:2]
    widths = [(0, 0), (0, 0), *((0, r * t - d) for (r, t), d in zip(shared, taps, strict=True))]
    parted = (outputs, channels, *chain.from_iterable((t, r) for r, t in shared))
    of_taps, phases = tuple(range(2, 2 + 2 * n, 2)), tuple(range(3, 3 + 2 * n, 2))
    order = (*of_taps, 0, *phases, 1) if last else (*of_taps, 0, 1, *phases)
    shape = (*(t for _, t in shared), outputs, channels * prod(r for r, _ in shared))
    back = (n, n + 1, *range(n))
    value = constant_value(w)
    if value is not None:
        split = np.reshape(np.pad(value, widths), [k for k in parted if isinstance(k, int)])
        lines = np.reshape(split.transpose(order), [k for k in shape if isinstance(k, int)])
        return constant(lines.transpose(back))
    wide = reshape(pad(w, widths), parted)
    return transpose(reshape(copy(transpose(wide, order)), shape), back)


def phases_of(line: Line, taps: int) -> list[Phase]:
    """Every phase of the elements of an axis."""
    found: list[Phase] = []
    for r in range(line.stride):
        assert isinstance(line.before, int)
        before, first = divmod(r + line.before, line.stride)
        found.append(Phase(first, max(0, -(-(taps - first) // line.stride)), line.stride, before))
    return found


def _each(w: Tensor, y: Tensor, node: Node, product: Product) -> Tensor:
    """The gradient by a product for each phase."""
    lines, shape = [Line(*line) for line in node.attrs["lines"]], node.types[0].shape
    extent = tuple(
        floordiv(d + line.stride - 1, line.stride) for d, line in zip(shape[2:], lines, strict=True)
    )
    taps = [d for d in w.shape[2:] if isinstance(d, int)]
    phases = [phases_of(line, k) for line, k in zip(lines, taps, strict=True)]
    parts = [
        _part(w, y, chosen, (*shape[:2], *extent), product) for chosen in combinations(*phases)
    ]
    counts, rank = [len(p) for p in phases], len(shape)
    if not _are_enough(shape[1]):
        whole = stacked(parts, counts, rank)
        return untile(whole, tuple(range(2, rank)), tuple(shape[2:]), (0,) * (rank - 2))
    lines_of = [transpose(x, (0, *range(2, rank), 1)) for x in parts]
    whole = untile(
        stacked(lines_of, counts, rank),
        tuple(range(1, rank - 1)),
        tuple(shape[2:]),
        (0,) * (rank - 2),
    )
    return transpose(whole, (0, rank - 1, *range(1, rank - 1)))


def _part(w: Tensor, y: Tensor, phases: Sequence[Phase], shape: Shape, product: Product) -> Tensor:
    """All elements of a phase along each axis; zeros where no tap sees them."""
    sizes = (*w.shape[:2], *(p.taps for p in phases))
    if 0 in sizes[2:]:
        return broadcast(constant(0, y.dtype), shape, ())
    starts: tuple[Dim, ...] = (0, 0, *(p.first for p in phases))
    kernel = strided(w, starts, sizes, (1, 1, *(p.step for p in phases)))
    return product(kernel, y, tuple(Line(1, 1, p.before) for p in phases), shape[2:])


def stacked(parts: list[Tensor], counts: list[int], axis: int) -> Tensor:
    """The parts along new last axes of these lengths, the last of which counts fastest."""
    if not counts:
        return parts[0]
    each = len(parts) // counts[0]
    groups = [parts[k * each : (k + 1) * each] for k in range(counts[0])]
    return concat([expand_dims(stacked(g, counts[1:], axis), axis) for g in groups], axis)
