"""Layers over the nodes of a graph, given by a matrix or by a list of its edges."""

from __future__ import annotations

from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.ir.dtypes import int64
from graphc.ir.errors import ShapeError
from graphc.ir.node import Tensor
from graphc.nn.layer import Layer
from graphc.nn.layers import Activation, Dense, Init
from graphc.ops.activations import relu
from graphc.ops.convert import cast
from graphc.ops.creation import ones, zeros
from graphc.ops.diagonal import eye
from graphc.ops.indexing.gather import take
from graphc.ops.indexing.scatter import scatter
from graphc.ops.joining import concat
from graphc.ops.layout import reshape
from graphc.ops.linear.contraction import matmul
from graphc.ops.located import locate_errors
from graphc.ops.powers import rsqrt
from graphc.ops.reduction import sum
from graphc.ops.source import iota


@locate_errors
def normal_adjacency(a: Tensor) -> Tensor:
    """D^(-1/2) (A + I) D^(-1/2) of an adjacency matrix A (n, n), D being the sums of A + I."""
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise ShapeError(f"an adjacency matrix is square, unlike {a.type}")
    own = a + eye(a.shape[0], dtype=a.dtype)
    root = rsqrt(sum(own, 1))
    return own * reshape(root, (-1, 1)) * root


class GraphConv(Layer):
    """activation(D^(-1/2) (A + I) D^(-1/2) H W) of features H (n, inputs): Kipf and Welling (2017).

    The graph is a matrix A (n, n), or a list of edges (2, m), of which each says that node [0, k]
    sends to node [1, k]: then only as much is stored and computed as there are edges.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        activation: Activation | None = relu,
        weights: Init = init.glorot_uniform,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        self.product = Dense(inputs, outputs, None, False, weights, seed, dtype)
        self.activation = activation

    def __call__(self, h: Tensor, graph: Tensor) -> Tensor:  # type: ignore[override]
        z = self.product(h)
        if graph.dtype.is_float:
            y = matmul(normal_adjacency(graph), z)
        else:
            y = _along_edges(z, graph)
        return y if self.activation is None else self.activation(y)


def _along_edges(z: Tensor, edges: Tensor) -> Tensor:
    """The normal adjacency matrix of a list of edges, times z."""
    n = z.shape[0]
    loops = iota((n,))
    source, target = (concat([cast(edges[k], int64), loops]) for k in (0, 1))
    one = ones(target.shape, dtype=z.dtype)
    degrees = scatter(zeros((n,), dtype=z.dtype), one, [target], (0,), 0, "error", "add")
    root = rsqrt(degrees)
    weights = take(root, source) * take(root, target)
    messages = take(z, source, axis=0) * reshape(weights, (-1, 1))
    return scatter(zeros(z.shape, dtype=z.dtype), messages, [target], (0,), 0, "error", "add")
