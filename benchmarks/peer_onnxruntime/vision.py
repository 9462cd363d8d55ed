"""Image networks with constant weights."""

from functools import partial

from workloads import vision as wl
from workloads.core import EPS


def classify(g, d, network, **operations):
    """A network of workloads/vision.py on the images x."""
    c = g.constant

    def conv_bn(x, n, stride, pad, groups=1):
        x = g.Conv(x, c(d[n + ".k"]), strides=[stride] * 2, pads=[pad] * 4, group=groups)
        norm = (c(d[n + "." + k]) for k in "gbmv")
        return g.BatchNormalization(x, *norm, epsilon=EPS)

    y = network(
        "x",
        conv_bn,
        mean=lambda x: g.Flatten(g.GlobalAveragePool(x)),
        dense=lambda x: g.Gemm(x, c(d["W"]), c(d["b"])),
        **{name: partial(f, g) for name, f in operations.items()},
    )
    return [y]


def maxpool(g, x):
    return g.MaxPool(x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)


def relu6(g, x):
    return g.Clip(x, g.constant(0), g.constant(6))


def residual(network):
    return partial(classify, network=network, relu=lambda g, x: g.Relu(x), maxpool=maxpool)


CORE = {"resnet18_infer_b1": residual(wl.resnet18)}
WORKLOADS = {
    "resnet50_infer_b1": residual(wl.resnet50),
    "resnet50_infer_b8": residual(wl.resnet50),
    "mobilenetv2_infer_b1": partial(classify, network=wl.mobilenetv2, relu6=relu6),
}
