"""Small instances of the layers and functions of graphc.nn, one or more for each public name.

Classes are looked up by the test and handed in; so a sample knows its layer by name alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc import nn, random
from graphc.ops.indexing.slicing import split

F64: dict[str, Any] = {"dtype": "float64", "seed": 3}
WIDE: dict[str, Any] = {"dtype": "float64"}
TOKENS = np.array([[0, 3, 1], [2, 2, 4]])
LABELS = np.array([2, 0, 1])
IMAGE, SEQUENCE, ROWS, STEPS = (2, 2, 4, 4), (2, 3, 4), (3, 4), (4, 2, 3)


def applied(layer: Any, *xs: Any) -> Any:
    """The layer's own call."""
    return layer(*xs)


@dataclass(frozen=True)
class Sample:
    """How to make a layer from its class, and what to compute of it: `call(layer, *arguments)`.

    An argument is a shape, for normal numbers, or an array. The arguments in `fixed`, and without
    `trained` the parameters, count as constants: those through which a gradient is by definition
    not that of the value.
    """

    make: Callable[[Any], Any]
    arguments: tuple[Any, ...]
    call: Callable[..., Any] = applied
    fixed: tuple[int, ...] = ()
    trained: bool = True

    def arrays(self) -> list[np.ndarray]:
        """The arguments as arrays."""
        rng = np.random.default_rng(5)
        return [rng.normal(size=a) if isinstance(a, tuple) else a for a in self.arguments]


Samples = tuple[Sample, ...]


def sample(make: Callable[[Any], Any], *arguments: Any, **options: Any) -> Samples:
    """One sample, as a tuple to which others can be added."""
    return (Sample(make, arguments, **options),)


def value(*arguments: Any, fixed: tuple[int, ...] = (), **options: Any) -> Samples:
    """The value of a function with these options at these arguments."""
    return (Sample(lambda f: f, arguments, lambda f, *xs: f(*xs, **options), fixed),)


def called(call: Callable[..., Any], *arguments: Any, fixed: tuple[int, ...] = ()) -> Samples:
    """What `call(function, *arguments)` gives."""
    return (Sample(lambda f: f, arguments, call, fixed),)


def drawn(*shape: int, low: float = 0.2, high: float = 0.9) -> np.ndarray:
    """Numbers away from both ends of an interval."""
    return np.random.default_rng([7, *shape]).uniform(low, high, shape)


def shares(*shape: int) -> np.ndarray:
    """Positive numbers that sum to 1 along the last axis."""
    p = drawn(*shape)
    return p / p.sum(-1, keepdims=True)


def bits(*shape: int) -> np.ndarray:
    """Numbers 0.0 and 1.0."""
    return np.random.default_rng([8, *shape]).integers(0, 2, shape).astype(np.float64)


def signs(*shape: int) -> np.ndarray:
    """Numbers -1.0 and 1.0."""
    return bits(*shape) * 2 - 1


def top(outputs: tuple[Any, Any]) -> list[Any]:
    """Everything that recurrent layers give."""
    return [outputs[0], *outputs[1]]


def cell(**options: Any) -> Samples:
    """A cell run over four steps."""
    return sample(
        lambda cls: cls(3, 2, **options, **F64), STEPS, call=lambda c, x: list(nn.unroll(c, x))
    )


def recurrent(**options: Any) -> Samples:
    """Recurrent layers on four steps."""
    return sample(lambda cls: cls(3, 2, **options, **F64), STEPS, call=lambda c, x: top(c(x)))


def convolution(taps: tuple[int, ...], **options: Any) -> Samples:
    """A convolution of two channels over an axis for each of the taps."""
    sizes = (5, 4, 3)[: len(taps)]
    return sample(lambda cls: cls(2, 4, taps, **options, **F64), (2, 2, *sizes))


def padded(f: Any, x: Any) -> Any:
    """A function of a sequence and of how long each of its two parts is."""
    return f(x, x, x, nn.padding_mask(np.array([2, 3]), 3))


def two_heads(inputs: int, outputs: int) -> Callable[[Any], Any]:
    """A network with two results."""
    net = nn.Dense(inputs, 2 * outputs, nn.tanh, **F64)
    return lambda x: tuple(split(net(x), 2, axis=-1))


