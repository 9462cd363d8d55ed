"""Spells what runs kernels: one Python function for a program, one for each nested in it.

`NAME(status, inputs, outputs, variables, constants, sizes)` works on flat arrays; where a check
fails, it notes code and value in `status` and returns before any variable changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from graphc.backends.lower.kernel import Buffer, Call, Nested, Temporary
from graphc.backends.memory import holder
from graphc.backends.numba.dims import dim_text
from graphc.backends.numba.spelling import stored
from graphc.backends.program import Program
from graphc.ir.dim_values import product
from graphc.ir.dims import Dim
from graphc.ir.dtypes import DType
from graphc.ir.node import Tensor

PARAMETERS = ("status", "inputs", "outputs", "variables", "constants", "sizes")
_LOCAL = (
    "after", "branches", "carry", "chosen", "empty", "end", "inner", "launch", "more", "number",
    "t", "x",
)  # fmt: skip
_TAKEN = (*PARAMETERS, *_LOCAL, "np", "max", "min", "range", "reversed")


def numpy_name(dtype: DType) -> str:
    """The name in NumPy of the type that elements are stored as."""
    return stored(dtype).name if dtype.kind != "b" else "bool_"


def constants_of(program: Program) -> list[Tensor]:
    """The constants of a program and of those nested in it, each once."""
    found = dict.fromkeys(program.constants)
    for call in program.calls:
        if isinstance(call, Nested):
            for inner in call.programs:
                found.update(dict.fromkeys(constants_of(inner)))
    return list(found)


Spell = Callable[[Call, Sequence[str], Callable[[Dim], str]], str]
"""The statement that runs a call's kernel on these arguments, given how dimensions are spelled."""


def entry_text(program: Program, spell: Spell) -> str:
    """`run` and the functions that it needs."""
    positions = {x: k for k, x in enumerate(constants_of(program))}
    return "\n\n".join(_functions(program, "run", spell, positions))


def _functions(
    program: Program, name: str, spell: Spell, constants: Mapping[Tensor, int]
) -> Iterator[str]:
    for k, call in enumerate(program.calls):
        if isinstance(call, Nested):
            for j, inner in enumerate(call.programs):
                yield from _functions(inner, f"{name}_{k}_{j}", spell, constants)
    yield _Entry(program, name, spell, constants).text()


