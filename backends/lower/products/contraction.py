"""Lowers a product and the maps over its result."""

from __future__ import annotations

from collections.abc import Callable

from graphc.backends.lower.kernel import Call, Schedule, Temporary, counted
from graphc.backends.lower.products.axes import extent_of, many_rows
from graphc.backends.lower.products.blocks import few_or_many
from graphc.backends.lower.products.deep import Deep, deep, part_stored
from graphc.backends.lower.products.direct import DirectProduct
from graphc.backends.lower.products.direct_plan import DirectPlan
from graphc.backends.lower.products.direct_rows import FewRows
from graphc.backends.lower.products.direct_sums import DirectSums
from graphc.backends.lower.products.frame import Frame
from graphc.backends.lower.products.lowering import ProductLowering
from graphc.backends.lower.products.parted import (
    Parted,
    parted,
    parted_results,
    parted_sums,
)
from graphc.backends.lower.products.thin import is_thin, known_thin, thin, thin_chunks
from graphc.backends.lower.products.tiles import laid_out_elements, lay_out
from graphc.ir.dims import Dim, maximum, minimum
from graphc.ir.node import Node
from graphc.passes.fusion.body import Body

CONVOLUTIONS = ("winograd", "winograd_kernels", "convolution_packed")
"""Ops with lowerings of their own, which are loaded with the first of them."""


def lower_contraction(
    body: Body, schedule: Schedule, fail: Callable[[Node, str], int]
) -> list[Call]:
    """The kernel of a product: chunks of blocks of the result, and the maps over finished rows."""
    if body.node.op.name in CONVOLUTIONS:
        from graphc.backends.lower.convolutions import lower_convolution

        return lower_convolution(body, schedule, fail)
    lowering = ProductLowering(body, schedule, fail)
    frame, window = lowering.frame, lowering.direct(schedule)
    direct: DirectProduct | None = None
    if window is not None:
        direct = _writer(window)(frame, window, body.node.types[0].dtype, lowering.maps)
        direct = None if direct.chunks == 1 and _held_by_several(frame) else direct
    shared = frame.words is not None or (direct is not None and direct.chunks != 1)
    parts = None if shared or known_thin(frame) else deep(frame.product, frame.sizes, frame.blocks)
    if parts is None and direct is not None:
        return _direct(body, schedule, fail, lowering, direct)
    if parts is None:
        return _whole(lowering, body, schedule, fail)
    calls = _deep(body, schedule, fail, parts)
    if parts.large == 1:
        return calls
    whole = _whole(lowering, body, schedule, fail)
    return [*calls, *(call.only(1 - parts.large) for call in whole)]


def _held_by_several(frame: Frame) -> bool:
    """Whether registers may hold the sums of few known rows in more than one chunk."""
    chunks = frame.blocks.chunks
    return frame.sizes.held and frame.blocks.small == 1 and isinstance(chunks, int) and chunks > 1


def _deep(
    body: Body, schedule: Schedule, fail: Callable[[Node, str], int], plan: Deep
) -> list[Call]:
    """The kernels of a product of many summands, which may turn out to be few."""
    results = ProductLowering(body, schedule, fail)
    sums = ProductLowering(body, schedule, fail, plan=plan)
    partial = Temporary(sums.frame.sum_type, plan.parts * plan.rows * plan.columns * plan.large)
    sums.take(partial, writes=True)
    results.take(partial, writes=False)
    stored = sums.finished_by(part_stored(plan, sums.frame), tuple)
    added = parted_results(results.frame, plan.results, results.finished)
    return [
        sums.call("dot_parts", stored, sums.frame.blocks.chunks * plan.large),
        results.call("dot_sum", added, plan.results.across * plan.large),
    ]


def _whole(
    lowering: ProductLowering,
    body: Body,
    schedule: Schedule,
    fail: Callable[[Node, str], int],
) -> list[Call]:
    """The kernels of a product whose operands are packed, or read line by line for few rows."""
    plan = parted(lowering.frame.product, lowering.frame.sizes)
    if plan is None:
        return _at_once(lowering, body, schedule, fail)
    if plan.large == 1:
        return _parted(body, schedule, fail, plan)
    if lowering.frame.words is not None:
        return _at_once(lowering, body, schedule, fail)
    calls, small = _in_parts(body, schedule, fail, plan)
    whole = _at_once(lowering, body, schedule, fail)
    return [*calls, *(call.only(1 - small) for call in whole)]


