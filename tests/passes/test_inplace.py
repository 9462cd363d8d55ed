"""The order of kernels around updates, and when a new value may lie where the old one lay."""

import itertools
from collections.abc import Sequence

import numpy as np

import graphc as gc
from graphc.ir.node import Tensor
from graphc.passes.fusion.body import Body
from graphc.passes.fusion.fuse import fuse
from graphc.passes.fusion.inplace import overwrites, settle_order
from graphc.passes.fusion.roots import base


def variable(*shape: int) -> Tensor:
    return gc.variable(np.ones(shape, np.float32))


def settled(
    news: Sequence[Tensor], variables: Sequence[Tensor], failing: Sequence[Tensor] = ()
) -> list[Body]:
    targets = dict(zip(news, variables, strict=True))
    bodies = fuse([*news, *failing])
    bad = {body for body in bodies if any(x in set(failing) for x in body.outputs)}
    return settle_order(bodies, targets, bad)


def position(bodies: Sequence[Body], x: Tensor) -> int:
    (found,) = (k for k, body in enumerate(bodies) if any(y is x for y in body.outputs))
    return found


def test_a_variable_is_written_after_its_last_reader() -> None:
    a, b = variable(4), variable(4, 4)
    new_a, new_b = gc.sort(b[0]) * 2, b * gc.flip(a)
    for news in itertools.permutations([(new_a, a), (new_b, b)]):
        bodies = settled([n for n, _ in news], [v for _, v in news])
        for x, v in news:
            assert overwrites(bodies, position(bodies, base(x)), base(x), v)


def test_a_variable_is_written_after_every_check() -> None:
    a, b = variable(4), variable(9)
    new, checked = a + 1, gc.cumsum(b)
    bodies = settled([new], [a], failing=[checked])
    assert position(bodies, new) > position(bodies, checked)


def test_a_check_that_needs_the_new_value_comes_after_it() -> None:
    a = variable(4)
    new = gc.sort(a + 1)
    checked = gc.cumsum(new)
    bodies = settled([new], [a], failing=[checked])
    assert position(bodies, new) < position(bodies, checked)


def test_elementwise_values_overwrite() -> None:
    a, b = variable(4, 4), variable(4, 4)
    new = gc.exp(a) * b
    bodies = settled([new], [a])
    assert overwrites(bodies, 0, new, a)


def test_values_that_read_other_elements_do_not_overwrite() -> None:
    a = variable(4, 4)
    for new in (
        gc.flip(a) * 2,
        a.T + 1,
        a / gc.sum(a, axis=1, keepdims=True),
        a + a[:1],
        gc.sort(a),
        a @ a,
        gc.concat([a[1:], a[:1]]) * 3,
    ):
        bodies = settled([new], [a])
        assert not overwrites(bodies, position(bodies, base(new)), base(new), a), new


def test_every_body_keeps_its_place_after_what_it_reads() -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        xs = [variable(6) for _ in range(4)]
        values = list(xs)
        for _ in range(12):
            x, y = (values[k] for k in rng.integers(len(values), size=2))
            step = [gc.sort(x) + y, gc.exp(x) - y, gc.cumsum(y)][rng.integers(3)]
            values.append(step)
        news = [v * 1.5 for v in values[-4:]]
        bodies = settled(news, xs, failing=[values[-5]])
        known: set[Tensor] = set(xs)
        for body in bodies:
            assert {base(x) for x in body.inputs} <= known
            known |= set(body.outputs)
