"""Gradients of scatter: which update each element of the result comes from, where several meet."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.dim_values import product
from graphc.ir.dtypes import int64
from graphc.ir.node import Node, Tensor
from graphc.ir.record import dataclass
from graphc.ops.arithmetic import divide, multiply
from graphc.ops.comparison import equal, not_equal
from graphc.ops.convert import cast
from graphc.ops.indexing.gather import filler, gather
from graphc.ops.indexing.scatter import scatter
from graphc.ops.layout import broadcast, reshape
from graphc.ops.select import where
from graphc.ops.source import constant, iota

_NEVER = 2**62


@dataclass(frozen=True)
class _Places:
    """The places of a scatter, to gather and scatter with again."""

    node: Node
    x: Tensor
    updates: Tensor
    indices: Sequence[Tensor]

    def read(self, y: Tensor) -> Tensor:
        """y at the place of each update; zero (False) for updates left out."""
        a = self.node.attrs
        fill = filler(0, y.dtype)
        return gather(y, self.indices, a["axes"], a["batch"], a["mode"], fill)

    def write(self, y: Tensor, updates: Tensor, combine: str, unique: bool = False) -> Tensor:
        """y with other updates at the same places."""
        a = self.node.attrs
        indices, axes, batch, mode = self.indices, a["axes"], a["batch"], a["mode"]
        return scatter(y, updates, indices, axes, batch, mode, combine, unique)

    def order(self) -> Tensor:
        """The position of each update in the order in which a line of `batch` takes them."""
        shape, batch = self.indices[0].shape, self.node.attrs["batch"]
        places = reshape(iota((product(shape[batch:]),)), shape[batch:])
        updates = self.updates
        return broadcast(places, updates.shape, tuple(range(batch, len(shape))))

    def full(self, value: int) -> Tensor:
        """An int64 array like x, of one value."""
        return broadcast(constant(value, int64), self.x.shape, ())


def scatter_grads(
    node: Node, x: Tensor, updates: Tensor, indices: Sequence[Tensor], g: Tensor
) -> tuple[Tensor, Tensor]:
    """Cotangents of x and of the updates.

    "set": an element's last update takes it all. "max" and "min": x if it attains the extreme, else
    the first update that does. "mul": exact, also with zeros; its second derivative is where no two
    factors of an element are zero.
    """
    places, combine = _Places(node, x, updates, indices), node.attrs["combine"]
    if combine == "add":
        return g, places.read(g)
    if combine == "set":
        return _set_grads(places, g)
    return _mul_grads(places, g) if combine == "mul" else _extreme_grads(places, g)


def _set_grads(places: _Places, g: Tensor) -> tuple[Tensor, Tensor]:
    updates, unique = places.updates, places.node.attrs["unique"]
    zeros = broadcast(constant(0, g.dtype), updates.shape, ())
    for_x = places.write(g, zeros, "set", unique)
    for_updates = places.read(g)
    if not unique and places.indices[0].size != 1:
        order = places.order()
        last = places.write(places.full(-1), order, "max")
        for_updates = where(equal(places.read(last), order), for_updates, 0)
    return for_x, for_updates


def _extreme_grads(places: _Places, g: Tensor) -> tuple[Tensor, Tensor]:
    x, updates = places.x, places.updates
    (result,) = places.node.outputs
    kept = equal(x, result) | not_equal(x, x)
    order = places.order()
    attains = (equal(updates, places.read(result)) | not_equal(updates, updates)) & ~places.read(
        kept
    )
    first = places.write(places.full(_NEVER), where(attains, order, _NEVER), "min")
    taken = attains & equal(places.read(first), order)
    return where(kept, g, 0), where(taken, places.read(g), 0)


def _mul_grads(places: _Places, g: Tensor) -> tuple[Tensor, Tensor]:
    x, updates = places.x, places.updates
    ones = broadcast(constant(1, x.dtype), x.shape, ())
    for_x = multiply(g, places.write(ones, updates, "mul"))
    if places.node.attrs["unique"]:
        return for_x, multiply(places.read(g), places.read(x))
    zero = equal(updates, 0)
    rest = places.read(places.write(x, where(zero, 1, updates), "mul"))
    count = places.read(places.write(places.full(0), cast(zero, int64), "add"))
    others = where(
        zero,
        where(equal(count, 1), rest, 0),
        where(equal(count, 0), divide(rest, where(zero, 1, updates)), 0),
    )
    return for_x, multiply(places.read(g), others)
