"""The gradient of a convolution in steps, for its image: a convolution in single steps for each
phase of the elements, and these put together.

Element i = s q + r of an axis with steps of s is seen by the taps k = s m + c, where c is the
remainder of r + before: those of one phase r see results in single steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product as combinations

from graphc.ir.dims import Dim, floordiv
from graphc.ir.node import Node, Tensor
from graphc.ir.types import Shape
from graphc.ops.convolution_axes import Line
from graphc.ops.joining import concat
from graphc.ops.layout import broadcast, expand_dims
from graphc.ops.slicing import strided
from graphc.ops.source import constant
from graphc.ops.tiles import untile

#: Of kernels, results, lines and lengths, the image.
Product = Callable[[Tensor, Tensor, tuple[Line, ...], Shape], Tensor]

#: More phases than these are too many products.
MOST_PHASES = 9


@dataclass(frozen=True)
class Phase:
    """Along one axis: the first tap and the number of taps, every `step`-th one, that see this
    phase's elements; and how far before the first result the first element's tap lies.
    """

    first: int
    taps: int
    step: int
    before: int


def has_phases(node: Node, taps: Shape) -> bool:
    """Whether an image's gradient falls into a few phases; of unknown lengths it stays one product,
    whose kernel is large enough.
    """
    if not all(isinstance(d, int) for d in node.types[0].shape[2:]):
        return False
    count = 1
    for line, known in zip(node.attrs["lines"], taps, strict=True):
        stride, dilation, before, spread = line
        if dilation != 1 or spread != 1 or not isinstance(before, int) or before < 0:
            return False
        if not isinstance(known, int):
            return False
        count *= stride
    return 1 < count <= MOST_PHASES


def phases_of(line: Line, taps: int) -> list[Phase]:
    """Every phase of the elements of an axis."""
    found: list[Phase] = []
    for r in range(line.stride):
        assert isinstance(line.before, int)
        before, first = divmod(r + line.before, line.stride)
        found.append(Phase(first, max(0, -(-(taps - first) // line.stride)), line.stride, before))
    return found


def image_of(w: Tensor, y: Tensor, node: Node, product: Product) -> Tensor:
    """The gradient, by `product(w, y, lines, extent)`, which gives that of each phase."""
    lines, shape = [Line(*line) for line in node.attrs["lines"]], node.types[0].shape
    extent = tuple(
        floordiv(d + line.stride - 1, line.stride) for d, line in zip(shape[2:], lines, strict=True)
    )
    taps = [d for d in w.shape[2:] if isinstance(d, int)]
    phases = [phases_of(line, k) for line, k in zip(lines, taps, strict=True)]
    parts = [
        _part(w, y, chosen, (*shape[:2], *extent), product) for chosen in combinations(*phases)
    ]
    axes = tuple(range(2, len(shape)))
    whole = _stacked(parts, [len(p) for p in phases], len(shape))
    return untile(whole, axes, tuple(shape[2:]), (0,) * len(axes))


def _part(w: Tensor, y: Tensor, phases: Sequence[Phase], shape: Shape, product: Product) -> Tensor:
    """All elements of a phase along each axis; zeros where no tap sees them."""
    sizes = (*w.shape[:2], *(p.taps for p in phases))
    if 0 in sizes[2:]:
        return broadcast(constant(0, y.dtype), shape, ())
    starts: tuple[Dim, ...] = (0, 0, *(p.first for p in phases))
    kernel = strided(w, starts, sizes, (1, 1, *(p.step for p in phases)))
    return product(kernel, y, tuple(Line(1, 1, p.before) for p in phases), shape[2:])


def _stacked(parts: list[Tensor], counts: list[int], axis: int) -> Tensor:
    """The parts along new last axes of these lengths, the last of which counts fastest."""
    if not counts:
        return parts[0]
    each = len(parts) // counts[0]
    groups = [parts[k * each : (k + 1) * each] for k in range(counts[0])]
    return concat([expand_dims(_stacked(g, counts[1:], axis), axis) for g in groups], axis)
