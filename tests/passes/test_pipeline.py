"""The passes: what each makes of a graph, and the checker between them."""

import numpy as np
import pytest

import graphc as gc
from graphc.backends.reference import evaluate
from graphc.ir.dims import size
from graphc.ir.errors import GraphError
from graphc.ir.node import apply, unique
from graphc.ir.op import Op
from graphc.ir.types import TensorType
from graphc.ir.walk import topological
from graphc.ops.layout import broadcast, transpose
from graphc.passes.canonicalise import canonicalise
from graphc.passes.drop import drop_idle_updates
from graphc.passes.fold import LARGEST, fold
from graphc.passes.graph import Graph, Pass
from graphc.passes.pipeline import PIPELINE, optimise
from graphc.passes.simplify import simplify
from graphc.passes.verify import verify


def vector(name, dtype="float32"):
    return gc.placeholder(name, ("n",), dtype)


def after(run, *outputs):
    """The outputs after a pass."""
    sources = [node for node in topological(outputs) if node.op.name == "placeholder"]
    return run(Graph(tuple(node.outputs[0] for node in sources), outputs)).outputs


# canonicalise


def test_numbers_stand_on_the_right():
    x = vector("x")
    assert after(canonicalise, 2 * x)[0] is x * 2


def test_operands_of_commutative_ops_meet_in_one_order():
    x, y = vector("x"), vector("y")
    a, b = after(canonicalise, gc.exp(x) * y, y * gc.exp(x))
    assert a is b


def test_operands_of_other_ops_keep_their_order():
    x, y = vector("x"), vector("y")
    a, b = after(canonicalise, y - x, x - y)
    assert a is y - x
    assert b is x - y


def test_what_only_differentiation_heeds_is_gone():
    x = vector("x")
    f = gc.custom_gradient(gc.exp, lambda xs, ys, gs: gs)
    a, b = after(canonicalise, gc.stop_gradient(x) + 1, f(x) * 2)
    assert a is x + 1
    assert b is gc.exp(x) * 2


def test_transposition_that_keeps_the_order_is_gone():
    x = gc.placeholder("x", (3, 3))
    same = apply(transpose(x).op, x, axes=(0, 1)).outputs[0]
    assert after(canonicalise, same)[0] is x


# fold


def test_exact_op_on_numbers_is_computed():
    assert after(fold, gc.constant(2.0) * 3 + 1)[0] is gc.constant(7.0)


def test_repeated_numbers_stay_repeated_numbers():
    x = vector("x")
    ones = broadcast(gc.constant(1.0), x.shape, ())
    assert after(fold, x * (ones + 2))[0] is x * 3


def test_small_arrays_are_computed():
    folded = after(fold, gc.constant([1.0, 2.0]) * gc.constant([3.0, 4.0]))[0]
    assert folded is gc.constant([3.0, 8.0])


def test_big_arrays_are_left_alone():
    big = gc.constant(np.ones(LARGEST + 1, np.float32))
    product = big * big
    assert after(fold, product)[0] is product


def test_inverse_roots_are_computed_and_rounded_once():
    values = np.random.default_rng(0).uniform(0.1, 9, 1280).astype(np.float32)
    folded = after(fold, gc.rsqrt(gc.constant(values)))[0]
    (found,) = evaluate([folded])
    np.testing.assert_array_equal(found, (1 / np.sqrt(values.astype(np.float64))).astype("f4"))


def test_ops_that_backends_may_round_differently_are_left_alone():
    y = gc.exp(gc.constant(1.0))
    assert after(fold, y)[0] is y


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int8", "uint64"])
def test_folding_keeps_the_value_of_every_dtype(dtype):
    y = gc.constant(3, dtype) * 5 - gc.constant(1, dtype)
    folded = after(fold, y)[0]
    assert folded.node.op.name == "constant"
    assert folded.type == y.type
    np.testing.assert_array_equal(*evaluate([folded, y]))


def test_division_by_zero_folds_as_ieee_has_it():
    (value,) = evaluate(after(fold, gc.constant(-1.0) / 0.0))
    assert value == -np.inf


# simplify


