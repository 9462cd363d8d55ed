"""One loop over bands of rows: how many rows a band has, and what the loop's results become."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.dim_values import product, substitute
from graphc.ir.dims import Dim, size
from graphc.ir.node import Node, Tensor
from graphc.ir.subgraph import Subgraph
from graphc.machine import FLOAT, TYPICAL
from graphc.ops.arithmetic import add
from graphc.ops.layout import reshape, transpose
from graphc.ops.linear.contraction import dot_general
from graphc.ops.loops.bands import MOST_CHUNKS, bands_node
from graphc.ops.reduction import sum as reduce_sum
from graphc.passes.bands.bodies import Body, arranged_axes
from graphc.passes.bands.limits import Limits, band_limits
from graphc.passes.bands.regions import COLUMN, OTHER, ROW, UNIT, Region, is_big, is_kept
from graphc.passes.derivatives.branch_gradients import like

#: Bytes of a value's rows in a band, about: products of more rows gain more than it costs to find
#: some of them in the shared cache. Rows at least and at most, and bands of a matrix, about.
BAND_BYTES = 2 * TYPICAL.second
FEWEST, MOST = 16, 128
ENOUGH = 16
#: Bytes of a value, in all and of one matrix, from which on it is not stored: less stays in a cache
#: anyway. What rows have beside, and columns, may be so large a part of the value.
LEAST, LEAST_MATRIX = TYPICAL.streamed, TYPICAL.shared // 8
ROW_SHARE, COLUMN_SHARE = 4, 2
#: Bytes in all where columns are left out; what is beside may be as large.
LEAST_SEEN = 2 * TYPICAL.second
#: Rows and columns where their number is not known.
USUAL = 2048
ROWS, COLUMNS = "_band", "_seen"


def usual(d: Dim) -> int:
    """A dimension, where what is not known of it is as usual."""
    known = substitute(d, lambda a: USUAL if a.kind == "size" else None)
    assert isinstance(known, int), f"{d} has no usual value"
    return known


def is_large(region: Region, *, limited: bool) -> bool:
    """Whether the values of a region are too large for the caches, as far as is known."""
    matrix = region.rows * region.columns * FLOAT
    whole = product(region.batch) * matrix
    if isinstance(whole, int) and whole < (LEAST_SEEN if limited else LEAST):
        return False
    return limited or not isinstance(matrix, int) or matrix >= LEAST_MATRIX


class Loop:
    """One loop over bands: it computes `nodes`, and stores what `sinks` give. `names`: of the sizes
    that are a band's rows, and the columns that it sees.
    """

    def __init__(
        self, region: Region, nodes: Sequence[Node], sinks: Sequence[Node], names: tuple[str, str]
    ):
        self.region, self.nodes, self.names = region, nodes, names
        labels = region.labels
        self.totals = [n for n in sinks if ROW not in labels[n.outputs[0]]]
        self.rows = [n for n in sinks if ROW in labels[n.outputs[0]]]
        self.most, exact = self._band()
        self.name = None if exact else names[0]
        self.limits = Limits(region, nodes).rows
        self.body = self._body()
        if self.limits is not None and self.body.has_lines:
            self.limits = None
            self.body = self._body()

    def _body(self) -> Body:
        rows = self.most if self.name is None else size(self.name)
        columns = self.region.columns if self.limits is None else size(self.names[1])
        body = Body(self.region, rows, columns)
        body.make(self.nodes)
        return body

    @property
    def given(self) -> list[Tensor]:
        """What the loop reads."""
        limits = [] if self.limits is None else [band_limits(self.limits, self.most)]
        return [*limits, *self.body.given]

    def _band(self) -> tuple[int, bool]:
        """Rows of a band, and whether all bands have as many."""
        widths = [usual(product(_others(self.region, n, ROW))) for n in self.nodes if self._big(n)]
        most = min(MOST, BAND_BYTES // (FLOAT * max(widths, default=1)))
        most = max(FEWEST, min(most, usual(self.region.rows) // ENOUGH))
        most -= most % 8
        height = self.region.rows
        if isinstance(height, int):
            exact = next((m for m in range(most, most // 2, -1) if height % m == 0), None)
            return (exact or min(most, height)), exact is not None
        return most, False

    def _big(self, node: Node) -> bool:
        return is_big(self.region.labels[node.outputs[0]])

    def pays(self) -> bool:
        """Whether the values are large, and operands and results small beside them."""
        region, limited = self.region, self.limits is not None
        if not is_large(region, limited=limited):
            return False
        rows, columns = usual(region.rows), usual(region.columns)
        wide = tall = 0
        pairs = [(x.shape, own) for x, own in self.body.known if not self.region.makes(x, own)]
        results = [n.outputs[0] for n in (*self.rows, *self.totals)]
        pairs += [(x.shape, self.region.labels[x]) for x in results]
        for shape, own in pairs:
            if not is_big(own):
                axes = zip(shape, own, strict=True)
                others = usual(product(d for d, label in axes if label == OTHER))
                wide += others * (ROW in own)
                tall += others * (COLUMN in own)
        if limited:
            return columns >= wide and rows >= tall
        return columns >= ROW_SHARE * wide and rows >= COLUMN_SHARE * tall

    def run(self, given: Sequence[Tensor]) -> dict[Tensor, Tensor]:
        """What the sinks' outputs become, given the operands."""
        region, body = self.region, self.body
        news = [self._arranged(n) for n in self.totals]
        sums = [like(y.type, f"total{k}") for k, y in enumerate(news)]
        outputs = [*map(add, sums, news), *map(self._arranged, self.rows)]
        inner = Subgraph((*sums, *body.inputs), tuple(outputs))
        parts = self._parts(news)
        made = bands_node(
            given,
            body=inner,
            totals=len(sums),
            batch=region.batch,
            height=region.rows,
            most=self.most,
            rows=self.name,
            columns=None if self.limits is None else (self.names[1], region.columns),
            parts=parts,
            operands=tuple(body.operands),
        )
        found = {}
        for k, node in enumerate((*self.totals, *self.rows)):
            found[node.outputs[0]] = self._whole(node, made[k], k < len(sums))
        return found

    def _parts(self, totals: Sequence[Tensor]) -> int:
        """Runs of bands of a matrix: enough to share out."""
        number = product(self.region.batch)
        if not isinstance(number, int) or number == 0:
            return 1
        wanted = -(-MOST_CHUNKS // (2 * number if totals else number))
        height = usual(self.region.rows)
        most = -(-height // self.most)
        bytes_ = sum(usual(y.type.bytes) for y in totals)
        if bytes_:
            most = min(most, max(1, height * usual(self.region.columns) * FLOAT // (4 * bytes_)))
        return max(1, min(wanted, most))

    def _arranged(self, node: Node) -> Tensor:
        """What a sink gives in a band, rows first, then columns."""
        (out,) = node.outputs
        labels = self.region.labels[out]
        kept = [k for k in range(len(labels)) if is_kept(labels[k])]
        order = tuple(kept.index(k) for k in arranged_axes(labels) if k in kept)
        value = self.body.known[out, labels]
        if order != tuple(range(len(order))) and value.node.op.name == "dot_general":
            (ba, bb), (ca, cb) = value.node.attrs["batch"], value.node.attrs["contract"]
            a, b = value.node.inputs
            ours = a.ndim - len(ba) - len(ca)
            n = len(ba)
            turned = (*range(n), *range(n + ours, value.ndim), *range(n, n + ours))
            if turned == order:
                return dot_general(b, a, (bb, ba), (cb, ca))
        return transpose(value, order)

    def _whole(self, node: Node, y: Tensor, total: bool) -> Tensor:
        """A sink's output from what the bands gave."""
        (out,) = node.outputs
        labels = self.region.labels[out]
        count = len(self.region.batch)
        lost = tuple(k for k in range(count) if k not in labels)
        axes = (*lost, count) if total else lost
        y = reduce_sum(y, axes, dtype=y.dtype) if axes else y
        order = [k for k in arranged_axes(labels) if labels[k] != UNIT]
        natural = sorted(order)
        return reshape(transpose(y, tuple(order.index(k) for k in natural)), out.shape)


def _others(region: Region, node: Node, label: str) -> list[Dim]:
    (out,) = node.outputs
    labels = region.labels[out]
    return [
        d
        for d, own in zip(out.shape, labels, strict=True)
        if own != label and not isinstance(own, int)
    ]
