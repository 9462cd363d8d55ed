"""Image networks, with the channels last; weights are arguments."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from workloads import vision as wl
from workloads.core import EPS

from peer_jax.steps import block


def conv(x, w, stride=1, pad=0, groups=1):
    return lax.conv_general_dilated(
        x,
        w,
        (stride, stride),
        [(pad, pad)] * 2,
        dimension_numbers=("NHWC", "OIHW", "NHWC"),
        feature_group_count=groups,
    )


def maxpool(x, k, stride, pad=0):
    return lax.reduce_window(
        x,
        -jnp.inf,
        lax.max,
        (1, k, k, 1),
        (1, stride, stride, 1),
        ((0, 0), (pad, pad), (pad, pad), (0, 0)),
    )


def classify(d, network, **operations):
    """A network of workloads/vision.py on the images x."""
    x = jnp.array(d.pop("x").transpose(0, 2, 3, 1))

    @jax.jit
    def net(p, x):
        def conv_bn(x, n, stride, pad, groups=1):
            scale = p[n + ".g"] * lax.rsqrt(p[n + ".v"] + EPS)
            y = conv(x, p[n + ".k"], stride, pad, groups)
            return (y - p[n + ".m"]) * scale + p[n + ".b"]

        return network(
            x,
            conv_bn,
            mean=lambda x: x.mean((1, 2)),
            dense=lambda x: x @ p["W"] + p["b"],
            **operations,
        )

    return lambda: [block(net(d, x))]


def residual(network):
    return partial(
        classify, network=network, relu=jax.nn.relu, maxpool=lambda x: maxpool(x, 3, 2, 1)
    )


CORE = {"resnet18_infer_b1": residual(wl.resnet18)}
WORKLOADS = {
    "resnet50_infer_b1": residual(wl.resnet50),
    "resnet50_infer_b8": residual(wl.resnet50),
    "mobilenetv2_infer_b1": partial(classify, network=wl.mobilenetv2, relu6=jax.nn.relu6),
}
