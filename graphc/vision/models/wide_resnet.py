"""Wide residual networks: Zagoruyko and Komodakis (2016). Norm and activation come first."""

from __future__ import annotations

from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from graphc.nn.convolution import conv2d
from graphc.nn.layer import Layer
from graphc.nn.layers import Sequential
from graphc.nn.normalisation import BatchNorm
from graphc.ops.activations import relu
from graphc.vision.models.parts import averaged


class PreActivation(Layer):
    """x + two 3 x 3 convolutions, each after batch norm and relu; where the shape changes, 1 x 1
    kernels on what came out of the first relu take the place of x (He et al., 2016).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int = 1,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        options: dict[str, Any] = {"bias": False, "seed": init.generator(seed)}
        options["dtype"] = dtype
        self.before = Sequential(BatchNorm(inputs, dtype=dtype), relu)
        self.branch = Sequential(
            conv2d(inputs, outputs, 3, stride=stride, padding=1, **options),
            BatchNorm(outputs, dtype=dtype),
            relu,
            conv2d(outputs, outputs, 3, padding=1, **options),
        )
        same = inputs == outputs and stride == 1
        self.skip = None if same else conv2d(inputs, outputs, 1, stride=stride, **options)

    def __call__(self, x: Tensor) -> Tensor:
        y = self.before(x)
        return (x if self.skip is None else self.skip(y)) + self.branch(y)


def wide_resnet(
    depth: int,
    widen: int,
    classes: int = 10,
    channels: int = 3,
    first: int = 16,
    seed: Seed = None,
    dtype: Any = "float32",
) -> Sequential:
    """Logits of images (N, channels, H, W): 6 n + 4 = `depth` layers, `widen` times as wide as
    `first`, twice and four times that.
    """
    n, rest = divmod(depth - 4, 6)
    if n < 1 or rest:
        raise GraphError(f"a depth is 6 n + 4, such as 16 or 28, not {depth}")
    options: dict[str, Any] = {"seed": init.generator(seed), "dtype": dtype}
    steps: list[Any] = [conv2d(channels, first, 3, padding=1, bias=False, **options)]
    inputs = first
    for stage in range(3):
        width = first * widen * 2**stage
        for k in range(n):
            stride = 2 if stage > 0 and k == 0 else 1
            steps.append(PreActivation(inputs, width, stride, **options))
            inputs = width
    steps += [BatchNorm(inputs, dtype=dtype), relu]
    return Sequential(*steps, *averaged(inputs, classes, **options))
