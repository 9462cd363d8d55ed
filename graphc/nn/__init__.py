"""Layers, activations and losses: compositions of array functions."""

from graphc.nn.activations import selu, soft_threshold, swish
from graphc.nn.cells import Cell, GRUCell, LightGRUCell, LSTMCell, RNNCell
from graphc.nn.divergences import entropy, jensen_shannon, kl_divergence
from graphc.nn.layer import Layer
from graphc.nn.layers import Dense, Dropout, Embedding, LayerNorm, Sequential, dropout
from graphc.nn.losses import binary_cross_entropy, cross_entropy, huber, mae, mse
from graphc.nn.margins import exponential_loss, gaussian_nll, hinge, pinball
from graphc.nn.metrics import accuracy, perplexity, top_k_accuracy
from graphc.nn.recurrent import GRU, LSTM, RNN, LightGRU, Recurrent, unroll
from graphc.ops.activations import elu, gelu, leaky_relu, relu, silu
from graphc.ops.convolving import conv, conv_local, conv_transpose
from graphc.ops.exponential import sigmoid, softplus
from graphc.ops.pooling import (
    adaptive_average_pool,
    adaptive_max_pool,
    average_pool,
    global_average_pool,
    global_max_pool,
    max_pool,
    power_pool,
)
from graphc.ops.statistics import log_softmax, softmax
from graphc.ops.trigonometric import tanh

__all__ = [
    "Cell",
    "GRU",
    "GRUCell",
    "LSTM",
    "LSTMCell",
    "LightGRU",
    "LightGRUCell",
    "RNN",
    "RNNCell",
    "Recurrent",
    "unroll",
    "top_k_accuracy",
    "pinball",
    "perplexity",
    "kl_divergence",
    "jensen_shannon",
    "hinge",
    "gaussian_nll",
    "exponential_loss",
    "entropy",
    "accuracy",
    "Dense",
    "Dropout",
    "Embedding",
    "Layer",
    "LayerNorm",
    "Sequential",
    "adaptive_average_pool",
    "adaptive_max_pool",
    "average_pool",
    "binary_cross_entropy",
    "conv",
    "conv_local",
    "conv_transpose",
    "cross_entropy",
    "dropout",
    "elu",
    "gelu",
    "global_average_pool",
    "global_max_pool",
    "huber",
    "leaky_relu",
    "log_softmax",
    "mae",
    "max_pool",
    "mse",
    "power_pool",
    "relu",
    "selu",
    "soft_threshold",
    "swish",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]
