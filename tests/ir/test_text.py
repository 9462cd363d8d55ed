"""The text form of graphs: what it looks like, and that it can be read back."""

import numpy as np
import pytest

import graphc as gc
from graphc.backends.reference import evaluate
from graphc.ir import dims
from graphc.ir.dims import size
from graphc.ir.errors import GraphError
from graphc.ir.text import LONGEST, arrays_of, to_text
from graphc.passes.graph import Graph
from graphc.passes.parse import parse
from tests.fuzz.graphs import draw_case


def check_round_trip(graph):
    """The text read back prints the same; gives the graph that was read."""
    text = to_text(graph)
    back = parse(text, arrays_of(graph))
    assert to_text(back) == text
    return back


def outputs(*tensors):
    """The graph of some tensors, with every placeholder that they need."""
    from graphc.ir.walk import topological

    nodes = topological(tensors)
    return Graph(tuple(n.outputs[0] for n in nodes if n.op.name == "placeholder"), tensors)


def test_text_shows_a_node_a_line():
    x = gc.placeholder("x", ("batch", 3))
    w = gc.variable(np.zeros(3, "f4"), "w")
    y = gc.matmul(x, w).named("scores")
    graph = Graph((x,), (y,), ((w, w + gc.sum(y) * 2),), "step")
    assert to_text(graph, sources=False) == (
        "graph step\n"
        "  input %x: f32[batch, 3]\n"
        "  variable %w: f32[3]\n"
        "  %scores: f32[batch] = dot_general(%x, %w) {batch=((), ()), contract=((1,), (0,))}\n"
        "  %3: f32[] = sum(%scores) {axes=(0,)}\n"
        "  %4: f32[] = constant {value=f32(2.0)}\n"
        "  %5: f32[] = multiply(%3, %4)\n"
        "  %6: f32[3] = broadcast(%5) {shape=(3,), axes=()}\n"
        "  %7: f32[3] = add(%w, %6)\n"
        "  output %scores\n"
        "  update %w = %7\n"
    )


def test_each_line_ends_with_the_users():
    x = gc.placeholder("x", ())
    assert "  # test_text.py:" in to_text(outputs(gc.exp(x)))


def test_two_tensors_of_one_label_have_two_names():
    x = gc.placeholder("x", ())
    a, b = gc.exp(x).named("y"), gc.sin(x).named("y")
    text = to_text(outputs(a, b), sources=False)
    assert "%y: f32[] = exp(%x)" in text
    assert "%2: f32[] = sin(%x)" in text


def test_same_graph_prints_the_same_text():
    def text():
        x = gc.placeholder("x", ("n",))
        return to_text(outputs(gc.softmax(x) * x), sources=False)

    assert text() == text()


def test_node_with_several_outputs_round_trips():
    x = gc.placeholder("x", ("n", 5))
    values, places = gc.topk(x, 2)
    back = check_round_trip(outputs(values, places))
    assert back.outputs[0].node is back.outputs[1].node


def test_training_step_round_trips_with_its_arrays():
    x = gc.placeholder("x", ("n", 3))
    w = gc.variable(np.ones((3, 2), "f4"), "w")
    frozen = gc.variable(np.full(2, 3, "f4"), "frozen", trainable=False)
    loss = gc.mean((gc.matmul(x, w) - frozen) ** 2)
    graph = Graph((x,), (loss,), ((w, w - gc.grad(loss, w)),), "step")
    back = check_round_trip(graph)
    assert back.name == "step"
    value = np.ones((4, 3), "f4")
    (want,), (got,) = (evaluate(g.outputs, {g.inputs[0]: value}) for g in (graph, back))
    np.testing.assert_array_equal(got, want)
    states = {n.attrs["state"].trainable for n in _variables(back)}
    assert states == {True, False}


def _variables(graph):
    from graphc.ir.walk import topological

    return [node for node in topological(graph.results) if node.op.name == "variable"]


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "uint64", "float16", "bfloat16", "float32", "float64"]
)
@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (2, 3)])
def test_small_constants_are_written_out(dtype, shape):
    value = np.random.default_rng(0).normal(size=shape) * 3
    c = gc.constant(np.abs(value).astype(gc.as_dtype(dtype).numpy))
    assert check_round_trip(outputs(c)).outputs[0] is c


@pytest.mark.parametrize("number", [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, 0.1, 3.4e38])
def test_numbers_keep_every_bit(number):
    c = gc.constant(number)
    assert check_round_trip(outputs(c)).outputs[0] is c


def test_big_constants_are_kept_apart():
    c = gc.constant(np.arange(LONGEST + 1.0))
    graph = outputs(c)
    assert 'value=array("' in to_text(graph)
    assert check_round_trip(graph).outputs[0] is c
    with pytest.raises(GraphError, match=r"line 2: the array .* is missing"):
        parse(to_text(graph))


@pytest.mark.parametrize(
    "make",
    [
        lambda n, m: n * 3 - 2 * m + 1,
        lambda n, m: 3 * (n // 2),
        lambda n, m: n // (2 * m) * n,
        lambda n, m: n - 1 % dims.maximum(1, n),
        lambda n, m: (n * m) % (m + 1),
        lambda n, m: dims.minimum(n, 10) // dims.maximum(m, n // 2),
        lambda n, m: n // (m // 2) - n % (m % 3),
    ],
)
def test_dimensions_round_trip(make):
    n, m = size("n"), size("m")
    x = gc.placeholder("x", (n, m, make(n, m)))
    assert check_round_trip(outputs(x)).outputs[0].type == x.type


def test_loop_round_trips_with_its_body():
    x = gc.placeholder("x", ("n", 3))
    last, rows = gc.scan(lambda c, row: (c + row, c * 2), gc.zeros(3), x)
    graph = outputs(last, rows)
    assert to_text(graph).startswith("graph inner0\n  input %carry0: f32[3]")
    back = check_round_trip(graph)
    value = np.arange(6.0, dtype="f4").reshape(2, 3)
    want, got = (evaluate(g.outputs, {g.inputs[0]: value}) for g in (graph, back))
    for a, b in zip(want, got, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("seed", range(20))
def test_random_graphs_round_trip(seed):
    case = draw_case(seed)
    check_round_trip(Graph(tuple(case.feeds), (*case.outputs, case.loss, *case.gradients())))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("%1: f32[] = exp(%y)", "%y is not defined"),
        ("%1: f32[] = explode(%x)", "there is no op 'explode'"),
        ("%1: f32[3] = exp(%x)", r"exp gives f32\[\], not f32\[3\]"),
        ("%1 = exp(%x)", "this is no line of a graph"),
        ("%1: f32[] = sum(%x) {axes=(0}", "line 3: "),
        ("variable %v: f32[]", "the value of the variable %v is missing"),
    ],
)
def test_line_that_cannot_be_read_is_named(line, complaint):
    with pytest.raises(GraphError, match=r"line 3: ") as caught:
        parse(f"graph g\n  input %x: f32[]\n  {line}\n  output %1\n")
    assert caught.match(complaint)
    assert str(caught.value).endswith(f"\n  {line}")


def test_text_without_a_graph_is_an_error():
    with pytest.raises(GraphError, match="the text holds no graph"):
        parse("")
