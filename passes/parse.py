"""Reading graphs from their text form (`graphc.ir.text`)."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphc.ir import dims
from graphc.ir.dims import Dim
from graphc.ir.dtypes import as_dtype
from graphc.ir.errors import GraphError
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.op import Op
from graphc.ir.source import Source
from graphc.ir.subgraph import Subgraph
from graphc.ir.types import TensorType
from graphc.ops.literal import Literal
from graphc.ops.source import placeholder, variable
from graphc.passes.graph import Graph

_LINE = re.compile(
    r"(?P<left>%[^:]*): (?P<types>.*?\])(?: = (?P<op>\w+)(?:\((?P<inputs>[^)]*)\))?)?"
    r"(?P<fixed> fixed)?(?: \{(?P<attrs>.*)\})?"
)
_TYPE = re.compile(r"(\w+)\[([^\]]*)\]")
_SOURCE = re.compile(r"(.*?)(?:  # (\S+):(\d+))?")


def parse(text: str, arrays: Mapping[str, np.ndarray] | None = None) -> Graph:
    """The last graph of a text; `arrays` holds what `graphc.ir.text.arrays_of` gave.

    Raises GraphError with the number of the first line that cannot be read: ops that are unknown,
    types that are not what the op gives, values that are not defined, arrays that are missing.
    """
    reader = _Reader(arrays or {})
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                reader.read(line.strip())
            except (GraphError, SyntaxError, LookupError, ValueError, TypeError) as error:
                raise GraphError(f"line {number}: {error}\n  {line.strip()}") from error
    reader.finish()
    return reader.result()


class _Reader:
    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self.arrays = arrays
        self.graphs: dict[str, Subgraph] = {}
        self.name = ""
        self.begin("")

    def begin(self, name: str) -> None:
        """Starts another graph; the one before may be inside it."""
        if self.name:
            self.graphs[self.name] = Subgraph(tuple(self.inputs), tuple(self.outputs))
        self.name = name
        self.values: dict[str, Tensor] = {}
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []
        self.updates: list[tuple[Tensor, Tensor]] = []

    def finish(self) -> None:
        if not self.name:
            raise GraphError("the text holds no graph: it begins with a line `graph NAME`")

    def result(self) -> Graph:
        updates = tuple(self.updates)
        return Graph(tuple(self.inputs), tuple(self.outputs), updates, self.name)

    def read(self, line: str) -> None:
        """One line of text."""
        word, _, rest = line.partition(" ")
        kinds: dict[str, Callable[[str], None]] = {
            "graph": self.begin, "input": self._input, "variable": self._variable,
            "output": self._output, "update": self._update,
        }  # fmt: skip
        if word in kinds:
            kinds[word](rest)
        else:
            self._node(line)

    def _output(self, text: str) -> None:
        self.outputs.append(self._value(text))

    def _update(self, text: str) -> None:
        left, _, right = text.partition(" = ")
        self.updates.append((self._value(left), self._value(right)))

    def _input(self, text: str) -> None:
        parts, source = _parts(text)
        (type_,) = _types(parts["types"])
        name = parts["left"][1:]
        label = name if name.isidentifier() else f"input{name}"
        x = placeholder(label, type_.shape, type_.dtype)
        self.inputs.append(x)
        self._define(parts["left"], x.node, source)

    def _variable(self, text: str) -> None:
        parts, source = _parts(text)
        (type_,) = _types(parts["types"])
        name = parts["left"][1:]
        value = self.arrays.get(name)
        if value is None:
            raise GraphError(f"the value of the variable %{name} is missing")
        x = variable(value, dtype=type_.dtype, trainable=not parts["fixed"])
        _check_types(x.node, (type_,))
        self._define(parts["left"], x.node, source)

    def _node(self, line: str) -> None:
        parts, source = _parts(line)
        if parts["op"] not in Op.registry:
            raise GraphError(f"there is no op {parts['op']!r}")
        names = parts["inputs"].split(", ") if parts["inputs"] else []
        attrs = self._attributes(parts["attrs"] or "")
        node = apply(Op.registry[parts["op"]], *map(self._value, names), **attrs)
        _check_types(node, _types(parts["types"]))
        self._define(parts["left"], node, source)

    def _define(self, left: str, node: Node, source: Source | None) -> None:
        for name, x in zip(left.split(", "), node.outputs, strict=True):
            self.values[name] = x
            if not name[1:].isdigit():
                x.label = name[1:]
        if source is not None:
            node.source = source

    def _value(self, name: str) -> Tensor:
        if name not in self.values:
            raise GraphError(f"{name} is not defined")
        return self.values[name]

    def _attributes(self, text: str) -> dict[str, Any]:
        call = ast.parse(f"f({text})", mode="eval").body
        assert isinstance(call, ast.Call)
        return {str(k.arg): self._attribute(k.value) for k in call.keywords}

    def _attribute(self, tree: ast.expr) -> Any:
        if isinstance(tree, ast.Tuple):
            return tuple(self._attribute(item) for item in tree.elts)
        if isinstance(tree, ast.Attribute) and isinstance(tree.value, ast.Name):
            return self.graphs[tree.attr] if tree.value.id == "graph" else as_dtype(tree.attr)
        if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
            if tree.func.id == "array":
                return self._stored(_number(tree.args[0]))
            if tree.func.id not in ("min", "max"):
                return Literal(_array(tree.func.id, tree))
        if isinstance(tree, (ast.Constant, ast.UnaryOp)):
            return _number(tree)
        return dimension(tree)

    def _stored(self, digest: str) -> Literal:
        if digest not in self.arrays:
            raise GraphError(f"the array {digest} is missing")
        return Literal(self.arrays[digest])


def dimension(tree: ast.expr) -> Dim:
    """The dimension that a Python expression of named sizes is."""
    if isinstance(tree, ast.Name):
        return dims.size(tree.id)
    if isinstance(tree, ast.Constant) and isinstance(tree.value, int):
        return tree.value
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
        return -dimension(tree.operand)
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        a, b = map(dimension, tree.args)
        return dims.minimum(a, b) if tree.func.id == "min" else dims.maximum(a, b)
    if isinstance(tree, ast.BinOp):
        a, b = dimension(tree.left), dimension(tree.right)
        kind = type(tree.op)
        if kind is ast.Add:
            return a + b
        if kind is ast.Sub:
            return a - b
        if kind is ast.Mult:
            return a * b
        if kind is ast.FloorDiv:
            return dims.floordiv(a, b)
        if kind is ast.Mod:
            return dims.mod(a, b)
    raise GraphError(f"{ast.unparse(tree)} is no dimension")


def _parts(text: str) -> tuple[dict[str, Any], Source | None]:
    """The parts of a line that defines values, and the user's line."""
    found = _SOURCE.fullmatch(text)
    assert found is not None
    parts = _LINE.fullmatch(found[1])
    if parts is None:
        raise GraphError("this is no line of a graph")
    return parts.groupdict(), Source(found[2], int(found[3])) if found[2] else None


