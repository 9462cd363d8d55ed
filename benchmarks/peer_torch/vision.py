"""Image networks; with torch.compile the weights are frozen."""

from functools import partial

import torch
import torch.nn.functional as F
from workloads import vision as wl
from workloads.core import EPS


def classify(d, jit, network, **operations):
    """A network of workloads/vision.py on the images x."""

    def net(p, x):
        def conv_bn(x, n, stride, pad, groups=1):
            x = F.conv2d(x, p[n + ".k"], None, stride, pad, groups=groups)
            return F.batch_norm(
                x, p[n + ".m"], p[n + ".v"], p[n + ".g"], p[n + ".b"], False, 0.0, EPS
            )

        return network(
            x,
            conv_bn,
            mean=lambda x: x.mean((2, 3)),
            dense=lambda x: x @ p["W"] + p["b"],
            **operations,
        )

    return jit.inference(net, {k: v for k, v in d.items() if k != "x"}, d["x"])


def residual(network):
    return partial(
        classify, network=network, relu=torch.relu, maxpool=lambda x: F.max_pool2d(x, 3, 2, 1)
    )


CORE = {"resnet18_infer_b1": residual(wl.resnet18)}
WORKLOADS = {
    "resnet50_infer_b1": residual(wl.resnet50),
    "resnet50_infer_b8": residual(wl.resnet50),
    "mobilenetv2_infer_b1": partial(classify, network=wl.mobilenetv2, relu6=F.relu6),
}
