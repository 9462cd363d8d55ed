"""Walks over graphs: their order, and where the nodes that they make are written."""

import graphc as gc
from graphc.ir.node import Node, Tensor
from graphc.ir.source import on_one_line, user_line
from graphc.ir.walk import topological
from tests.fuzz.graphs import draw_case


def by_recursion(outputs: list[Tensor]) -> list[Node]:
    order: dict[Node, None] = {}

    def visit(node: Node) -> None:
        if node not in order:
            for x in node.inputs:
                visit(x.node)
            order[node] = None

    for x in outputs:
        visit(x.node)
    return list(order)


def test_inputs_come_first_in_the_order_in_which_they_are_read() -> None:
    for seed in range(8):
        outputs = draw_case(seed).outputs
        assert topological(outputs) == by_recursion(outputs)


def test_older_nodes_are_left_out() -> None:
    x = gc.placeholder("x", ("n",))
    y = gc.exp(x)
    z = gc.sum(y * y + x)
    since = y.node.serial + 1
    assert topological([z], since) == [n for n in topological([z]) if n.serial >= since]
    assert topological([x], since) == []


def test_a_long_chain_is_no_recursion() -> None:
    y = x = gc.placeholder("x", ("n",))
    for _ in range(20_000):
        y = y + x
    assert len(topological([y])) == 20_001


def test_what_is_made_on_one_line_is_written_there() -> None:
    x = gc.placeholder("x", ("n",))
    with on_one_line():
        here = user_line()
        a = gc.exp(x)
        b = gc.tanh(a)
    c = gc.tanh(b)
    assert here is not None
    assert a.source == b.source == here
    assert c.source != here
