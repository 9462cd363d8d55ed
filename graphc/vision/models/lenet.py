"""LeNet-5: LeCun, Bottou, Bengio and Haffner (1998), as it is built today."""

from __future__ import annotations

from functools import partial
from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.ir.node import Tensor
from graphc.nn.contrastive import square_distances
from graphc.nn.convolution import MaxPool, conv2d
from graphc.nn.layer import Layer, first_value
from graphc.nn.layers import Sequential
from graphc.ops.activations import relu
from graphc.ops.source import variable
from graphc.vision.models.parts import dense_head


def lenet5(
    channels: int = 1, classes: int = 10, seed: Seed = None, dtype: Any = "float32"
) -> Sequential:
    """Logits of images (N, channels, 32, 32): 5 x 5 kernels and 2 x 2 maxima twice, then
    three layers.
    """
    source = init.generator(seed)
    options: dict[str, Any] = {"activation": relu, "seed": source, "dtype": dtype}
    maps = [
        conv2d(channels, 6, 5, **options),
        MaxPool(2),
        conv2d(6, 16, 5, **options),
        MaxPool(2),
    ]
    return Sequential(*maps, *dense_head((16 * 5 * 5, 120, 84, classes), None, source, dtype))


class RBFOutput(Layer):
    """The square distances of x (N, inputs) to one learned vector for each class: the Gaussian
    connections that LeNet-5 once ended in. The nearest class has the smallest output.
    """

    def __init__(self, inputs: int, classes: int, seed: Seed = None, dtype: Any = "float32"):
        normal = partial(init.normal, std=1.0)
        self.centres = variable(first_value(normal, (classes, inputs), seed, dtype), "centres")

    def __call__(self, x: Tensor) -> Tensor:
        return square_distances(x, self.centres)
