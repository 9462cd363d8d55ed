"""What loops and branches refuse."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graphc as gc
from graphc.ir.errors import DTypeError, GradientError, GraphError, ShapeError


def test_a_carry_must_keep_its_type() -> None:
    x = gc.placeholder("x", (3,))
    with pytest.raises(DTypeError, match=r"carry 0 comes in as f32.* but the body makes f64"):
        gc.scan(lambda c, _: (c.astype(gc.float64), None), x, length=2)
    with pytest.raises(ShapeError, match="carry 0 comes in as"):
        gc.scan(lambda c, _: (gc.stack([c, c]), None), x, length=2)
    with pytest.raises(GraphError, match="the carry has 1 tensors, but the step gives 2"):
        gc.scan(lambda c, _: ((c, c), None), x, length=2)


def test_a_scan_needs_lengths_that_agree() -> None:
    x, y = gc.placeholder("x", (3,)), gc.placeholder("y", (4,))
    with pytest.raises(ShapeError, match="a scan over lengths 3 and 4"):
        gc.scan(lambda c, v: (c, None), x, (x, y))
    with pytest.raises(GraphError, match="a scan needs xs or a length"):
        gc.scan(lambda c, v: (c, None), x)
    with pytest.raises(ShapeError, match="a scalar has none"):
        gc.scan(lambda c, v: (c, None), x, gc.constant(1.0))


def test_a_step_must_give_a_pair() -> None:
    x = gc.placeholder("x", (3,))
    with pytest.raises(GraphError, match=r"must give \(carry, y\)"):
        gc.scan(lambda c, v: c, x, x)


def test_branches_must_give_the_same_types() -> None:
    x = gc.placeholder("x", (3,))
    with pytest.raises(ShapeError, match=r"branch no gives .*, but branch yes gives"):
        gc.cond(x[0] > 0, lambda x: x, lambda x: x[:2], x)
    with pytest.raises(GraphError, match="they must agree"):
        gc.cond(x[0] > 0, lambda x: (x, x), lambda x: x, x)
    with pytest.raises(ShapeError, match="must be a scalar"):
        gc.cond(x > 0, lambda x: x, lambda x: x, x)


def test_a_condition_must_be_one_bool() -> None:
    x = gc.placeholder("x", (3,))
    with pytest.raises(DTypeError, match="must be one bool"):
        gc.while_loop(lambda c: c > 0, lambda c: c, x)


def test_an_unbounded_while_loop_has_no_gradient() -> None:
    x = gc.placeholder("x", ())
    y = gc.while_loop(lambda c: c < 9, lambda c: c * 2, x)
    with pytest.raises(GradientError, match="max_steps"):
        gc.grad(y, [x])


def _count_to(total: gc.Tensor) -> Any:
    return gc.while_loop(lambda c: c < gc.sum(gc.ones(("k",))), lambda c: c + 1, total)


@pytest.mark.parametrize(
    "make",
    [
        lambda s: gc.scan(lambda c, _: (c * 2, None), s, length="k")[0],
        lambda s: gc.scan(lambda c, _: (c + gc.sum(gc.ones(("k",))), None), s, length=3)[0],
        lambda s: gc.cond(s > 0, lambda: gc.sum(gc.ones(("k",))), lambda: s),
        _count_to,
    ],
    ids=["length", "body", "branch", "while"],
)
def test_a_size_that_only_a_loop_or_branch_knows_is_told(
    make: Callable[[gc.Tensor], gc.Tensor], tmp_path: Path
) -> None:
    x = gc.placeholder("x", ("n",))
    y = make(gc.sum(x))
    with pytest.raises(gc.GraphError, match=r"size k, which no input has\n  .* from test_"):
        gc.compile([x], y)
    with pytest.raises(gc.GraphError, match="need the size k, which no input has"):
        gc.export([x], y, tmp_path / "model")
