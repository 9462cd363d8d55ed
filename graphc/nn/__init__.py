"""Layers, activations and losses: compositions of array functions."""

# One name a line would take hundreds of lines.
# isort: off
from typing import TYPE_CHECKING

from graphc.nn.activations import selu, soft_threshold, swish
from graphc.nn.alignments import ctc_loss
from graphc.nn.attention import (
    CrossAttention, SelfAttention, additive_score, attention, bilinear_score, causal_mask,
    dot_score, kernel_regression, low_rank_score, masked_softmax, multi_head, padding_mask,
    scaled_dot_score,
)  # fmt: skip
from graphc.nn.bounds import (
    conjunction_samples, finite_class_excess, finite_class_samples, hoeffding, pac_bayes,
    vc_excess,
)  # fmt: skip
from graphc.nn.branches import Highway, Parallel, Residual, SqueezeExcite
from graphc.nn.cells import Cell, GRUCell, LSTMCell, LightGRUCell, RNNCell
from graphc.nn.contrastive import (
    cosine_similarities, invariance_loss, pair_loss, pair_losses, square_distances,
)  # fmt: skip
from graphc.nn.controller import Controller
from graphc.nn.convolution import (
    AveragePool, Conv, ConvTranspose, LocalConv, MaxPool, SeparableConv, conv1d, conv2d, conv3d,
)  # fmt: skip
from graphc.nn.convolution_choice import CONVOLUTIONS, choose_conv
from graphc.nn.convolution_matrix import conv_by_matrix, conv_by_patches, conv_matrix
from graphc.nn.convolution_transforms import conv_by_fft, conv_by_winograd
from graphc.nn.decoding import beam_search, decode, greedy, prompted, sample
from graphc.nn.divergences import entropy, jensen_shannon, kl_divergence
from graphc.nn.dropout import (
    AlphaDropout, Dropout, add_noise, alpha_dropout, drop_path, dropout, eval_with_dropout,
    linear_rates, sampled, skip_branch, width_for,
)  # fmt: skip
from graphc.nn.early_stopping import CurvatureStop, EarlyStopping
from graphc.nn.graphs import GraphConv, normal_adjacency
from graphc.nn.growing import correlation, grown_slots, widened
from graphc.nn.language import (
    BERT, CBOW, GPT, hide_spans, hide_tokens, masked_loss, next_token_loss,
)  # fmt: skip
from graphc.nn.layer import Layer, outline
from graphc.nn.layers import Dense, Embedding, Sequential
from graphc.nn.losses import binary_cross_entropy, cross_entropy, huber, mae, mse
from graphc.nn.margins import exponential_loss, gaussian_nll, hinge, pinball
from graphc.nn.memory import TuringMachine, memory_address, memory_read, memory_write
from graphc.nn.metrics import (
    accuracy, average_precision, f1_score, mean_average_precision, mean_iou, perplexity,
    precision, recall, top_k_accuracy,
)  # fmt: skip
from graphc.nn.morphisms import identity_conv, identity_dense, silence, widened_by_copies
from graphc.nn.normalisation import (
    BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm, Standardise, batch_updates,
    normalise, weight_norm, whiten,
)  # fmt: skip
from graphc.nn.pooling import GatedPool, TreePool, fractional_max_pool, mixed_pool
from graphc.nn.quantisation import VectorQuantiser, gumbel_softmax, straight_through
from graphc.nn.receptive_field import receptive_field
from graphc.nn.recurrent import GRU, LSTM, RNN, LightGRU, Recurrent, unroll
from graphc.nn.robustness import fast_gradient_sign, lipschitz_bound, projected_ascent
from graphc.nn.supergraph import (
    Supergraph, binary_edge, dropped_edge, expected_cost, gumbel_edge, indexed_edge,
    mixed_operations, partial_edge, relaxed_edge,
)  # fmt: skip
from graphc.nn.tiled_attention import tiled_attention
from graphc.nn.transformer import (
    DecoderBlock, EncoderBlock, FeedForward, LearnedPositions, Transformer, sinusoids,
)  # fmt: skip
from graphc.nn.tree_search import Game, tree_search
from graphc.nn.validation import (
    bias_variance, classification_bias_variance, cross_validate, folds, leave_one_out,
)  # fmt: skip
from graphc.nn.vision_transformer import MaskedAutoencoder, VisionTransformer, patches
from graphc.nn.wiring import Wiring, image_operations, inherit_weights, why_rejected
from graphc.ops.activations import elu, gelu, leaky_relu, relu, silu
from graphc.ops.convolutions.convolving import conv, conv_local, conv_transpose
from graphc.ops.exponential import sigmoid, softplus
from graphc.ops.convolutions.pooling import (
    adaptive_average_pool, adaptive_max_pool, average_pool, global_average_pool,
    global_max_pool, image_windows, max_pool, power_pool,
)  # fmt: skip
from graphc.ops.resampling import (
    affine_grid, channel_shuffle, grid_sample, pixel_shuffle, resize, sample_linear,
)  # fmt: skip
from graphc.ops.statistics import log_softmax, softmax
from graphc.ops.trigonometric import tanh