def test_rules_and_folding_take_turns():
    n = vector("n", "int32")
    assert after(simplify, n * 2 * 3)[0] is n * 6
    assert after(simplify, (n * 1 + 0) * gc.constant(-1, "int32") * -1)[0] is n


# drop


def test_update_to_itself_is_dropped():
    v, w = gc.variable([1.0]), gc.variable([1.0])
    graph = drop_idle_updates(Graph((), (), ((v, v), (w, w + 1))))
    assert [variable is w for variable, _ in graph.updates] == [True]


# the pipeline


def training_step():
    x, t = gc.placeholder("x", ("n", 3)), gc.placeholder("t", ("n",))
    w = gc.variable(np.ones(3, np.float32))
    error = gc.matmul(x, w) - t
    loss = gc.mean(error * error)
    return Graph((x, t), (loss,), ((w, w - 0.1 * gc.grad(loss, w)),))


def values(graph):
    x, t = graph.inputs
    rng = np.random.default_rng(0)
    feeds = {x: rng.normal(size=(5, 3)).astype("f4"), t: rng.normal(size=5).astype("f4")}
    return evaluate(graph.results, feeds)


def test_whole_pipeline_keeps_the_values():
    graph = training_step()
    for a, b in zip(values(graph), values(optimise(graph)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


@pytest.mark.parametrize("name", sorted({step.name for step in PIPELINE}))
def test_any_pass_may_be_left_out(name):
    graph = training_step()
    for a, b in zip(values(graph), values(optimise(graph, {name})), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_pipeline_leaves_nothing_to_do():
    once = optimise(training_step())
    twice = optimise(once)
    assert all(a is b for a, b in zip(once.results, twice.results, strict=True))


def test_trace_sees_every_pass_with_its_graph_and_time():
    seen = []
    last = optimise(training_step(), ["fold"], lambda *step: seen.append(step))
    assert [name for name, _, _ in seen] == [p.name for p in PIPELINE if p.name != "fold"]
    assert seen[-1][1] is last
    assert all(seconds >= 0 for _, _, seconds in seen)


def test_unknown_pass_cannot_be_disabled():
    with pytest.raises(GraphError, match="there is no pass 'faster'; the passes are hold_checks"):
        optimise(training_step(), ["faster"])


def test_every_pass_says_what_it_promises():
    assert all(step.promise for step in PIPELINE)


# the checker


def test_sound_graph_passes():
    verify(training_step())


def test_forbidden_op_is_found():
    x = vector("x")
    with pytest.raises(AssertionError, match=r"exp -> f32.* should not have survived"):
        verify(Graph((x,), (gc.exp(x) + 1,)), {"exp"})


def test_pass_that_breaks_its_promise_is_caught(monkeypatch):
    lazy = Pass("lazy", lambda graph: graph, "no products", frozenset({"dot_general"}))
    monkeypatch.setattr("graphc.passes.pipeline.PIPELINE", (lazy,))
    with pytest.raises(AssertionError, match=r"dot_general.* should not have survived"):
        optimise(training_step())


def test_placeholder_that_is_no_input_is_found():
    with pytest.raises(AssertionError, match=r"placeholder.* is not among the inputs"):
        verify(Graph((), (vector("x") + 1,)))


def test_size_of_no_input_is_found():
    x = gc.placeholder("x", ())
    y = broadcast(x, (size("m"),), ())
    with pytest.raises(AssertionError, match=r"depends on sizes \['m'\] of no input"):
        verify(Graph((x,), (y,)))


def test_wrong_type_is_found():
    x = vector("x")
    wrong = unique(Op.registry["exp"], (x,), {}, (TensorType(gc.float64, x.shape),))
    with pytest.raises(AssertionError, match=r"should have the types f32\[n\]"):
        verify(Graph((x,), wrong.outputs))


def test_update_of_another_type_is_found():
    v = gc.variable([1.0, 2.0])
    with pytest.raises(AssertionError, match="cannot become"):
        verify(Graph((), (), ((v, gc.sum(v)),)))


def test_update_of_what_is_no_variable_is_found():
    x = vector("x")
    with pytest.raises(AssertionError, match="is updated but no variable"):
        verify(Graph((x,), (), ((x, x + 1),)))
