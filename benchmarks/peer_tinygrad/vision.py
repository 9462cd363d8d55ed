"""Image networks; weights are arguments."""

from functools import partial

from workloads import vision as wl
from workloads.core import EPS

from peer_tinygrad.steps import jit


def classify(d, network, **operations):
    """A network of workloads/vision.py on the images x."""
    names = [k for k in d if k != "x"]

    def net(x, *weights):
        p = dict(zip(names, weights, strict=True))

        def conv_bn(x, n, stride, pad, groups=1):
            y = x.conv2d(p[n + ".k"], stride=stride, padding=pad, groups=groups)
            inverse = (p[n + ".v"] + EPS).rsqrt()
            return y.batchnorm(p[n + ".g"], p[n + ".b"], p[n + ".m"], inverse)

        y = network(
            x,
            conv_bn,
            mean=lambda x: x.mean((2, 3)),
            dense=lambda x: x @ p["W"] + p["b"],
            **operations,
        )
        return [y]

    return jit(net, d["x"], *(d[k] for k in names))


def maxpool(x):
    return x.max_pool2d((3, 3), stride=2, padding=1)


def residual(network):
    return partial(classify, network=network, relu=lambda x: x.relu(), maxpool=maxpool)


CORE = {"resnet18_infer_b1": residual(wl.resnet18)}
WORKLOADS = {
    "resnet50_infer_b1": residual(wl.resnet50),
    "resnet50_infer_b8": residual(wl.resnet50),
    "mobilenetv2_infer_b1": partial(classify, network=wl.mobilenetv2, relu6=lambda x: x.clip(0, 6)),
}
