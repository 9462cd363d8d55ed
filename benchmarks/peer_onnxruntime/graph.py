"""ONNX graphs, written operation by operation."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

TYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}


class Value(str):
    """A value's name, with the operators that shared definitions use; `graph` gets the nodes."""

    def __new__(cls, name, graph):
        value = super().__new__(cls, name)
        value.graph = graph
        return value

    def __add__(self, other):
        return self.graph.Add(self, other)

    def __matmul__(self, other):
        return self.graph.MatMul(self, other)


class Graph:
    """A graph in the making; weights become initializers (constants)."""

    def __init__(self):
        self.nodes, self.constants, self.n = [], [], 0

    def name(self):
        self.n += 1
        return Value(f"t{self.n}", self)

    def __getattr__(self, kind):
        def op(*inputs, outputs=1, **attributes):
            names = [self.name() for _ in range(outputs)]
            self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
            return names if outputs > 1 else names[0]

        return op

    def constant(self, value, dtype=np.float32):
        name = self.name()
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype), name))
        return name

    def ints(self, *values):
        return self.constant(values, np.int64)

    def model(self, inputs, outputs):
        """The model's bytes; inputs {name: array}."""
        graph = helper.make_graph(
            self.nodes,
            "graph",
            [
                helper.make_tensor_value_info(k, TYPES[v.dtype.name], v.shape)
                for k, v in inputs.items()
            ],
            [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs],
            self.constants,
        )
        opsets = [helper.make_opsetid("", 20)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
