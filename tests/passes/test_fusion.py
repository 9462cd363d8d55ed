"""What shares a kernel: values over one domain that read the same things, rows and columns."""

from collections.abc import Sequence

import numpy as np

import graphc as gc
from graphc.ir.node import Tensor
from graphc.passes.fusion.body import Body, copy_body
from graphc.passes.fusion.fuse import fuse
from graphc.passes.fusion.roots import base, is_buffer
from graphc.passes.graph import Graph
from graphc.passes.pipeline import optimise


def roles(body: Body) -> dict[str, str]:
    """The role of each value of a kernel by the name of its op."""
    return {root.tensor.node.op.name: root.role for root in body.roots}


def kinds(bodies: Sequence[Body]) -> list[str]:
    return [body.kind for body in bodies]


def matrix(name: str = "x", rows: int | str = "n", columns: int | str = 8) -> Tensor:
    return gc.placeholder(name, (rows, columns))


def check_order(outputs: Sequence[Tensor], bodies: Sequence[Body]) -> None:
    """Every kernel reads what lies in memory by then, and every output is made once."""
    known: set[Tensor] = set()
    for body in bodies:
        for x in body.inputs:
            assert is_buffer(base(x)) or base(x) in known
        assert not known & set(body.outputs)
        known |= set(body.outputs)
    assert {base(x) for x in outputs if not is_buffer(base(x))} <= known


def test_a_chain_of_maps_is_one_kernel() -> None:
    x = matrix()
    (body,) = fuse([gc.tanh(gc.exp(x) * 2 + 1) / (x + 3)])
    assert body.kind == "nest" and body.inputs[0] is x and len(body.inputs) == 1


def test_maps_that_read_the_same_input_share_a_kernel() -> None:
    x = matrix()
    (body,) = fuse([gc.exp(x), gc.sin(x), x * 3])
    assert len(body.outputs) == 3


def test_maps_that_share_nothing_stay_apart() -> None:
    assert len(fuse([gc.exp(matrix("x")), gc.exp(matrix("y"))])) == 2


def test_softmax_is_one_kernel_of_rows() -> None:
    x = matrix()
    y = gc.exp(x - gc.max(x, axis=1, keepdims=True))
    (body,) = fuse([y / gc.sum(y, axis=1, keepdims=True)])
    assert body.row_axes == (1,)
    assert sorted({root.level for root in body.roots}) == [0, 1, 2]
    assert [root.role for root in body.roots if root.tensor.node.op.name in ("max", "sum")] == [
        "row",
        "row",
    ]


def test_sums_over_rows_and_columns_share_a_pass_over_memory() -> None:
    x = matrix()
    (body,) = fuse([gc.sum(x, axis=1), gc.sum(x * 2, axis=0)])
    assert {root.role for root in body.roots} == {"row", "column"}


def test_a_sum_of_everything_joins_the_map_that_it_adds_up() -> None:
    x = matrix()
    y = gc.exp(x)
    (body,) = fuse([y, gc.sum(y)])
    assert roles(body) == {"exp": "map", "sum": "total"}


def test_places_are_sought_along_rows_and_columns_in_a_pass_over_memory() -> None:
    x = matrix()
    (body,) = fuse([gc.argmax(x, axis=1), gc.argmin(x, axis=0), gc.sum(x, axis=0)])
    assert [root.role for root in body.roots] == ["row", "column", "column"]


def test_a_value_that_needs_all_rows_is_not_used_in_the_kernel_that_makes_it() -> None:
    x = matrix()
    bodies = fuse([x / gc.sum(x, axis=0, keepdims=True)])
    assert len(bodies) == 2
    check_order([], bodies)


def test_a_flipped_sum_is_not_read_where_it_is_made() -> None:
    x = matrix(rows=8)
    s = gc.cumsum(x, axis=0)
    e = gc.exp(x)
    outputs = [e + gc.flip(e, axis=1), s + e]
    check_order(outputs, fuse(outputs))


def test_an_epilogue_joins_its_product() -> None:
    x, w = matrix(columns=8), matrix("w", 8, 16)
    (body,) = fuse([gc.tanh(x @ w + 1)])
    assert kinds([body]) == ["contraction"]


def test_an_op_with_loops_of_its_own_is_a_kernel_of_its_own() -> None:
    x = matrix()
    bodies = fuse([gc.sort(gc.exp(x), axis=1) + 1])
    assert kinds(bodies) == ["nest", "loops", "nest"]


def test_kernels_stay_narrow_enough() -> None:
    x = matrix()
    outputs = [x * float(k) for k in range(100)]
    bodies = fuse(outputs)
    assert max(len(body.roots) + len(body.inputs) for body in bodies) <= 33
    check_order(outputs, bodies)


def test_no_value_is_recomputed_when_it_is_expensive_and_read_twice() -> None:
    x = matrix(rows=8)
    y = gc.tanh(gc.exp(x))
    outputs = [gc.sort(y, axis=1), y.T * 2]
    bodies = fuse(outputs)
    assert sum(any(root.tensor is y for root in body.roots) for body in bodies) == 1
    check_order(outputs, bodies)


def test_a_pivot_of_some_lines_is_computed_once_and_all_lines_are_read_once() -> None:
    x = gc.placeholder("x", (4096, 1024))
    graph = optimise(Graph((x,), (gc.mean(x, axis=0), gc.var(x, axis=0))))
    bodies = fuse(graph.outputs)
    first, second = (b for b in bodies if graph.inputs[0] in {base(y) for y in b.inputs})
    assert {root.role for root in first.roots} == {"map"}
    assert first.domain == (second.domain[0], second.domain[2])
    assert {root.tensor.node.op.name for root in second.roots} == {"wide_sum"}


def test_the_index_map_of_one_candidate_does_not_reach_the_next() -> None:
    z = gc.placeholder("z", (6,))
    e = gc.exp(gc.placeholder("x", (5, 6)))
    outputs = [gc.exp(z), e, gc.argmax(e, axis=0), e[0] + z]
    (line,) = (body for body in fuse(outputs) if body.domain == (6,))
    assert len(line.roots) == 2
    assert {str(access.index[-1]) for root in line.roots for access in root.accesses} == {"i0"}


def test_a_copy_reads_its_source_from_memory() -> None:
    y = gc.exp(matrix())
    body = copy_body(y)
    assert body.inputs[0] is y and body.outputs[0] is not y
    assert body.roots[0].accesses[0].tensor is y


def test_deep_graphs_fuse() -> None:
    x = matrix()
    y = x
    for k in range(300):
        y = gc.sort(y, axis=1) if k % 3 == 0 else gc.exp(y) * 0.1
    bodies = fuse([y])
    assert kinds(bodies).count("loops") == 100
    check_order([y], bodies)


def test_a_kernel_takes_only_so_many_operations():
    x = gc.placeholder("x", (64,), gc.float64)
    y = x
    for _ in range(60):
        y = gc.sin(y) + x
    f = gc.compile([x], y)
    assert 2 <= len(f.kernels) <= 5
    value = array = np.linspace(-1, 1, 64)
    for _ in range(60):
        value = np.sin(value) + array
    np.testing.assert_allclose(f(array), value, rtol=1e-12)
