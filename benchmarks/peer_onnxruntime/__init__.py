"""ONNX Runtime: CPU provider, all graph optimisations, inputs bound once; inference only."""

import os

import onnxruntime as ort
from workloads.language import CACHES

from peer_onnxruntime import core, language, scientific, vision
from peer_onnxruntime.graph import Graph

WORKLOADS = {
    **core.WORKLOADS,
    **vision.WORKLOADS,
    **language.WORKLOADS,
    **scientific.WORKLOADS,
}
# What is an argument, not a weight.
INPUTS = {
    "gemm_1024": ("A", "B"),
    "gemm_bias_relu": ("x", "W", "b"),
    "bert_infer_b1": ("ids", "kinds"),
    "gpt2_decode_b1": ("token", "position", *CACHES),
    "shallow_water": ("h", "u", "v"),
}


def build(name, data):
    if name not in WORKLOADS:
        raise NotImplementedError("inference only")
    g = Graph()
    outputs = WORKLOADS[name](g, data)
    inputs = {k: data[k] for k in INPUTS.get(name, ("x",))}
    if name == "gpt2_decode_b1":
        run = session(g.model(language.without_last(inputs), outputs))
        return language.decoding(run, inputs, outputs)
    run = session(g.model(inputs, outputs))
    values = {k: ort.OrtValue.ortvalue_from_numpy(v) for k, v in inputs.items()}

    def step():
        return run.run_with_ort_values(outputs, values)

    step.canonical = lambda out: [o.numpy() for o in out]
    return step


def session(model):
    options = ort.SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    options.inter_op_num_threads, options.log_severity_level = 1, 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
