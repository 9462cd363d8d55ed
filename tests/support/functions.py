"""Samples of functions of graphc.nn: losses, activations, scores, what layers are made of."""

from typing import Any

import numpy as np

from graphc import nn, random
from tests.support.layers import (
    F64,
    IMAGE,
    LABELS,
    ROWS,
    SEQUENCE,
    TOKENS,
    Samples,
    bits,
    called,
    drawn,
    shares,
    signs,
    value,
)

PLACES = drawn(2, 2, 3, 2, low=-0.8, high=0.8)
PAIR = (ROWS, (5, 4))

LOSSES: dict[str, Samples] = {
    "cross_entropy": value(ROWS, LABELS)
    + value(ROWS, shares(3, 4), label_smoothing=0.1)
    + value((2, 5, 3), TOKENS, axis=1, ignore=3, reduction="none"),
    "binary_cross_entropy": value(ROWS, bits(3, 4)),
    "mse": value(ROWS, ROWS),
    "mae": value(ROWS, ROWS),
    "huber": value(ROWS, ROWS, delta=0.7),
    "hinge": value(ROWS, signs(3, 4)),
    "pinball": value(ROWS, ROWS, tau=0.3),
    "exponential_loss": value(ROWS, signs(3, 4)),
    "gaussian_nll": value(ROWS, ROWS, ROWS),
    "entropy": value(shares(3, 4)),
    "kl_divergence": value(shares(3, 4), shares(3, 4) ** 0.5),
    "jensen_shannon": value(shares(3, 4), shares(3, 4) ** 0.5),
    "square_distances": value(*PAIR),
    "cosine_similarities": value(*PAIR),
    "pair_losses": value(ROWS, ROWS, drawn()),
    "pair_loss": value(ROWS, ROWS, drawn()),
    "invariance_loss": value(ROWS, ROWS),
    "next_token_loss": value((2, 3, 5), TOKENS),
    "masked_loss": value((2, 3, 5), TOKENS, bits(2, 3) > 0, reduction="mean"),
}

ACTIVATIONS: dict[str, Samples] = {
    **{
        name: value(ROWS)
        for name in (
            "elu", "gelu", "leaky_relu", "log_softmax", "relu", "selu", "sigmoid", "silu",
            "softmax", "softplus", "tanh",
        )
    },
    "swish": value(ROWS, drawn()),
    "soft_threshold": value(ROWS, drawn()),
}  # fmt: skip

ATTENTION: dict[str, Samples] = {
    "dot_score": value(*PAIR),
    "scaled_dot_score": value(*PAIR),
    "bilinear_score": value(ROWS, (5, 2), (4, 2)),
    "low_rank_score": value(ROWS, (5, 2), (4, 3), (2, 3)),
    "additive_score": value(ROWS, (5, 2), (4, 3), (2, 3), (3,)),
    "masked_softmax": value(ROWS, bits(3, 4) > 0),
    "attention": value(ROWS, (5, 4), (5, 2))
    + called(lambda f, q: f(q, q, q, nn.padding_mask(np.array([2, 0]), 3)), SEQUENCE),
    "multi_head": value(SEQUENCE, (2, 5, 4), (2, 5, 2), heads=2),
    "tiled_attention": value(ROWS, (6, 4), (6, 2), tile=2),
    "kernel_regression": value((3,), (5,), (5,), scale=0.7)
    + value((3,), (5,), (5,), kernel="laplace")
    + value((3,), (5,), (5,), kernel="box", scale=1.3),
    "sinusoids": value(drawn(3), size=4, dtype="float64"),
}

SHAPES: dict[str, Samples] = {
    "normalise": value(IMAGE, axes=(0, 2)),
    "weight_norm": value((4, 3), (4,)) + value((4, 3), drawn(), axis=None),
    "whiten": value((7, 3), eps=0.1),
    "pixel_norm": value(IMAGE),
    "conv": value(IMAGE, (3, 2, 2, 2), padding=1) + value((2, 2, 3), (2, 2, 2), spread=2),
    "conv_transpose": value(IMAGE, (2, 3, 2, 2), stride=2),
    "conv_local": value((2, 2, 4), (3, 3, 2, 2)),
    "conv_matrix": value((3, 2, 2, 2), sizes=(3, 4)),
    "conv_by_matrix": value((2, 2, 4), (3, 2, 2)),
    "conv_by_patches": value(IMAGE, (3, 2, 2, 2)),
    "conv_by_fft": value(IMAGE, (3, 2, 2, 2)),
    "conv_by_winograd": value(IMAGE, (3, 2, 3, 3)),
    "max_pool": value(IMAGE, window=2),
    "average_pool": value(IMAGE, window=2),
    "power_pool": value(IMAGE, window=2, p=2.5),
    "adaptive_average_pool": value(IMAGE, size=3),
    "adaptive_max_pool": value(IMAGE, size=3),
    "global_average_pool": value(IMAGE),
    "global_max_pool": value(IMAGE),
    "mixed_pool": called(lambda f, x, a: f(x, 2, a), IMAGE, drawn()),
    "fractional_max_pool": called(lambda f, x: f(x, 3, np.array([0.3, 0.6])), IMAGE),
    "image_windows": value(IMAGE, window=2),
    "resize": value(IMAGE, size=(3, 6)) + value(IMAGE, size=5, method="nearest"),
    "grid_sample": value(IMAGE, PLACES),
    "affine_grid": value((2, 2, 3), size=(3, 2)),
    "sample_linear": value(IMAGE, drawn(2, 3) * 3, drawn(2, 3) * 2.5),
    "pixel_shuffle": value((2, 4, 2, 3), factor=2),
    "channel_shuffle": value((2, 4, 3), groups=2),
    "patches": value(IMAGE, size=2),
    "dropout": called(lambda f, x: f(x, 0.4, random.key(1)), ROWS),
    "alpha_dropout": called(lambda f, x: f(x, 0.4, random.key(1)), ROWS),
    "drop_path": called(lambda f, x: f(x, 0.4, random.key(1)), ROWS),
    "add_noise": called(lambda f, x: f(x, 0.4, random.key(1)), ROWS),
    "skip_branch": called(lambda f, x: f(x, nn.tanh, 0.4, random.key(2)), ROWS),
    "memory_address": value(
        (2, 5, 3), (2, 3), shares(2, 5), drawn(2, 1), drawn(2, 1), shares(2, 3), drawn(2, 1) + 1
    ),
    "memory_read": value((2, 5, 3), shares(2, 5)),
    "memory_write": value((2, 5, 3), shares(2, 5), drawn(2, 3), (2, 3)),
}


def _unrolled(f: Any, x: Any) -> Any:
    h, (last, cell) = f(nn.LSTMCell(3, 2, **F64), x, lengths=np.array([3, 1]), reverse=True)
    return [h, last, cell]


# All functions of these modules need samples but those that give no numbers of floats.
COMPLETE = {
    *(
        f"graphc.nn.{name}"
        for name in (
            "activations", "attention", "contrastive", "convolution_matrix",
            "convolution_transforms", "divergences", "losses", "margins", "memory", "normalisation",
            "pooling", "recurrent", "tiled_attention", "transformer",
        )
    ),
    *(
        f"graphc.ops.{name}"
        for name in (
            "activations", "convolutions.convolving", "convolutions.pooling", "resampling",
            "statistics",
        )
    ),
}  # fmt: skip
WITHOUT_SLOPE = {"batch_updates", "causal_mask", "padding_mask"}
FUNCTIONS = LOSSES | ACTIVATIONS | ATTENTION | SHAPES | {"unroll": called(_unrolled, (3, 2, 3))}
