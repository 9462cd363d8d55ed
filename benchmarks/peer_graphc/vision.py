"""Image networks with constant weights."""

from functools import partial

from workloads import vision as wl
from workloads.core import EPS

import graphc as gc
from graphc import nn


def classify(d, network, **operations):
    """A network of workloads/vision.py on the images x."""
    p = {k: gc.constant(v) for k, v in d.arrays.items() if k != "x"}

    def conv_bn(x, n, stride, pad, groups=1):
        shape = (p[n + ".g"].shape[0], 1, 1)
        scale = p[n + ".g"] * gc.rsqrt(p[n + ".v"] + EPS)
        shift = p[n + ".b"] - p[n + ".m"] * scale
        y = nn.conv(x, p[n + ".k"], stride, pad, groups=groups)
        return y * scale.reshape(shape) + shift.reshape(shape)

    x = d.placeholder("x")
    y = network(
        x,
        conv_bn,
        mean=nn.global_average_pool,
        dense=lambda x: x @ p["W"] + p["b"],
        **operations,
    )
    return d.step([x], [y])


def residual(network):
    return partial(
        classify, network=network, relu=nn.relu, maxpool=lambda x: nn.max_pool(x, 3, 2, 1)
    )


CORE = {"resnet18_infer_b1": residual(wl.resnet18)}
WORKLOADS = {
    "resnet50_infer_b1": residual(wl.resnet50),
    "resnet50_infer_b8": residual(wl.resnet50),
    "mobilenetv2_infer_b1": partial(
        classify, network=wl.mobilenetv2, relu6=lambda x: gc.clip(x, 0, 6)
    ),
}