LAYERS: dict[str, Samples] = {
    "Dense": sample(lambda cls: cls(4, 3, nn.tanh, **F64), SEQUENCE),
    "Sequential": sample(
        lambda cls: cls(nn.Dense(4, 5, **F64), nn.relu, nn.Dense(5, 2, **F64)), ROWS
    ),
    "Embedding": sample(lambda cls: cls(5, 3, **F64), TOKENS),
    # convolutions and pooling
    "Conv": convolution((3,), padding=1)
    + convolution((3, 2), stride=2, padding="same", groups=2, activation=nn.tanh)
    + convolution((3, 2), dilation=(1, 2))
    + convolution((2, 2, 2), padding=1, stride=(2, 1, 1)),
    "ConvTranspose": convolution((3,), stride=2, padding=1, output_padding=1)
    + convolution((3, 2), stride=2, groups=2)
    + convolution((2, 2, 2), dilation=(1, 2, 1)),
    "SeparableConv": convolution((3, 3), multiplier=2) + convolution((3,)),
    "LocalConv": sample(lambda cls: cls((2, 4, 4), 3, (2, 3), padding=1, **F64), IMAGE),
    "MaxPool": sample(lambda cls: cls(2), IMAGE) + sample(lambda cls: cls(3, 2, "same"), (2, 2, 7)),
    "AveragePool": sample(lambda cls: cls(2), IMAGE)
    + sample(lambda cls: cls(3, 1, "same"), (1, 2, 3, 3, 4)),
    "GatedPool": sample(lambda cls: cls((2, 2), **WIDE), IMAGE),
    "TreePool": sample(lambda cls: cls((2, 2), **F64), IMAGE),
    "SpatialTransformer": sample(
        lambda cls: cls(
            nn.Sequential(nn.global_average_pool, nn.Dense(2, 6, nn.tanh, **F64)), (3, 3)
        ),
        IMAGE,
    ),
    # normalisation
    "LayerNorm": sample(lambda cls: cls(4, **WIDE), SEQUENCE)
    + sample(lambda cls: cls((3, 4), **WIDE), SEQUENCE),
    "BatchNorm": sample(lambda cls: cls(2, **WIDE), IMAGE)
    + sample(lambda cls: cls(2, **WIDE).eval(), IMAGE)
    + sample(lambda cls: cls(4, affine=False, **WIDE), ROWS),
    "GroupNorm": sample(lambda cls: cls(2, 4, **WIDE), (2, 4, 3, 2)),
    "InstanceNorm": sample(lambda cls: cls(2, **WIDE), IMAGE),
    "RMSNorm": sample(lambda cls: cls(4, **WIDE), SEQUENCE),
    "Standardise": sample(lambda cls: cls(np.arange(12.0).reshape(3, 4), **WIDE), ROWS),
    "ConditionalBatchNorm": sample(lambda cls: cls(2, 3, **WIDE), IMAGE, np.array([2, 0])),
    "SpectralNorm": sample(lambda cls: cls(nn.Dense(4, 3, **F64), 3), ROWS, trained=False),
    # dropout: the generator's state is a variable, the same in every call here
    "Dropout": sample(lambda cls: cls(0.4, random.Generator(1)), ROWS),
    "AlphaDropout": sample(lambda cls: cls(0.4, random.Generator(1)), ROWS),
    # recurrence
    "RNNCell": cell() + cell(activation=nn.sigmoid, norm=nn.LayerNorm(2, **WIDE)),
    "LSTMCell": cell(state_bias=True) + cell(squash=None, bias=False),
    "GRUCell": cell() + cell(reset_after=True, state_bias=True),
    "LightGRUCell": cell(),
    "RNN": recurrent() + recurrent(layers=2, bidirectional=True),
    "LSTM": recurrent(layers=2) + recurrent(bidirectional=True) + recurrent(segment=2),
    "GRU": recurrent(bidirectional=True),
    "LightGRU": recurrent(),
    "Recurrent": sample(
        lambda cls: cls(
            (nn.GRUCell(3, 2, **F64), nn.RNNCell(3, 1, **F64)), nn.LSTMCell(3, 2, **F64)
        ),
        STEPS,
        call=lambda r, x: top(r(x, lengths=np.array([4, 2]))),
    ),
    "TuringMachine": sample(lambda cls: cls(3, 2, 3, 4, 2, **F64), (3, 2, 3)),
    # branches
    "Residual": sample(lambda cls: cls(nn.Dense(4, 4, nn.tanh, **F64)), ROWS)
    + sample(
        lambda cls: cls(
            nn.conv2d(2, 3, 3, padding=1, **F64), nn.conv2d(2, 3, 1, **F64), nn.softplus
        ),
        IMAGE,
    ),
    "Parallel": sample(
        lambda cls: cls(nn.conv2d(2, 3, 1, **F64), nn.conv2d(2, 2, 3, padding=1, **F64)), IMAGE
    ),
    "Highway": sample(lambda cls: cls(4, **F64), ROWS),
    "SqueezeExcite": sample(lambda cls: cls(2, 3, **F64), IMAGE),
    # attention
    "SelfAttention": sample(lambda cls: cls(4, 2, **F64), SEQUENCE)
    + sample(lambda cls: cls(4, 1, causal=True, bias=False, **F64), SEQUENCE),
    "CrossAttention": sample(lambda cls: cls(4, 2, **F64), SEQUENCE, (2, 5, 4)),
    "EncoderBlock": sample(lambda cls: cls(4, 2, 5, **F64), SEQUENCE)
    + sample(lambda cls: cls(4, 2, 5, nn.gelu, before=True, causal=True, **F64), SEQUENCE),
    "DecoderBlock": sample(lambda cls: cls(4, 2, 5, **F64), SEQUENCE, (2, 5, 4))
    + sample(lambda cls: cls(4, 1, 5, nn.silu, before=True, **F64), SEQUENCE, (2, 5, 4)),
    "FeedForward": sample(lambda cls: cls(4, 6, **F64), SEQUENCE),
    "LearnedPositions": sample(lambda cls: cls(5, 4, **F64), SEQUENCE),
    "Transformer": sample(lambda cls: cls(5, 4, 2, 3, 1, **F64), TOKENS, TOKENS),
    "GPT": sample(lambda cls: cls(5, 4, 2, 3, 1, 3, **F64), TOKENS),
    "BERT": sample(lambda cls: cls(5, 4, 2, 3, 1, 3, **F64), TOKENS),
    "CBOW": sample(lambda cls: cls(5, 3, **F64), TOKENS),
    "VisionTransformer": sample(lambda cls: cls(4, 2, 3, 4, 2, 5, 1, 2, **F64), IMAGE),
    "MaskedAutoencoder": sample(lambda cls: cls(3, 4, 4, 2, 3, **F64), SEQUENCE, np.array([2, 0])),
    # graphs and searched networks
    "GraphConv": sample(lambda cls: cls(4, 2, nn.tanh, **F64), ROWS, drawn(3, 3))
    + sample(lambda cls: cls(4, 2, **F64), ROWS, np.array([[0, 1, 2, 2], [1, 0, 0, 1]])),
}
