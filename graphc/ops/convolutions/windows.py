"""Windows: the elements under a kernel at each of its positions, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim, bounds, floordiv, mod
from graphc.ir.dtypes import int64
from graphc.ir.errors import ShapeError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Index, Op, Reader, Sample
from graphc.ir.record import dataclass
from graphc.ir.types import Shape, TensorType
from graphc.ops.convolutions.tiles import untile
from graphc.ops.literal import Literal
from graphc.ops.sampling import FEW, KINDS, moved

#: Along one axis: element (o * move + k * reach + offset) / every is what tap k sees at position o.
Step = tuple[int, int, Dim, int]


class Windows(Op):
    """Tap k of a kernel at position o sees element (o * move + k * reach + offset) / every of an
    axis, where that is an element; else it sees `fill`.

    Each of `axes` gets the length in `out` that counts positions, and the taps, as many as `taps`
    says, become new last axes in the same order. `steps` holds (move, reach, offset, every) for
    each axis. Of "unwindows" the input has the axes of the taps already: tap k reads at k.
    """

    lowering = "read"

    def __init__(self, name: str, *, paired: bool):
        super().__init__(name)
        self.paired = paired

    def infer(self, *inputs: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        (x,) = inputs
        axes, out, taps = attrs["axes"], attrs["out"], attrs["taps"]
        assert len(axes) == len(out) == len(taps) == len(attrs["steps"])
        shape = list(x.shape[: x.ndim - len(taps)] if self.paired else x.shape)
        if self.paired and x.shape[len(shape) :] != taps:
            raise ShapeError(f"the last axes of {x} must be the taps {taps}")
        for axis, d in zip(axes, out, strict=True):
            shape[axis] = d
        return (TensorType(x.dtype, (*shape, *taps)),)

    def grad(self, node: Node, *cotangents: Tensor | None) -> Sequence[Tensor | None]:
        from graphc.ops.reduction import sum

        (g,) = cotangents
        assert g is not None
        (x,), a = node.inputs, node.attrs
        sizes = tuple(x.shape[k] for k in a["axes"])
        if not self.paired and _are_tiles(a["taps"], a["steps"]):
            return (untile(g, a["axes"], sizes, tuple(offset for _, _, offset, _ in a["steps"])),)
        if not self.paired:
            from graphc.ops.convolutions.window_phases import has_phases, seen_by

            if has_phases(node):
                return (seen_by(g, node),)
        steps = tuple((every, -reach, -offset, move) for move, reach, offset, every in a["steps"])
        back = unwindows(g, a["axes"], sizes, steps)
        return (back if self.paired else sum(back, axis=tuple(range(x.ndim, back.ndim))),)

    def batch(
        self, node: Node, inputs: Sequence[Tensor], axes: Sequence[int | None], size: Dim
    ) -> Sequence[Tensor]:
        moved_axes = tuple(k + 1 for k in node.attrs["axes"])
        return apply(self, inputs[0], **{**node.attrs, "axes": moved_axes}).outputs

    def reference(self, *inputs: Any, **attrs: Any) -> Any:
        (x,), axes, taps = inputs, attrs["axes"], attrs["taps"]
        n = len(axes)
        rest = x.ndim - 2 * n if self.paired else x.ndim - n
        order = (*(k for k in range(rest + n) if k not in axes), *axes)
        x = x.transpose((*order, *range(rest + n, x.ndim)))
        there: list[Any] = []
        inside: Any = np.ones((1,) * (2 * n), bool)
        for k, (out, (move, reach, offset, every)) in enumerate(
            zip(attrs["out"], attrs["steps"], strict=True)
        ):
            at = move * np.arange(out)[:, None] + reach * np.arange(taps[k]) + offset
            spread = [1] * (2 * n)
            spread[k], spread[n + k] = out, taps[k]
            at = at.reshape(spread)
            inside = inside & (at % every == 0) & (at >= 0) & (at // every < x.shape[rest + k])
            there.append(np.clip(at // every, 0, max(x.shape[rest + k] - 1, 0)))
        fill = attrs["fill"].array.astype(x.dtype)
        if 0 in x.shape[rest : rest + n]:
            result = np.full((*x.shape[:rest], *attrs["out"], *taps), fill)
        else:
            if self.paired:
                there += list(np.ix_(*map(np.arange, taps)))
            result = np.where(inside, x[(..., *there)], fill)
        result = np.broadcast_to(result, (*x.shape[:rest], *attrs["out"], *taps))
        back = tuple(order.index(k) for k in range(rest + n))
        return result.transpose((*back, *range(rest + n, rest + 2 * n)))

    def read(self, node: Node, output: int, index: Index, reader: Reader) -> Any:
        (x,), a = node.inputs, node.attrs
        ndim = len(index) - len(a["taps"])
        there, taps = list(index[:ndim]), index[ndim:]
        inside: list[Any] = []
        for k, axis in enumerate(a["axes"]):
            line = Line(x.shape[axis], a["out"][k], a["taps"][k], a["steps"][k])
            there[axis], more = line.element(index[axis], taps[k], reader)
            inside += more
        at = (*there, *(taps if self.paired else ()))
        if not inside:
            return reader.at(x, at)
        condition = inside[0]
        for part in inside[1:]:
            condition = condition & part
        fill = a["fill"].array.item()
        return reader.choose(
            condition, lambda: reader.at(x, at), lambda: reader.ops.const(fill, x.dtype)
        )

    def cost(self, node: Node) -> Dim:
        return 0

    def samples(self) -> Sequence[Sample]:
        steps = ((1, 1, -1, 1), (2, 1, 0, 1))
        two = {"axes": (1, 2), "out": (4, 3), "taps": (3, 2), "steps": steps}
        spread = {"axes": (0,), "out": (6,), "taps": (3,), "steps": ((1, -2, 3, 2),)}
        inner = {"axes": (1,), "out": (2,), "taps": (2,), "steps": ((2, 1, 0, 1),)}
        none = {"axes": (1,), "out": (3,), "taps": (2,), "steps": ((1, 1, -1, 1),)}
        cases: tuple[tuple[tuple[int, ...], dict[str, Any]], ...] = (
            ((2, 4, 5), two), ((4, 2), spread), ((2, 5, 1), inner), ((2, 0), none),
        )  # fmt: skip
        return tuple(
            sample
            for shape, attrs in cases
            for d in (KINDS if attrs is two else FEW)
            for sample in moved(
                [(*shape, *attrs["taps"]) if self.paired else shape],
                {**attrs, "fill": Literal(np.asarray(not self.paired, d.numpy))},
                (d,),
            )
        )


@dataclass(frozen=True)
class Line:
    """One axis of length `size` under a kernel of `taps` taps at `out` positions."""

    size: Dim
    out: Dim
    taps: Dim
    step: Step

    def element(self, o: Dim, k: Dim, reader: Reader) -> tuple[Dim, list[Any]]:
        """What tap k sees at position o, and the conditions under which that is an element."""
        where, rest, inside = self.nearest(o, k, reader)
        if rest != 0:
            inside.append(reader.ops.equal(reader.value(rest, int64), 0))
        return where, inside

    def nearest(self, o: Dim, k: Dim, reader: Reader) -> tuple[Dim, Dim, list[Any]]:
        """The element that tap k at position o sees or lies past, how far past it that is in parts
        of the way to the next, and the conditions under which there is such an element.
        """
        move, reach, offset, every = self.step
        at = o * move + k * reach + offset
        low, high = self._ends()
        where, rest = (at, 0) if every == 1 else (floordiv(at, every), mod(at, every))
        conditions: list[Any] = []
        if not _never_negative(low):
            conditions.append(reader.value(at, int64) >= 0)
        if not _never_negative((self.size - 1) * every - high):
            conditions.append(reader.value(where - self.size, int64) < 0)
        return where, rest, conditions

    def _ends(self) -> tuple[Dim, Dim]:
        """The lowest and the highest `at` of all positions and taps, of which there are some where
        an element is asked for.
        """
        move, reach, offset, _ = self.step
        far = ((move, self.out), (reach, self.taps))
        low = offset + sum((step * (d - 1) for step, d in far if step < 0), 0)
        return low, offset + sum((step * (d - 1) for step, d in far if step > 0), 0)


def _are_tiles(taps: Shape, steps: tuple[Step, ...]) -> bool:
    """Whether windows touch without overlapping."""
    return all(
        isinstance(k, int) and (move, reach, every) == (k, 1, 1)
        for k, (move, reach, _, every) in zip(taps, steps, strict=True)
    )


def overlap(node: Node) -> bool:
    """Whether several taps of windows may see the same element."""
    taps, steps = node.attrs["taps"], node.attrs["steps"]
    return any(k != 1 for k in taps) and not _are_tiles(taps, steps)


def _never_negative(d: Dim) -> bool:
    low, _ = bounds(d)
    return low is not None and low >= 0


_WINDOWS = Windows("windows", paired=False)
_UNWINDOWS = Windows("unwindows", paired=True)


def windows(
    x: Tensor,
    axes: tuple[int, ...],
    out: Shape,
    taps: Shape,
    steps: tuple[Step, ...],
    fill: bool | int | float = 0,
) -> Tensor:
    """What each tap sees at each position along `axes`, as `Windows` says."""
    literal = Literal(np.asarray(fill, x.dtype.numpy))
    attrs = {"axes": axes, "out": out, "taps": taps, "steps": steps, "fill": literal}
    return apply(_WINDOWS, x, **attrs).outputs[0]


def unwindows(x: Tensor, axes: tuple[int, ...], out: Shape, steps: tuple[Step, ...]) -> Tensor:
    """x, whose last axes are taps, at the positions that `steps` gives each tap; elsewhere 0."""
    literal = Literal(np.asarray(0, x.dtype.numpy))
    taps = x.shape[x.ndim - len(axes) :]
    attrs = {"axes": axes, "out": out, "taps": taps, "steps": steps, "fill": literal}
    return apply(_UNWINDOWS, x, **attrs).outputs[0]
