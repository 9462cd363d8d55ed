"""ONNX Runtime: CPU provider, all graph optimisations, inputs bound once; inference only."""

import os

import numpy as np
import onnxruntime as ort
import workloads as wl
from onnx import TensorProto, helper, numpy_helper


class Graph:
    """Builds an ONNX graph operation by operation; weights become initializers (constants)."""

    def __init__(self):
        self.nodes, self.constants, self.n = [], [], 0

    def __getattr__(self, kind):
        def op(*inputs, **attributes):
            self.n += 1
            self.nodes.append(helper.make_node(kind, inputs, [f"t{self.n}"], **attributes))
            return f"t{self.n}"

        return op

    def constant(self, value, dtype=np.float32):
        self.n += 1
        self.constants.append(
            numpy_helper.from_array(np.ascontiguousarray(value, dtype), f"t{self.n}")
        )
        return f"t{self.n}"

    def ints(self, *values):
        return self.constant(values, np.int64)


def build(name, data):
    if name not in WORKLOADS:
        raise NotImplementedError("inference only")
    g, inputs = Graph(), [k for k in ("x", "A", "B") if k in data]
    outputs = WORKLOADS[name](g, data)
    if name in ("gemm_1024", "gemm_bias_relu"):
        inputs = list(data)
    graph = helper.make_graph(
        g.nodes,
        name,
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, data[k].shape) for k in inputs],
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs],
        g.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    options = ort.SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    options.inter_op_num_threads, options.log_severity_level = 1, 3
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    values = {k: ort.OrtValue.ortvalue_from_numpy(data[k]) for k in inputs}

    def step():
        return session.run_with_ort_values(outputs, values)

    step.canonical = lambda out: [o.numpy() for o in out]
    return step


def ew_chain(g, d):
    t = g.Tanh(g.Add(g.Mul("x", g.constant(wl.A)), g.constant(wl.B)))
    return [g.Add(g.Mul(t, g.Sigmoid("x")), g.Exp(g.Neg(g.Mul("x", "x"))))]


def moments(g, axes):
    keep = g.ReduceMean("x", axes, keepdims=1)
    c = g.Sub("x", keep)
    return g.ReduceMean("x", axes, keepdims=0), g.ReduceMean(g.Mul(c, c), axes, keepdims=0)


def mlp(g, d):
    c, x = g.constant, "x"
    for i in "123":
        x = g.Gemm(x, c(d["W" + i]), c(d["b" + i]))
        x = x if i == "3" else g.Relu(x)
    return [x]


def resnet18(g, d):
    c = g.constant

    def conv_bn(x, n, stride, pad):
        x = g.Conv(x, c(d[n + ".k"]), strides=[stride] * 2, pads=[pad] * 4)
        return g.BatchNormalization(
            x, c(d[n + ".g"]), c(d[n + ".b"]), c(d[n + ".m"]), c(d[n + ".v"]), epsilon=wl.EPS
        )

    class Value(str):  # so that the shared definition's y + skip builds an Add
        def __add__(self, other):
            return Value(g.Add(self, other))

    return [
        wl.resnet18(
            "x",
            lambda *a: Value(conv_bn(*a)),
            lambda x: Value(g.Relu(x)),
            lambda x: Value(g.MaxPool(x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)),
            lambda x: g.Flatten(g.GlobalAveragePool(x)),
            lambda x: g.Gemm(x, c(d["W"]), c(d["b"])),
        )
    ]


def transformer(g, d):
    p = {k: g.constant(d[k]) for k in wl.TRANSFORMER}
    shape = g.ints(1, 128, wl.HEADS, 32)
    n = g.LayerNormalization("x", p["g1"], p["b1"], epsilon=wl.EPS)
    q, k, v = (
        g.Reshape(
            g.Add(
                g.MatMul(n, g.constant(d["Wqkv"][:, i : i + 256])),
                g.constant(d["bqkv"][i : i + 256]),
            ),
            shape,
        )
        for i in (0, 256, 512)
    )
    q, k, v = (
        g.Transpose(q, perm=[0, 2, 1, 3]),
        g.Transpose(k, perm=[0, 2, 3, 1]),
        g.Transpose(v, perm=[0, 2, 1, 3]),
    )
    a = g.MatMul(g.Softmax(g.Mul(g.MatMul(q, k), g.constant(32**-0.5)), axis=-1), v)
    a = g.Reshape(g.Transpose(a, perm=[0, 2, 1, 3]), g.ints(1, 128, 256))
    h = g.Add("x", g.Add(g.MatMul(a, p["Wo"]), p["bo"]))
    n = g.LayerNormalization(h, p["g2"], p["b2"], epsilon=wl.EPS)
    u = g.Gelu(g.Add(g.MatMul(n, p["W1"]), p["c1"]), approximate="tanh")
    return [g.Add(h, g.Add(g.MatMul(u, p["W2"]), p["c2"]))]


WORKLOADS = {
    "ew_chain": ew_chain,
    "softmax_rows": lambda g, d: [g.Softmax("x", axis=1)],
    "layernorm_rows": lambda g, d: [
        g.LayerNormalization("x", g.constant(d["gamma"]), g.constant(d["beta"]), epsilon=wl.EPS)
    ],
    "logsumexp_all": lambda g, d: [
        g.ReduceLogSumExp("x", g.ints(*a), keepdims=0) for a in ((0, 1), (0,))
    ],
    "mean_var": lambda g, d: [*moments(g, g.ints(0, 1)), *moments(g, g.ints(0))],
    "gemm_1024": lambda g, d: [g.MatMul("A", "B")],
    "gemm_bias_relu": lambda g, d: [g.Relu(g.Gemm("x", "W", "b"))],
    "tiny_call": lambda g, d: [g.Add(g.Mul("x", g.constant(2)), g.constant(1))],
    "mlp_infer_b1": mlp,
    "resnet18_infer_b1": resnet18,
    "transformer_infer": transformer,
}
