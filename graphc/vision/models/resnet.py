"""Residual networks: He et al. (2016), and those that changed their blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.ir.node import Tensor
from graphc.nn.branches import Residual, SqueezeExcite
from graphc.nn.layers import Sequential
from graphc.ops.activations import relu
from graphc.ops.padding import pad
from graphc.vision.models.parts import averaged, conv_norm, stem

Skip = Callable[..., Callable[[Tensor], Tensor]]


def projection(
    inputs: int, outputs: int, stride: int, seed: Seed, dtype: Any
) -> Callable[[Tensor], Tensor]:
    """The way around a block that changes the shape: 1 x 1 kernels of its stride."""
    return conv_norm(inputs, outputs, 1, stride, None, seed=seed, dtype=dtype)


def padded(
    inputs: int, outputs: int, stride: int, seed: Seed, dtype: Any
) -> Callable[[Tensor], Tensor]:
    """The way around without parameters: every stride-th pixel, and channels of zeros."""
    more = ((0, 0), (0, outputs - inputs), (0, 0), (0, 0))
    return lambda x: pad(x[:, :, ::stride, ::stride], more)


class BasicBlock(Residual):
    """relu(x + two 3 x 3 convolutions of x), each with batch norm."""

    expansion = 1

    def __init__(
        self,
        inputs: int,
        width: int,
        stride: int = 1,
        skip: Skip = projection,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        options: dict[str, Any] = {"seed": init.generator(seed), "dtype": dtype}
        branch = Sequential(
            conv_norm(inputs, width, 3, stride, **options),
            conv_norm(width, width, 3, activation=None, **options),
        )
        same = inputs == width and stride == 1
        super().__init__(branch, None if same else skip(inputs, width, stride, **options), relu)


class Bottleneck(Residual):
    """relu(x + 1 x 1, 3 x 3 and 1 x 1 convolutions of x), each with batch norm; 4 `width` outputs.

    The middle has `inner` times `width` channels in `groups` (Xie et al., 2017). With `squeeze`
    each channel is scaled by a gate made of that part of the channels (Hu et al., 2018).
    """

    expansion = 4

    def __init__(
        self,
        inputs: int,
        width: int,
        stride: int = 1,
        skip: Skip = projection,
        inner: int = 1,
        groups: int = 1,
        squeeze: int | None = None,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        options: dict[str, Any] = {"seed": init.generator(seed), "dtype": dtype}
        middle, outputs = inner * width, 4 * width
        steps: list[Any] = [
            conv_norm(inputs, middle, 1, **options),
            conv_norm(middle, middle, 3, stride, groups=groups, **options),
            conv_norm(middle, outputs, 1, activation=None, **options),
        ]
        if squeeze is not None:
            steps.append(SqueezeExcite(outputs, outputs // squeeze, **options))
        same = inputs == outputs and stride == 1
        around = None if same else skip(inputs, outputs, stride, **options)
        super().__init__(Sequential(*steps), around, relu)


Block = type[BasicBlock] | type[Bottleneck]


def resnet(
    block: Block,
    depths: tuple[int, ...],
    widths: tuple[int, ...] = (64, 128, 256, 512),
    classes: int = 1000,
    channels: int = 3,
    small: bool = False,
    seed: Seed = None,
    dtype: Any = "float32",
    **more: Any,
) -> Sequential:
    """Logits of images (N, channels, H, W): stages of `depth` blocks of `width`, each but the first
    of half the sides; what is in `more` goes to every block.

    `small` images are not made smaller at the start.
    """
    source = init.generator(seed)
    options: dict[str, Any] = {"seed": source, "dtype": dtype}
    inputs = widths[0]
    steps = (
        [conv_norm(channels, inputs, 3, **options)] if small else stem(channels, inputs, **options)
    )
    for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
        for k in range(depth):
            stride = 2 if stage > 0 and k == 0 else 1
            steps.append(block(inputs, width, stride, **more, **options))
            inputs = width * block.expansion
    return Sequential(*steps, *averaged(inputs, classes, **options))


def resnet18(**options: Any) -> Sequential:
    """Basic blocks, 18 layers with weights."""
    return resnet(BasicBlock, (2, 2, 2, 2), **options)


def resnet34(**options: Any) -> Sequential:
    """Basic blocks, 34 layers."""
    return resnet(BasicBlock, (3, 4, 6, 3), **options)


def resnet50(**options: Any) -> Sequential:
    """Bottlenecks, 50 layers."""
    return resnet(Bottleneck, (3, 4, 6, 3), **options)


def resnet101(**options: Any) -> Sequential:
    """Bottlenecks, 101 layers."""
    return resnet(Bottleneck, (3, 4, 23, 3), **options)


def resnet152(**options: Any) -> Sequential:
    """Bottlenecks, 152 layers."""
    return resnet(Bottleneck, (3, 8, 36, 3), **options)


def cifar_resnet(depth: int = 20, classes: int = 10, **options: Any) -> Sequential:
    """For images of 32 x 32: `depth` = 6 n + 2 layers, and ways around without parameters."""
    n = (depth - 2) // 6
    given = {"small": True, "skip": padded, "classes": classes, **options}
    return resnet(BasicBlock, (n, n, n), (16, 32, 64), **given)


def resnext50(**options: Any) -> Sequential:
    """32 groups of 4 channels in the first stage's bottlenecks: Xie et al. (2017)."""
    return resnet50(inner=2, groups=32, **options)


def wide_resnet50(**options: Any) -> Sequential:
    """Bottlenecks twice as wide inside: Zagoruyko and Komodakis (2016)."""
    return resnet50(inner=2, **options)


def se_resnet50(**options: Any) -> Sequential:
    """Gates for channels before every sum: Hu, Shen and Sun (2018)."""
    return resnet50(squeeze=16, **options)