def _at_once(
    lowering: ProductLowering,
    body: Body,
    schedule: Schedule,
    fail: Callable[[Node, str], int],
) -> list[Call]:
    """The same where no sums are parted."""
    turned = lowering.frame.product.turned
    straight = ProductLowering(body, schedule, fail, turns=False) if turned else lowering
    if known_thin(straight.frame):
        sums = thin(straight.frame, straight.finished)
        return [straight.call("dot_thin", sums, thin_chunks(straight.frame))]
    if turned:
        return _turned(lowering, body, schedule, fail)
    thinness = 0 if lowering.frame.words else is_thin(lowering.frame.product, lowering.frame.sizes)
    if thinness == 0:
        return _packed(lowering, body, schedule, fail)
    columns = ProductLowering(body, schedule, fail)
    few = counted(thin_chunks(columns.frame), thinness)
    return [
        columns.call("dot_thin", thin(columns.frame, columns.finished), few),
        *_packed(lowering, body, schedule, fail, 1 - thinness),
    ]


def _turned(
    lowering: ProductLowering,
    body: Body,
    schedule: Schedule,
    fail: Callable[[Node, str], int],
) -> list[Call]:
    """The kernels of a product with few columns, whose rows fill vectors; where these may be few as
    well, one for those, whose sums stay in registers.
    """
    rows = extent_of(lowering.frame.product.columns)
    straight = None
    if not isinstance(rows, int) and lowering.frame.words is None:
        straight = ProductLowering(body, schedule, fail, small=1, turns=False)
    if straight is None or not straight.frame.sizes.held:
        return _packed(lowering, body, schedule, fail)
    most = min(many_rows(lowering.frame.sizes.lanes) - 1, straight.frame.sizes.few_narrow)
    few = maximum(0, minimum(1, most + 1 - rows))
    chunks = counted(straight.frame.blocks.chunks, few)
    return [
        straight.call("dot_few", straight.statements(), chunks),
        *_packed(lowering, body, schedule, fail, 1 - few),
    ]


def _packed(
    lowering: ProductLowering,
    body: Body,
    schedule: Schedule,
    fail: Callable[[Node, str], int],
    many: Dim = 1,
) -> list[Call]:
    """The kernel of a product whose operands are packed, and the one before it which lays the left
    one out in tiles; `many` is 1 where they are wanted, else 0.
    """
    blocks, calls = lowering.frame.blocks, list[Call]()
    if lowering.frame.sizes.laid_out:
        layout = ProductLowering(body, schedule, fail)
        wanted = minimum(many, 1 - blocks.small)
        elements = counted(laid_out_elements(layout.frame), wanted)
        tiles = Temporary(layout.frame.sum_type, elements)
        layout.take(tiles, writes=True)
        lowering.take(tiles, writes=False)
        packed, count = lay_out(layout.frame)
        calls.append(layout.call("dot_tiles", packed, counted(count, wanted)))
    chunks = blocks.chunks if many == 1 else counted(blocks.chunks, many)
    return [*calls, lowering.call("dot", lowering.statements(), chunks)]


def _writer(plan: DirectPlan) -> type[DirectProduct]:
    """What writes the kernel of a plan."""
    if plan.inner:
        return DirectSums
    return FewRows if any(t.even for t in plan.rows) else DirectProduct


def _direct(
    body: Body,
    schedule: Schedule,
    fail: Callable[[Node, str], int],
    lowering: ProductLowering,
    direct: DirectProduct,
) -> list[Call]:
    """The kernel of a product whose operands lie where they are read; where lengths that are not
    known may be too short for its tiles, one for those as well.
    """
    fits = direct.plan.fits
    if fits == 1:
        return [lowering.call("dot", direct.statements(), direct.chunks)]
    other = ProductLowering(body, schedule, fail)
    plan = direct.plan.one_by_one()
    short = _writer(plan)(other.frame, plan, body.node.types[0].dtype, other.maps)
    return [
        lowering.call("dot", direct.statements(), counted(direct.chunks, fits)),
        other.call("dot_short", short.statements(), counted(short.chunks, 1 - fits)),
    ]


def _parted(
    body: Body, schedule: Schedule, fail: Callable[[Node, str], int], plan: Parted
) -> list[Call]:
    """The kernels of few rows, summed in parts, and that of more where there may be more."""
    packed = ProductLowering(body, schedule, fail, small=0)
    calls, small = _in_parts(body, schedule, fail, plan)
    if small == 1:
        return calls
    return [*calls, *_packed(packed, body, schedule, fail, 1 - small)]


def _in_parts(
    body: Body, schedule: Schedule, fail: Callable[[Node, str], int], plan: Parted
) -> tuple[list[Call], Dim]:
    """The kernels of few rows, summed in parts, and 1 where these are wanted, else 0."""
    sums, results = (ProductLowering(body, schedule, fail, small=1) for _ in range(2))
    small = few_or_many(sums.frame.product, sums.frame.sizes) * plan.large
    partial = Temporary(sums.frame.sum_type, plan.elements * small)
    sums.take(partial, writes=True)
    results.take(partial, writes=False)
    parts = parted_results(results.frame, plan, results.finished)
    calls = [
        sums.call("dot_parts", parted_sums(sums.frame, plan), plan.chunks * small),
        results.call("dot_sum", parts, plan.across * small),
    ]
    return calls, small