def _types(text: str) -> tuple[TensorType, ...]:
    def shape(inner: str) -> tuple[Dim, ...]:
        tree = ast.parse(f"({inner},)" if inner else "()", mode="eval").body
        assert isinstance(tree, ast.Tuple)
        return tuple(map(dimension, tree.elts))

    return tuple(TensorType(as_dtype(kind), shape(inner)) for kind, inner in _TYPE.findall(text))


def _check_types(node: Node, types: tuple[TensorType, ...]) -> None:
    if node.types != types:
        ours, theirs = (", ".join(map(str, t)) for t in (node.types, types))
        raise GraphError(f"{node.op.name} gives {ours}, not {theirs}")


def _number(tree: ast.expr) -> Any:
    """A number, string, truth value or None; nan and inf are names."""
    if isinstance(tree, ast.Name):
        return float(tree.id)
    if isinstance(tree, ast.UnaryOp):
        return -_number(tree.operand)
    return ast.literal_eval(tree)


def _array(kind: str, call: ast.Call) -> np.ndarray:
    (content,) = call.args
    dtype = as_dtype(kind).numpy
    if not isinstance(content, ast.List):
        return np.array(_number(content)).astype(dtype)
    shape = ast.literal_eval(call.keywords[0].value)
    return np.array([_number(item) for item in content.elts]).astype(dtype).reshape(shape)
