"""Tunes a graph on this machine: which choices there are for its kernels, and what they take."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from graphc.backends.building import LOWERINGS, program_of
from graphc.backends.cpu.callspec import Prepare
from graphc.backends.cpu.search import FEWEST, Found, Sample, search
from graphc.backends.cpu.timed import Timed, Variables
from graphc.backends.llvm.target import Target
from graphc.backends.lower.choices import (
    Choice,
    Choices,
    lowered_text,
    values_for,
    with_choices,
)
from graphc.backends.lower.kernel import Nested, Schedule
from graphc.backends.program import Program
from graphc.ir.node import Tensor
from graphc.ir.record import dataclass
from graphc.passes.fusion.body import Body
from graphc.passes.graph import Graph
from graphc.passes.identity import identity_of

#: Samples of a program, at most.
MOST = 300
#: Part of the time that compiling may take, beyond the fewest programs to compare.
COMPILING = 0.7

#: Kernels are timed by counters of the process, and by nobody else meanwhile.
_turn = threading.Lock()


@dataclass(frozen=True)
class Tuned:
    """What was found for one kernel, and what that kernel does, in words."""

    name: str
    what: str
    found: Found


def tuned(
    graph: Graph,
    variables: Sequence[Tensor],
    schedule: Schedule,
    target: Target,
    prepare: Prepare,
    arguments: Sequence[np.ndarray],
    seconds: float,
) -> list[Tuned]:
    """Choices for kernels of an optimised graph that are quicker for these arguments.

    Variables keep their values: copies are updated.
    """
    with _turn:
        tuner = _Tuner(graph, Variables(variables), schedule, target, prepare, arguments)
        found = search(list(tuner.bodies), tuner.variants, tuner.measure, seconds)
    return [Tuned(name, described(tuner.bodies[name]), each) for name, each in found.items()]


class _Tuner:
    def __init__(
        self,
        graph: Graph,
        variables: Variables,
        schedule: Schedule,
        target: Target,
        prepare: Prepare,
        arguments: Sequence[np.ndarray],
    ):
        self.graph, self.variables, self.schedule = graph, variables, schedule
        self.target, self.prepare, self.arguments = target, prepare, arguments
        self.bodies = bodies_of(self._program({}))

    def _program(self, choices: Choices) -> Program:
        graph, schedule = self.graph, with_choices(self.schedule, choices)
        return program_of(graph, schedule)

    def variants(self, name: str, choice: Choice) -> list[Choice]:
        """The choices that differ from the given one in one field, and give other code; the first
        values of all fields come first.
        """
        body = self.bodies[name]
        seen = {self._text(body, choice)}
        found: list[Choice] = []
        values = values_for(body)
        for k in range(max(map(len, values.values()), default=0)):
            for field, tried in values.items():
                other = {**choice, field: tried[k]} if k < len(tried) else choice
                text = self._text(body, other)
                if text not in seen:
                    seen.add(text)
                    found.append(other)
        return found

    def _text(self, body: Body, choice: Choice) -> str:
        schedule = with_choices(self.schedule, {identity_of(body) or "": choice})
        return lowered_text(body, schedule.of(body), LOWERINGS[body.kind])

    def measure(self, trials: Sequence[Choices], seconds: float) -> list[list[Sample]]:
        """Samples of the programs with these choices, which are called in turn."""
        begin = time.perf_counter()
        programs: list[Timed] = []
        for choices in trials:
            if len(programs) > 1 and time.perf_counter() - begin > COMPILING * seconds:
                break
            program = self._program(choices)
            programs.append(Timed(program, self.variables, self.target, self.prepare))
        for each in programs:
            each.seconds(self.arguments)
        samples: list[list[Sample]] = [[] for _ in programs]
        while len(samples[0]) < FEWEST or (
            time.perf_counter() - begin < seconds and len(samples[0]) < MOST
        ):
            for each, taken in zip(programs, samples, strict=True):
                taken.append(each.seconds(self.arguments))
        return samples


def bodies_of(program: Program) -> Mapping[str, Body]:
    """The bodies of a program and of those nested in it that can have choices, by identity."""
    names = ((identity_of(body), body) for body in _bodies(program))
    return {name: body for name, body in names if name is not None}


def _bodies(program: Program) -> Iterator[Body]:
    yield from (body for body in program.bodies if body.node.op.lowering != "control")
    for call in program.calls:
        if isinstance(call, Nested):
            for inner in call.programs:
                yield from _bodies(inner)


def described(body: Body) -> str:
    """The ops that a kernel ends with, and the types of what it reads."""
    ops = "+".join(dict.fromkeys(root.tensor.node.op.name for root in body.roots[:3]))
    return f"{ops}({', '.join(str(x.type) for x in body.inputs[:4])})"
