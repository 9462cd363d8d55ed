"""What a call says when there is not enough memory for its results or between its kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from graphc.ir.dim_values import evaluate
from graphc.ir.dim_values import sizes as sizes_of
from graphc.ir.dims import Dim
from graphc.ir.node import Tensor
from graphc.ir.types import TensorType
from graphc.stages import Stages


def shortage(stages: Stages) -> Callable[[int | None, int, Mapping[str, int]], str]:
    """The text for an output's number, or for None and the bytes between kernels that are needed;
    then come the named sizes of the call.
    """

    def text(output: int | None, needed: int, known: Mapping[str, int]) -> str:
        source = stages.source
        if output is not None:
            x = source.outputs[output]
            size = _quantity(evaluate(x.type.bytes, known))
            return f"{source.name}: no memory for an output of {size}\n  {_described(x, known)}"
        lines = [f"{source.name}: no memory for {_quantity(needed)} between kernels"]
        lines += [f"  the largest: {_described(x, known)}" for x in _largest(stages, known)]
        return "\n".join([*lines, "  hint: a function's .memory says what a call needs"])

    return text


def _largest(stages: Stages, known: Mapping[str, int]) -> Iterator[Tensor]:
    """The largest value that lies between kernels, if there is any."""
    assert stages.program is not None
    places = stages.program.plan.places.items()
    kept = [x for x, place in places if place.kind == "arena" and isinstance(x, Tensor)]
    kept = [x for x in kept if sizes_of(x.type.bytes) <= known.keys()]
    if kept:
        yield max(kept, key=lambda x: evaluate(x.type.bytes, known))


def _described(x: Tensor, known: Mapping[str, int]) -> str:
    """The tensor's line with its sizes filled in."""

    def filled(d: Dim) -> int:
        return evaluate(d, known)

    now = TensorType(x.dtype, tuple(map(filled, x.shape)))
    same = "" if str(now) == str(x.type) else f" = {now}"
    return x.describe().replace(str(x.type), f"{x.type}{same}", 1)


def _quantity(count: int) -> str:
    """Bytes in full and as people say them."""
    power = min((max(count, 1).bit_length() - 1) // 10, 6)
    if power == 0:
        return f"{count:,} bytes"
    return f"{count:,} bytes ({count / 1024**power:,.1f} {'KMGTPE'[power - 1]}iB)"