class _Entry:
    """Writes one function."""

    def __init__(
        self,
        program: Program,
        name: str,
        spell: Spell,
        constants: Mapping[Tensor, int],
    ):
        self.program, self.name, self.spell, self.constants = program, name, spell, constants
        self.sizes = {s: f"{s}_" if s in _TAKEN else s for s in program.sizes}
        self.temporaries: dict[Buffer, str] = {}
        self.lines: list[str] = []
        self._depth = 1

    def text(self) -> str:
        program = self.program
        for size in program.sizes:
            self.emit(f"{self.sizes[size]} = sizes[{size!r}]")
        self._arena()
        for k, call in enumerate(program.calls):
            if k == program.first_commit and program.failures:
                self._stop_if_failed()
            if isinstance(call, Nested):
                self._nested(call, f"{self.name}_{k}")
            else:
                self._call(call)
        head = f"def {self.name}({', '.join(PARAMETERS)}):"
        return "\n".join([head, *(self.lines or ["    pass"])]) + "\n"

    def emit(self, line: str) -> None:
        self.lines.append("    " * self._depth + line)

    def dim(self, d: Dim) -> str:
        return dim_text(d, self.sizes)

    def _stop_if_failed(self) -> None:
        self.emit("if status[0]:")
        self.emit("    return")

    def _arena(self) -> None:
        """One array, and where each slot begins in it."""
        plan = self.program.plan
        for k, slot in enumerate(plan.slots):
            self.emit(f"_slot{k} = {self.dim(slot.offset)}")
        if plan.slots:
            self.emit(f"_arena = empty({self.dim(plan.arena_bytes)}, np.uint8)")

    def _argument(self, buffer: Buffer) -> str:
        whole = holder(buffer)
        place = self.program.plan.places[whole]
        if place.kind == "constant":
            assert isinstance(whole, Tensor)
            return f"constants[{self.constants[whole]}]"
        if place.kind != "arena":
            return f"{place.kind}s[{place.number}]"
        if whole not in self.temporaries:
            name = self.temporaries[whole] = f"_value{len(self.temporaries)}"
            size: Dim = whole.bytes if isinstance(whole, Temporary) else whole.type.bytes
            span = f"_slot{place.number} : _slot{place.number} + {self.dim(size)}"
            self.emit(f"{name} = _arena[{span}].view(np.{numpy_name(whole.dtype)})")
        return self.temporaries[whole]

    def _call(self, call: Call) -> None:
        arguments = ["status", *map(self._argument, call.arguments)]
        arguments += [self.sizes[size.removeprefix("size.")] for size in call.kernel.sizes]
        self.emit(self.spell(call, arguments, self.dim))

    def _nested(self, call: Nested, name: str) -> None:
        inputs = [self._argument(x) for x in call.node.inputs]
        outputs = [self._argument(x) for x in call.node.outputs]
        writer = {"scan": self._scan, "blocks": self._blocks}
        writer |= {"while": self._while, "switch": self._switch}
        writer[call.node.op.name](call, name, inputs, outputs)

    def _run(self, name: str, inputs: str, outputs: str, sizes: str = "sizes") -> None:
        """Calls a nested program."""
        self.emit(f"{name}(status, {inputs}, {outputs}, variables, constants, {sizes})")
        self._stop_if_failed()

    def _scan(self, call: Nested, name: str, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        attrs = call.node.attrs
        steps = f"range({self.dim(attrs['length'])})"
        self.emit(f"carry = [{', '.join(inputs[: attrs['carries']])}]")
        self.emit(f"for t in {f'reversed({steps})' if attrs['reverse'] else steps}:")
        self._depth += 1
        self._step(call, name, inputs, outputs, ("t", "t + 1"), "sizes")
        self._depth -= 1
        self._keep_carry(outputs[: attrs["carries"]])

    def _blocks(
        self, call: Nested, name: str, inputs: Sequence[str], outputs: Sequence[str]
    ) -> None:
        attrs = call.node.attrs
        steps = f"range(0, {self.dim(attrs['length'])}, {attrs['most']})"
        self.emit(f"carry = [{', '.join(inputs[: attrs['carries']])}]")
        self.emit(f"for t in {f'reversed({steps})' if attrs['reverse'] else steps}:")
        self._depth += 1
        self.emit(f"end = min(t + {attrs['most']}, {self.dim(attrs['length'])})")
        sizes = "sizes"
        if attrs["rows"] is not None:
            self.emit(f"inner = {{**sizes, {attrs['rows']!r}: end - t}}")
            sizes = "inner"
        self._step(call, name, inputs, outputs, ("t", "end"), sizes)
        self._depth -= 1
        self._keep_carry(outputs[: attrs["carries"]])

    def _step(
        self,
        call: Nested,
        name: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        rows: tuple[str, str],
        sizes: str,
    ) -> None:
        """One run of a body on some rows of the stacks, with its sizes."""
        attrs = call.node.attrs
        body, carries, stacks = attrs["body"], attrs["carries"], attrs["stacks"]
        skip = int("most" in attrs)

        def part(x: Tensor, array: str) -> str:
            row = self.dim(product(x.shape[skip:]))
            return f"{array}[{rows[0]} * ({row}) : ({rows[1]}) * ({row})]"

        elements = body.inputs[carries : carries + stacks]
        xs = [part(x, array) for x, array in zip(elements, inputs[carries:], strict=False)]
        results = zip(body.outputs[carries:], outputs[carries:], strict=True)
        ys = [part(y, array) for y, array in results]
        self._new_carry(f"{name}_0", [*xs, *inputs[carries + stacks :]], ys, sizes)

    def _new_carry(
        self, name: str, others: Sequence[str], results: Sequence[str], sizes: str = "sizes"
    ) -> None:
        """The body's statements: the carry of the next step."""
        self.emit("after = [empty(x.size, x.dtype) for x in carry]")
        operands, values = ", ".join(["*carry", *others]), ", ".join(["*after", *results])
        self._run(name, f"[{operands}]", f"[{values}]", sizes)
        self.emit("carry = after")

    def _keep_carry(self, outputs: Sequence[str]) -> None:
        for k, output in enumerate(outputs):
            self.emit(f"{output}[:] = carry[{k}]")

    def _while(
        self, call: Nested, name: str, inputs: Sequence[str], outputs: Sequence[str]
    ) -> None:
        carries = call.node.attrs["carries"]
        shared = inputs[carries:]
        self.emit(f"carry = [{', '.join(inputs[:carries])}]")
        self.emit("more = empty(1, np.bool_)")
        self.emit("while True:")
        self._depth += 1
        self._run(f"{name}_0", f"[{', '.join(['*carry', *shared])}]", "[more]")
        self.emit("if not more[0]:")
        self.emit("    break")
        self._refuse_negative(call.lengths[1], "")
        self._new_carry(f"{name}_1", shared, ())
        self._depth -= 1
        self._keep_carry(outputs)

    def _refuse_negative(self, lengths: Sequence[tuple[Dim, int]], condition: str) -> None:
        for d, code in lengths:
            self.emit(f"if {condition}{self.dim(d)} < 0:")
            self.emit(f"    if not 0 < status[0] < {code}:")
            self.emit(f"        status[0], status[1] = {code}, {self.dim(d)}")
            self.emit("    return")

    def _switch(
        self, call: Nested, name: str, inputs: Sequence[str], outputs: Sequence[str]
    ) -> None:
        names = [f"{name}_{k}" for k in range(len(call.programs))]
        self.emit(f"branches = [{', '.join(names)}]")
        self.emit(f"number = min(max({inputs[0]}[0], 0), {len(names) - 1})")
        for k, lengths in enumerate(call.lengths):
            self._refuse_negative(lengths, f"number == {k} and ")
        self.emit("chosen = branches[number]")
        self._run("chosen", f"[{', '.join(inputs[1:])}]", f"[{', '.join(outputs)}]")
