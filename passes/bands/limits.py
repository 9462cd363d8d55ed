"""How many columns the bands of a loop need to see, where a mask hides the last ones: of a causal
mask `column <= row`, no more than there are rows up to the band's last one.

Columns are left out only where that changes nothing. What a value is where the mask is false is
followed through the nodes: it has to be what a reduction ignores, and 0 in products, whose other
operand has to be finite. Where it is not, and where a row has no element that the mask shows,
bands see all columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from graphc.ir.dims import Dim, floordiv
from graphc.ir.dtypes import DType, uint64
from graphc.ir.node import Node, Tensor
from graphc.ops.arithmetic import maximum, minimum
from graphc.ops.classify import isfinite
from graphc.ops.convert import cast
from graphc.ops.elementwise import Elementwise
from graphc.ops.extent import extent
from graphc.ops.indexing.gather import gather
from graphc.ops.layout import broadcast, reshape, transpose
from graphc.ops.reduction import all as every
from graphc.ops.reduction import max as largest
from graphc.ops.select import where
from graphc.ops.source import constant_value, iota, is_scalar_constant
from graphc.passes.bands.bodies import arranged, arranged_shape
from graphc.passes.bands.regions import COLUMN, ROW, Labels, Region, is_big, operand_labels

#: What is known of a value where the mask is false: a number, `FINITE`, or None for nothing.
Known = float | bool | str | None
FINITE = "finite"
#: What reductions ignore.
_NEUTRAL = {"sum": 0, "max": -math.inf, "min": math.inf, "any": False, "all": True, "prod": 1}
#: Comparisons with columns on the left that are false from some column on, what that is beyond the
#: right side, and the same with columns on the right.
_LEFT = {"less": 0, "less_equal": 1}
_RIGHT = {"greater": 0, "greater_equal": 1}
COMPARISONS = frozenset((*_LEFT, *_RIGHT))


class Limits:
    """The limits of a loop that computes `nodes` and gets what they do not make from outside.
    `rows` is how many columns each row needs to see, [*batch, rows]; None if it is all.
    """

    def __init__(self, region: Region, nodes: Sequence[Node]):
        self.region = region
        self.inside = {node.outputs[0] for node in nodes}
        self.bounds: list[tuple[Tensor, Labels]] = []
        self.shown: dict[tuple[Tensor, Labels], None] = {}
        self.finite: dict[tuple[Tensor, Labels], None] = {}
        self._known: dict[tuple[Tensor, Labels], Known] = {}
        exact = all(self._ignores(node) for node in nodes if node in region.sinks)
        self.rows = self._rows() if exact and self.bounds else None

    # --- whether columns may be left out ----------------------------------------------------------

    def _ignores(self, node: Node) -> bool:
        """Whether a sink gives the same without the columns that are hidden."""
        operands = self.region.operands[node]
        if node.op.lowering == "reduce":
            value = self.known(node.inputs[0], operands[0])
            wanted = _NEUTRAL.get(node.op.name)
            return wanted is not None and isinstance(value, (int, float)) and value == wanted
        for k, (x, own) in enumerate(zip(node.inputs, operands, strict=True)):
            if is_big(own):
                other, theirs = node.inputs[1 - k], operands[1 - k]
                if is_big(theirs) or other in self.inside:
                    return False
                self.finite[other, theirs] = None
                value = self.known(x, own)
                return isinstance(value, (int, float)) and value == 0
        return False

    def known(self, x: Tensor, labels: Labels) -> Known:
        """What is known of x where the mask is false."""
        key = (x, labels)
        if key not in self._known:
            todo = [key]
            while todo:
                y, own = todo[-1]
                needed = [pair for pair in self._operands(y, own) if pair not in self._known]
                if needed:
                    todo += needed
                    continue
                todo.pop()
                self._known[y, own] = self._value(y, own)
        return self._known[key]

    def _operands(self, x: Tensor, labels: Labels) -> list[tuple[Tensor, Labels]]:
        if x.node.op.name in ("dot_general", "random_bits") or len(x.node.outputs) > 1:
            return []
        if x.node.op.name == "any" and COLUMN not in labels:
            axes = x.node.attrs["axes"]
            before = list(labels)
            return [(x.node.inputs[0], (*before, COLUMN))] if axes == (x.ndim,) else []
        found = operand_labels(x.node, labels)
        return [] if found is None else list(zip(x.node.inputs, found, strict=True))

    def _value(self, x: Tensor, labels: Labels) -> Known:
        if is_scalar_constant(x):
            value = constant_value(x)
            assert value is not None
            item = value.item()
            return item if isinstance(item, (bool, int, float)) else None
        name, operands = x.node.op.name, self._operands(x, labels)
        values = [self._known[pair] for pair in operands]
        if name in ("broadcast", "transpose", "reshape"):
            return values[0] if values else None
        if name == "any" and values == [False]:
            self.shown[x, labels] = None
            return True
        if name in (*_LEFT, *_RIGHT) and self._is_bound(x, operands):
            return False
        return _of_values(x.node, values) if isinstance(x.node.op, Elementwise) else None

    def _is_bound(self, x: Tensor, operands: Sequence[tuple[Tensor, Labels]]) -> bool:
        """Whether a comparison is false from some column on; that column is noted."""
        turned = x.node.op.name in _RIGHT
        (column, ours), (row, theirs) = reversed(operands) if turned else operands
        if not _is_column(column, ours) or row.node.op.name != "broadcast":
            return False
        own = tuple(theirs[a] for a in row.node.attrs["axes"])
        (bound,) = row.node.inputs
        if COLUMN in own or bound in self.region.labels or not self._counts(bound.dtype):
            return False
        beyond = (_RIGHT if turned else _LEFT)[x.node.op.name]
        whole = broadcast(extent(self.region.columns), bound.shape, ())
        self.bounds.append((minimum(cast(bound, "int64"), whole) + beyond, own))
        return True

    def _counts(self, dtype: DType) -> bool:
        """Whether columns, numbered in a dtype, are in order, and int64 has all its numbers."""
        if not dtype.is_integer or dtype is uint64:
            return False
        columns = self.region.columns
        known = isinstance(columns, int) and columns <= np.iinfo(dtype.numpy).max
        return known or dtype.bits >= 32

    # --- the limits -------------------------------------------------------------------------------

    def _spread(self, x: Tensor, labels: Labels) -> Tensor:
        """x for every row of every matrix."""
        region = self.region
        places = [len(region.batch) if label == ROW else label for label in labels]
        kept = [k for k, label in enumerate(places) if isinstance(label, int)]
        order = sorted(kept, key=lambda k: int(places[k]))
        x = reshape(x, tuple(x.shape[k] for k in kept))
        assert order == kept, "a mask has the order of its scores"
        return broadcast(x, (*region.batch, region.rows), tuple(int(places[k]) for k in kept))

    def _rows(self) -> Tensor:
        every_column = extent(self.region.columns)
        rows = self._spread(*self.bounds[0])
        for bound in self.bounds[1:]:
            rows = maximum(rows, self._spread(*bound))
        whole = broadcast(every_column, rows.shape, ())
        good = [self._spread(*pair) for pair in self.shown]
        for x, labels in self.finite:
            lead = tuple(sorted(label for label in labels if isinstance(label, int)))
            if x.dtype.is_float:
                y = reshape(isfinite(arranged(x, labels)), arranged_shape(x, labels))
                good.append(self._spread(every(y, tuple(range(len(lead), y.ndim))), lead))
        for condition in good:
            rows = where(condition, rows, whole)
        return minimum(maximum(rows, 1), whole)


def band_limits(rows: Tensor, most: int) -> Tensor:
    """The most that a row of each band of `most` rows needs, [*batch, bands]."""
    height: Dim = rows.shape[-1]
    number = floordiv(height + most - 1, most)
    places = iota((number, most), 0) * most + iota((number, most), 1)
    last = broadcast(extent(height) - 1, places.shape, ())
    lead = rows.ndim - 1
    turned = transpose(rows, (lead, *range(lead)))
    each = gather(turned, [minimum(places, last)], (0,), mode="clip")
    return transpose(largest(each, axis=1), (*range(1, lead + 1), 0))


def _is_column(x: Tensor, labels: Labels) -> bool:
    """Whether x is the number of the column."""
    if x.node.op.name != "broadcast" or COLUMN not in labels:
        return False
    (y,) = x.node.inputs
    along = x.node.attrs["axes"] == (labels.index(COLUMN),)
    return along and y.node.op.name == "iota" and y.ndim == 1


def _of_values(node: Node, values: Sequence[Known]) -> Known:
    """What an elementwise node makes of what is known."""
    name = node.op.name
    if name == "where":
        condition, yes, no = values
        if isinstance(condition, bool):
            return yes if condition else no
        if _is_finite(no) and (_is_finite(yes) or _guarded(node)):
            return yes if yes == no else FINITE
        return None
    if name == "bitwise_and" and False in values:
        return False
    if name == "bitwise_or" and values == [False, False]:
        return False
    if name == "invert" and isinstance(values[0], bool):
        return not values[0]
    if name in ("add", "subtract") and values[0] == -math.inf and _is_finite(values[1]):
        return -math.inf
    if name == "add" and values[1] == -math.inf and _is_finite(values[0]):
        return -math.inf
    if name == "exp" and values[0] == -math.inf:
        return 0.0
    if name == "multiply" and all(map(_is_finite, values)):
        return 0.0 if any(v == 0 and v is not False for v in values) else None
    return None


def _is_finite(value: Known) -> bool:
    return value == FINITE or (isinstance(value, (int, float)) and math.isfinite(value))


def _guarded(node: Node) -> bool:
    """Whether a node is where(isfinite(y), y, ...)."""
    condition, yes, _ = node.inputs
    return condition.node.op.name == "isfinite" and condition.node.inputs[0] is yes
