"""What may be chosen for a kernel, beyond what the machine suggests: fields of its schedule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from types import MappingProxyType
from typing import Any

from graphc.backends.lower.kernel import Call, Schedule
from graphc.ir.node import Node
from graphc.ir.record import dataclass
from graphc.machine import TYPICAL
from graphc.passes.fusion.body import Body
from graphc.passes.identity import identity_of

Value = int | bool
Choice = Mapping[str, Value]
Choices = Mapping[str, Choice]
"""A choice for each kernel that has one, by the identity of its body."""

Lower = Callable[[Body, Schedule, Callable[[Node, str], int]], Sequence[Call]]

RANGES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "grain": (1, 2**40),
        "most_chunks": (1, 2**16),
        "unroll": (1, 8),
        "stream_bytes": (1, 2**62),
        "across": (0, 1),
        "by_lines": (0, 1),
        "line_tile": (16, 2**14),
        "turned": (0, 1),
        "direct": (0, 1),
        "in_place": (0, 1),
        "few": (0, 8),
        "tile_vectors": (1, 4),
        "height": (1, 2**14),
        "width": (1, 2**10),
        "depth": (1, 2**14),
        "positions": (1, 2**8),
    }
)
"""The least and the largest value of each field that can be chosen; those to 1 are truths."""

_GRAIN, _CHUNKS = TYPICAL.chunk_elements, TYPICAL.most_partials
_GRAINS: Mapping[str, Sequence[Value]] = {"grain": [_GRAIN // 4, _GRAIN * 4, _GRAIN * 16]}
_NEST: Mapping[str, Sequence[Value]] = {
    "across": [False, True],
    "by_lines": [False],
    "line_tile": [64, 128, 256, 512, 1024, 2048, 4096],
    "unroll": [1, 2, 8],
    "turned": [False],
    "stream_bytes": [1, 2**62],
    "most_chunks": [_CHUNKS // 16, _CHUNKS // 4, _CHUNKS * 4],
    **_GRAINS,
}
_PRODUCT: Mapping[str, Sequence[Value]] = {
    "direct": [False],
    "in_place": [False],
    "few": [0],
    "tile_vectors": [1, 2, 3, 4],
    "depth": [64, 128, 256, 512, 1024, 2048],
    "width": [32, 64, 128, 256, 512],
    "height": [24, 48, 96, 192, 384, 768],
}
_CONVOLUTION: Mapping[str, Sequence[Value]] = {"positions": [8, 16, 28, 32, 48, 96, 128]}


def is_choice(name: str, value: object) -> bool:
    """Whether a field of a schedule can have this value by choice."""
    least, most = RANGES.get(name, (1, 0))
    if type(value) is not (bool if (least, most) == (0, 1) else int):
        return False
    return isinstance(value, int) and least <= value <= most


def values_for(body: Body) -> Mapping[str, Sequence[Value]]:
    """The values worth trying for each field that may matter to a body."""
    if body.kind == "nest":
        return _NEST
    if body.kind == "loops":
        return {} if body.node.op.lowering == "control" else _GRAINS
    return _PRODUCT if body.node.op.name == "dot_general" else _CONVOLUTION


@dataclass(frozen=True)
class Chosen(Schedule):
    """A schedule with choices for some kernels."""

    choices: Choices = field(default_factory=dict)

    def of(self, body: Body) -> Schedule:
        """The schedule of a body."""
        name = identity_of(body) if self.choices else None
        choice = None if name is None else self.choices.get(name)
        fields: Mapping[str, Any] = choice or {}
        return replace(self, **fields) if fields else self


def with_choices(schedule: Schedule, choices: Choices) -> Schedule:
    """The schedule with these choices."""
    if not choices:
        return schedule
    values = {name: getattr(schedule, name) for name in Schedule.__dataclass_fields__}
    return Chosen(**values, choices=choices)


def lowered_text(body: Body, schedule: Schedule, lower: Lower) -> str:
    """What tells the kernels of a body under a schedule from those under another one."""
    calls = lower(body, schedule, lambda node, what: 1)
    return "".join(f"{call.kernel} {call.chunks}\n" for call in calls)
