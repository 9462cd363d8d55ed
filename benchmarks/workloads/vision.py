"""Image networks with random weights: shapes of their parameters, and the networks themselves.

resnet18_infer_b1   ResNet-18 as in `resnet18`.                        Outputs: (1, 1000)
resnet50_infer_b1   ResNet-50 as in `resnet50`: bottlenecks, the stride in the 3x3 convolution.
                                                                       Outputs: (1, 1000)
resnet50_infer_b8   the same for 8 images.                             Outputs: (8, 1000)
mobilenetv2_infer_b1  MobileNetV2, width 1, as in `mobilenetv2`; relu6(x) = min(max(x, 0), 6).
                                                                       Outputs: (1, 1000)

Images are (N, 3, 224, 224). No convolution has a bias; batch norm uses a stored mean m and variance
v: (x - m) / sqrt(v + 1e-5) * g + b for each channel. A network is written over a peer's own
operations: conv_bn(x, name, stride, pad) is the convolution by `name` followed by its batch norm,
maxpool is 3x3 with stride 2 and pad 1, mean is over height and width, to (N, channels), and
dense is the last layer.
"""

from typing import NamedTuple

import numpy as np


class Conv(NamedTuple):
    """A convolution with a square kernel; `size` is the height of its output."""

    name: str
    inputs: int
    outputs: int
    kernel: int
    stride: int
    size: int
    groups: int = 1

    @property
    def operations(self):
        """Multiplications and additions for one image."""
        pairs = self.inputs // self.groups * self.outputs
        return 2 * self.size**2 * pairs * self.kernel**2


def _resnet18_layers():
    layers = [Conv("stem", 3, 64, 7, 2, 112)]
    for stage, (cin, cout) in enumerate([(64, 64), (64, 128), (128, 256), (256, 512)]):
        size, stride = 56 >> stage, 1 if stage == 0 else 2
        for block in range(2):
            name = f"s{stage}b{block}"
            layers += [Conv(name + "c1", cin, cout, 3, stride, size)]
            layers += [Conv(name + "c2", cout, cout, 3, 1, size)]
            if cin != cout:
                layers += [Conv(name + "down", cin, cout, 1, stride, size)]
            cin, stride = cout, 1
    return layers


RESNET18 = _resnet18_layers()


def resnet18(x, conv_bn, relu, maxpool, mean, dense):
    """ResNet-18 over a peer's own operations."""
    x = maxpool(relu(conv_bn(x, "stem", 2, 3)))
    for stage in range(4):
        for block in range(2):
            name, stride = f"s{stage}b{block}", 2 if stage > 0 and block == 0 else 1
            skip = conv_bn(x, name + "down", stride, 0) if stride == 2 else x
            y = conv_bn(relu(conv_bn(x, name + "c1", stride, 1)), name + "c2", 1, 1)
            x = relu(y + skip)
    return dense(mean(x))


DEPTHS = (3, 4, 6, 3)


def _resnet50_layers():
    layers, cin = [Conv("stem", 3, 64, 7, 2, 112)], 64
    for stage, depth in enumerate(DEPTHS):
        width, size = 64 << stage, 56 >> stage
        for block in range(depth):
            name, first = f"s{stage}b{block}", block == 0
            stride = 2 if first and stage > 0 else 1
            layers += [
                Conv(name + "c1", cin, width, 1, 1, size * stride),
                Conv(name + "c2", width, width, 3, stride, size),
                Conv(name + "c3", width, 4 * width, 1, 1, size),
            ]
            if first:
                layers += [Conv(name + "down", cin, 4 * width, 1, stride, size)]
            cin = 4 * width
    return layers


RESNET50 = _resnet50_layers()


def resnet50(x, conv_bn, relu, maxpool, mean, dense):
    """ResNet-50 over a peer's own operations."""
    x = maxpool(relu(conv_bn(x, "stem", 2, 3)))
    for stage, depth in enumerate(DEPTHS):
        for block in range(depth):
            name, stride = f"s{stage}b{block}", 2 if stage > 0 and block == 0 else 1
            skip = conv_bn(x, name + "down", stride, 0) if block == 0 else x
            y = relu(conv_bn(x, name + "c1", 1, 0))
            y = relu(conv_bn(y, name + "c2", stride, 1))
            x = relu(conv_bn(y, name + "c3", 1, 0) + skip)
    return dense(mean(x))


# Of each block: expansion, inputs, outputs, stride, height of the output.
BOTTLENECKS = [
    (t, cin if i == 0 else c, c, s if i == 0 else 1, size)
    for t, cin, c, n, s, size in [
        (1, 32, 16, 1, 1, 112),
        (6, 16, 24, 2, 2, 56),
        (6, 24, 32, 3, 2, 28),
        (6, 32, 64, 4, 2, 14),
        (6, 64, 96, 3, 1, 14),
        (6, 96, 160, 3, 2, 7),
        (6, 160, 320, 1, 1, 7),
    ]
    for i in range(n)
]


def _mobilenetv2_layers():
    layers = [Conv("stem", 3, 32, 3, 2, 112)]
    for i, (t, cin, cout, stride, size) in enumerate(BOTTLENECKS):
        wide = t * cin
        if t > 1:
            layers += [Conv(f"b{i}expand", cin, wide, 1, 1, size * stride)]
        layers += [
            Conv(f"b{i}depth", wide, wide, 3, stride, size, groups=wide),
            Conv(f"b{i}project", wide, cout, 1, 1, size),
        ]
    return [*layers, Conv("last", 320, 1280, 1, 1, 7)]


MOBILENETV2 = _mobilenetv2_layers()


def mobilenetv2(x, conv_bn, relu6, mean, dense):
    """MobileNetV2 over a peer's own operations; conv_bn also takes the number of groups."""
    x = relu6(conv_bn(x, "stem", 2, 1))
    for i, (t, cin, cout, stride, _) in enumerate(BOTTLENECKS):
        y = relu6(conv_bn(x, f"b{i}expand", 1, 0)) if t > 1 else x
        y = relu6(conv_bn(y, f"b{i}depth", stride, 1, t * cin))
        y = conv_bn(y, f"b{i}project", 1, 0)
        x = x + y if stride == 1 and cin == cout else y
    return dense(mean(relu6(conv_bn(x, "last", 1, 0))))


def weights(n, layers, features):
    """Of every convolution NAME: NAME.k, and its norm's g, b, m, v; W and b of the last layer."""
    d = {"W": n.weight(features, 1000), "b": n.shift(1000)}
    for layer in layers:
        d[layer.name + ".k"] = n.kernel(layer.outputs, layer.inputs // layer.groups, layer.kernel)
        d[layer.name + ".g"] = n.gain(layer.outputs)
        d[layer.name + ".b"] = n.shift(layer.outputs)
        d[layer.name + ".m"] = n.shift(layer.outputs)
        d[layer.name + ".v"] = 1 + np.abs(n(layer.outputs, scale=0.5))
    return d


def _images(n, count):
    return {"x": n(count, 3, 224, 224)}


CORE = {"resnet18_infer_b1": lambda n: {**_images(n, 1), **weights(n, RESNET18, 512)}}
DATA = {
    "resnet50_infer_b1": lambda n: {**_images(n, 1), **weights(n, RESNET50, 2048)},
    "resnet50_infer_b8": lambda n: {**_images(n, 8), **weights(n, RESNET50, 2048)},
    "mobilenetv2_infer_b1": lambda n: {**_images(n, 1), **weights(n, MOBILENETV2, 1280)},
}