__all__ = [
    "AlphaDropout", "AveragePool", "BERT", "BatchNorm", "CBOW", "CONVOLUTIONS", "Cell",
    "Controller", "Conv", "ConvTranspose", "CrossAttention", "CurvatureStop", "DecoderBlock",
    "Dense", "Dropout", "EarlyStopping", "Embedding", "EncoderBlock", "FeedForward", "GPT",
    "GRU", "GRUCell", "Game", "GatedPool", "GraphConv", "GroupNorm", "Highway", "InstanceNorm",
    "LSTM", "LSTMCell", "Layer", "LayerNorm", "LearnedPositions", "LightGRU", "LightGRUCell",
    "LocalConv", "MaskedAutoencoder", "MaxPool", "Parallel", "RMSNorm", "RNN", "RNNCell",
    "Recurrent", "Residual", "SelfAttention", "SeparableConv", "Sequential", "SqueezeExcite",
    "Standardise", "Supergraph", "Transformer", "TreePool", "TuringMachine", "VectorQuantiser",
    "VisionTransformer", "Wiring", "accuracy", "adaptive_average_pool", "adaptive_max_pool",
    "add_noise", "additive_score", "affine_grid", "alpha_dropout", "attention", "average_pool",
    "average_precision", "batch_updates", "beam_search", "bias_variance", "bilinear_score",
    "binary_cross_entropy", "binary_edge", "causal_mask", "channel_shuffle", "choose_conv",
    "classification_bias_variance", "conjunction_samples", "conv", "conv1d", "conv2d", "conv3d",
    "conv_by_fft", "conv_by_matrix", "conv_by_patches", "conv_by_winograd", "conv_local",
    "conv_matrix", "conv_transpose", "correlation", "cosine_similarities", "cross_entropy",
    "cross_validate", "ctc_loss", "decode", "dot_score", "drop_path", "dropout", "dropped_edge",
    "elu",
    "entropy", "eval_with_dropout", "expected_cost", "exponential_loss", "f1_score",
    "fast_gradient_sign", "finite_class_excess", "finite_class_samples", "folds",
    "fractional_max_pool", "gaussian_nll", "gelu", "global_average_pool", "global_max_pool",
    "greedy", "grid_sample", "grown_slots", "gumbel_edge", "gumbel_softmax", "hide_spans",
    "hide_tokens", "hinge", "hoeffding", "huber", "identity_conv", "identity_dense",
    "image_operations", "image_windows", "indexed_edge", "inherit_weights", "invariance_loss",
    "jensen_shannon", "kernel_regression", "kl_divergence", "leaky_relu", "leave_one_out",
    "linear_rates", "lipschitz_bound", "log_softmax", "low_rank_score", "mae", "masked_loss",
    "masked_softmax", "max_pool", "mean_average_precision", "mean_iou", "memory_address",
    "memory_read", "memory_write", "mixed_operations", "mixed_pool", "mse", "multi_head",
    "next_token_loss", "normal_adjacency", "normalise", "outline", "pac_bayes", "padding_mask",
    "pair_loss", "pair_losses", "partial_edge", "patches", "perplexity", "pinball",
    "pixel_shuffle", "power_pool", "precision", "projected_ascent", "prompted", "recall",
    "receptive_field", "relaxed_edge", "relu", "resize", "sample", "sample_linear", "sampled",
    "scaled_dot_score", "selu", "sigmoid", "silence", "silu", "sinusoids", "skip_branch",
    "soft_threshold", "softmax", "softplus", "square_distances", "straight_through", "swish",
    "tanh", "tiled_attention", "top_k_accuracy", "tree_search", "unroll", "vc_excess",
    "weight_norm", "whiten", "why_rejected", "widened", "widened_by_copies", "width_for",
]  # fmt: skip


if not TYPE_CHECKING:

    def __getattr__(name: str) -> None:
        from graphc.ir.errors import no_such

        raise AttributeError(no_such("graphc.nn", name, "nn"))

    def __dir__() -> list[str]:
        return sorted(__all__)
