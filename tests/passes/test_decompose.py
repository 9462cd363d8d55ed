"""Composites, the order in which their values are computed, and what products read in place."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.ir.walk import topological
from graphc.passes.decompose import decompose
from graphc.passes.fusion.fuse import fuse
from graphc.passes.graph import Graph
from graphc.passes.layouts.arrange import arrange_products
from graphc.passes.layouts.sink import sink_transpositions
from tests.support.run import evaluate


def names(results):
    return [node.op.name for node in topological(results)]


def network():
    """Two convolutions of many channels with something between, and the graph of its gradient."""
    x = gc.placeholder("x", (2, 16, 6, 7))
    v, w = gc.placeholder("v", (16, 16, 3, 3)), gc.placeholder("w", (32, 16, 3, 3))
    hidden = gc.tanh(nn.conv(x, v, padding=1) + gc.placeholder("b", (16,)).reshape((16, 1, 1)))
    y = nn.conv(hidden - gc.mean(hidden, axis=(0, 2, 3), keepdims=True), w)
    inputs = tuple(n.outputs[0] for n in topological([y]) if n.op.name == "placeholder")
    return Graph(inputs, (y, *gc.grad(gc.sum(y * y), [x, v, w])))


def feeds(graph):
    rng = np.random.default_rng(0)
    return {x: rng.normal(size=x.shape).astype("f4") for x in graph.inputs}


def test_no_convolution_is_left():
    found = names(decompose(network()).results)
    assert "dot_general" in found and "windows" in found
    assert not any(name.startswith("convolution") for name in found)


def test_values_stay():
    graph = network()
    given = feeds(graph)
    pairs = zip(
        evaluate(graph.results, given), evaluate(decompose(graph).results, given), strict=True
    )
    for before, after in pairs:
        np.testing.assert_allclose(before, after, rtol=2e-4, atol=2e-4)


def test_a_graph_without_composites_is_left_alone():
    x = gc.placeholder("x", (2, 3))
    graph = Graph((x,), (gc.exp(x.T + 1),))
    assert decompose(graph) is graph


def test_only_images_from_outside_and_kernels_change_their_order():
    """Between two convolutions nothing is transposed: the order of the first serves the second."""
    inference = network().outputs[:1]
    bodies = fuse(decompose(Graph((), inference)).outputs)
    stored = [x.node.op.name for body in bodies for x in body.outputs]
    assert stored.count("copy") + stored.count("place") == 3
    assert "windows" not in stored


X = gc.placeholder("x", (2, 3, 4, 5))


@pytest.mark.parametrize(
    "after",
    [
        gc.exp,
        lambda x: x + gc.placeholder("b", (3, 1, 2)),
        lambda x: x * gc.placeholder("full", (5, 3, 4, 2)),
        lambda x: gc.sum(x, axis=(0, 2)),
        lambda x: gc.max(x, axis=(1,), keepdims=True),
        lambda x: nn.max_pool(x, 2, 1),
        lambda x: gc.broadcast_to(x, (6, 5, 3, 4, 2)),
        lambda x: x.transpose((0, 2, 1, 3)),
        lambda x: gc.einsum("wchn,cwk->hkn", x, gc.placeholder("k", (3, 5, 7))),
        lambda x: gc.einsum("cwk,wchn->kcn", gc.placeholder("k", (3, 5, 7)), x),
    ],
    ids=["map", "bias", "map2", "sum", "max", "pool", "repeat", "transpose", "dot", "dot2"],
)
def test_transpositions_sink(after):
    (y,) = [after(X.transpose((3, 1, 2, 0)))]
    (sunk,) = sink_transpositions([y])
    assert sunk.type == y.type
    inside = topological([sunk.node.inputs[0] if sunk.op.name == "transpose" else sunk])
    assert all(x is not X for n in inside if n.op.name == "transpose" for x in n.inputs)
    rng = np.random.default_rng(0)
    given = {
        n.outputs[0]: rng.normal(size=n.types[0].shape).astype("f4")
        for n in topological([y])
        if n.op.name == "placeholder"
    }
    np.testing.assert_allclose(*evaluate([y, sunk], given), rtol=1e-5, atol=1e-5)


def test_transposition_stops_where_elements_are_counted_row_by_row():
    y = gc.reshape(X.transpose((3, 1, 2, 0)), -1)
    assert sink_transpositions([y])[0] is y


def test_kernels_are_copied_into_the_order_of_the_sum():
    x, w = gc.placeholder("x", (2, 5, 6, 3)), gc.placeholder("w", (13, 3, 2, 2))
    image = x.transpose((0, 3, 1, 2))
    graph = decompose(Graph((x, w), (nn.conv(image, w),)))
    (product,) = [n for n in topological(graph.results) if n.op.name == "dot_general"]
    (copied,) = [y for y in product.inputs if y.op.name == "copy"]
    assert sorted(copied.shape) == [2, 2, 3, 13]


def test_constant_kernels_are_arranged_beforehand():
    x = gc.placeholder("x", (2, 16, 6, 5))
    y = nn.conv(x, np.ones((16, 16, 2, 2), "f4"))
    copies = [n for n in topological(decompose(Graph((x,), (y,))).results) if n.op.name == "copy"]
    assert [n.types[0].shape for n in copies] == [(2, 6, 5, 16)]


def test_products_without_windows_are_left_alone():
    a, b = gc.placeholder("a", (3, 4)), gc.placeholder("b", (4, 5))
    assert arrange_products([a @ b])[0] is a @ b
