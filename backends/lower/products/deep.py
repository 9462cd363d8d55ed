"""Products of few results and many summands, such as the gradients of weights: every chunk sums a
part of the summands, as if the parts were a batch, and a second kernel adds the parts up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from graphc.backends.loops import expr as e
from graphc.backends.loops.expr import Expr
from graphc.backends.loops.stmt import For, Stmt, Store
from graphc.backends.lower.counts import divide_up
from graphc.backends.lower.products.axes import Axis, Operand, Product, extent_of
from graphc.backends.lower.products.blocks import ENOUGH, GRAIN, Blocks
from graphc.backends.lower.products.frame import SUMS, Frame
from graphc.backends.lower.products.parted import PARTIAL, Parted
from graphc.backends.lower.products.sizes import HELD_ELEMENTS, NARROW, Sizes
from graphc.ir.dim_values import substitute
from graphc.ir.dims import Dim, index, maximum, minimum
from graphc.ir.record import dataclass
from graphc.ops.convolutions.windows import Windows

#: Summands of a part at least, and blocks of a result that is large enough to be shared out.
LEAST, MANY_BLOCKS = 256, 4
#: Results and columns up to which few rows are better summed like this than line by line.
SUMS_ADDED = 2**16
PART = index("part")
M, N, M0, N0, R = (e.var(f"p.{name}") for name in ("m", "n", "m0", "n0", "r"))


@dataclass(frozen=True)
class Deep:
    """The summands in `parts` of `share`, of which the last may have fewer; `large` is 1 where
    there are enough of them, else 0.
    """

    rows: int
    columns: int
    inner: Dim
    parts: int
    large: Dim

    @property
    def share(self) -> Dim:
        """Summands of a part."""
        return divide_up(self.inner, self.parts)

    @property
    def results(self) -> Parted:
        """How the parts lie and are added up."""
        across = max(1, self.parts * self.rows * self.columns // SUMS_ADDED)
        width = max(1, -(-self.columns // across))
        return Parted(
            self.rows, self.columns, 0, self.parts, -(-self.columns // width), width, False
        )

    def product(self, whole: Product) -> Product:
        """The product of every part."""
        part, (k,) = Axis("part", self.parts), whole.inner
        at = PART * self.share + k.variable
        inner = (replace(k, extent=self.share),)

        def of_part(operand: Operand) -> Operand:
            moved = [substitute(d, lambda a: at if a is k.atom else None) for d in operand.index]
            return replace(operand, index=tuple(moved), inner=inner)

        left, right = of_part(whole.left), of_part(whole.right)
        return replace(whole, left=left, right=right, batch=(part,), inner=inner)

    def blocks(self, blocks: Blocks) -> Blocks:
        """The blocks of each part, each a chunk, with the summands that are left for the last."""
        if isinstance(self.inner, int) and self.inner % self.parts == 0:
            return replace(blocks, chunks=blocks.count)
        left = minimum(self.share, self.inner - PART * self.share)
        return replace(blocks, inner=left, chunks=blocks.count)


def deep(product: Product, sizes: Sizes, blocks: Blocks) -> Deep | None:
    """How to sum in parts a product of few results, if it may have many summands."""
    rows, columns = extent_of(product.rows), extent_of(product.columns)
    if not isinstance(rows, int) or not isinstance(columns, int) or min(rows, columns) < 2:
        return None
    operands = (product.left, product.right)
    axes = (product.rows, product.columns, product.inner, *(x.inner for x in operands))
    if any(len(a) != 1 for a in axes) or product.batch or product.turned or product.packed:
        return None
    if sizes.lanes == 1 or any(isinstance(x.tensor.node.op, Windows) for x in operands):
        return None
    few = isinstance(blocks.small, int) and blocks.small == 1
    if few and not (sizes.held and columns <= 2 * NARROW * sizes.lanes):
        return None
    count = 1 if few else blocks.down * blocks.across
    inner = extent_of(product.inner)
    if not isinstance(count, int) or count > MANY_BLOCKS:
        return None
    filled = -(-columns // sizes.lanes) * sizes.lanes
    most, least = ENOUGH // count, max(LEAST, GRAIN // (rows * filled))
    if isinstance(inner, int):
        parts = _even_parts(inner, min(most, inner // least))
        if parts < 2 or (few and inner * columns > parts * HELD_ELEMENTS):
            return None
        return Deep(rows, columns, inner, parts, 1)
    large = maximum(0, minimum(1, inner + 1 - most * least))
    return Deep(rows, columns, inner, most, large)


def _even_parts(inner: int, parts: int) -> int:
    """So many, or some more that are all equal."""
    more = range(parts, parts + parts // 2 + 1)
    return next((n for n in more if n and inner % n == 0), parts)


def part_stored(plan: Deep, frame: Frame) -> Callable[[Expr], list[Stmt]]:
    """What keeps rows p.r .. +p.rows of a block's sums, the first of which is in a line of them."""

    def finish(line: Expr) -> list[Stmt]:
        sizes = frame.sizes
        few, packed = (e.const(width, R.dtype) for width in (sizes.few_width, sizes.width))
        total = e.load(SUMS, (M - R + line) * frame.choose(few, packed) + (N - N0), frame.sum_type)
        row = frame.dims(PART) * plan.rows + M0 + M
        store = Store(PARTIAL, row * plan.columns + N, total)
        columns = frame.along_columns(N0, N0 + e.var("p.w"), [store])
        return [For("p.m", R, R + e.var("p.rows"), (columns,))]

    return finish
