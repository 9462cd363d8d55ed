"""Layers, activations and losses: compositions of array functions."""

from graphc.nn.layer import Layer
from graphc.nn.layers import Dense, Dropout, Embedding, LayerNorm, Sequential, dropout
from graphc.nn.losses import binary_cross_entropy, cross_entropy, huber, mae, mse
from graphc.ops.activations import elu, gelu, leaky_relu, relu, silu
from graphc.ops.exponential import sigmoid, softplus
from graphc.ops.statistics import log_softmax, softmax
from graphc.ops.trigonometric import tanh

__all__ = [
    "Dense",
    "Dropout",
    "Embedding",
    "Layer",
    "LayerNorm",
    "Sequential",
    "binary_cross_entropy",
    "cross_entropy",
    "dropout",
    "elu",
    "gelu",
    "huber",
    "leaky_relu",
    "log_softmax",
    "mae",
    "mse",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]
