"""ONNX graphs, written operation by operation."""

import itertools

import numpy as np
from onnx import TensorProto, helper, numpy_helper

TYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}
NUMBERS = itertools.count()


class Value(str):
    """A value's name, with the operators that shared definitions use; `graph` gets the nodes."""

    def __new__(cls, name, graph):
        value = super().__new__(cls, name)
        value.graph = graph
        return value

    def _operand(self, other):
        return other if isinstance(other, str) else self.graph.constant(other)

    def __add__(self, other):
        return self.graph.Add(self, self._operand(other))

    def __radd__(self, other):
        return self.graph.Add(self._operand(other), self)

    def __sub__(self, other):
        return self.graph.Sub(self, self._operand(other))

    def __mul__(self, other):
        return self.graph.Mul(self, self._operand(other))

    def __rmul__(self, other):
        return self.graph.Mul(self._operand(other), self)

    def __matmul__(self, other):
        return self.graph.MatMul(self, other)

    def __getitem__(self, place):
        """x[:, i] alone, of the shared definitions' ways to index."""
        _, i = place
        return self.graph.Gather(self, self.graph.constant(i, np.int64), axis=1)


class Constant(Value):
    """An initializer whose value can still be cut up."""

    def __new__(cls, graph, value):
        self = super().__new__(cls, graph.constant(value), graph)
        self.value = value
        return self

    def __getitem__(self, place):
        return Constant(self.graph, self.value[place])


class Graph:
    """A graph in the making; weights become initializers (constants)."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def name(self):
        return Value(f"t{next(NUMBERS)}", self)

    def __getattr__(self, kind):
        def op(*inputs, outputs=1, **attributes):
            names = [self.name() for _ in range(outputs)]
            self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
            return names if outputs > 1 else names[0]

        return op

    def constant(self, value, dtype=np.float32):
        name = self.name()
        self.constants.append(numpy_helper.from_array(np.array(value, dtype, order="C"), name))
        return name

    def ints(self, *values):
        return self.constant(values, np.int64)

    def proto(self, inputs, outputs):
        """The graph; inputs and outputs are descriptions of values."""
        used = {name for node in self.nodes for name in node.input}
        constants = [c for c in self.constants if c.name in used]
        return helper.make_graph(self.nodes, "graph", inputs, outputs, constants)

    def model(self, inputs, outputs):
        """The model's bytes; inputs {name: array}."""
        given = [
            helper.make_tensor_value_info(k, TYPES[v.dtype.name], v.shape)
            for k, v in inputs.items()
        ]
        graph = self.proto(given, [floats(name) for name in outputs])
        opsets = [helper.make_opsetid("", 20)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def floats(name):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)


def loop(graph, steps, start, body):
    """What `body` makes of the values `start` after so many steps; all of them float."""
    inner = Graph()
    state = [inner.name() for _ in start]
    count, going = inner.name(), inner.name()
    after = [inner.Identity(going), *body(*state)]
    given = [
        helper.make_tensor_value_info(count, TensorProto.INT64, []),
        helper.make_tensor_value_info(going, TensorProto.BOOL, []),
    ]
    made = [helper.make_tensor_value_info(after[0], TensorProto.BOOL, [])]
    proto = inner.proto(
        [*given, *(floats(s) for s in state)], [*made, *(floats(a) for a in after[1:])]
    )
    times = graph.constant(steps, np.int64)
    out = graph.Loop(times, "", *start, outputs=len(start), body=proto)
    return [out] if len(start) == 1 else out
