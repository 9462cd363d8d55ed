"""Errors do not depend on optimisations."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from graphc.executable import Executable

Case = Callable[[gc.Tensor, gc.Tensor], Any]
ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)

UNNEEDED: dict[str, Case] = {
    "constant logits": lambda x, k: nn.cross_entropy(gc.zeros((2, 3)), k) + gc.sum(x),
    "a constant table": lambda x, k: gc.take(gc.zeros((3, 5)), k, axis=0) + x[0, 0],
    "one class": lambda x, k: nn.cross_entropy(x[:2, :1], k - 1),
    "a condition that always holds": lambda x, k: gc.where(True, x[:2, 0], gc.take(x[0], k)),
    "a part of the rows": lambda x, k: gc.take(x.T, k, axis=0)[:1],
    "a part by an index": lambda x, k: gc.take(x.T, k, axis=0)[0],
    "the diagonal": lambda x, k: gc.diagonal(gc.take(x.T, k, axis=0)),
    "rows of rows": lambda x, k: gc.take(gc.take(x.T, k, axis=0), gc.minimum(k[:1], 0), axis=0),
    "overwritten": lambda x, k: gc.dynamic_update_slice(
        gc.take(x[0], k), gc.zeros((2,)), [k[0] * 0]
    ),
    "a block of which a part is read": lambda x, k: gc.dynamic_update_slice(
        x[0], gc.zeros((1,)), [k[1]]
    )[:1],
    "a block of which nothing is read": lambda x, k: (
        gc.dynamic_slice(x[0], [k[1]], [1])[:0].sum() + x
    ),
    "set and read elsewhere": lambda x, k: x[0].at[k].set(1.0)[:1],
    "a length": lambda x, k: gc.zeros(gc.take(x[0], k).shape) + x[0, 0],
    "as many as there are": lambda x, k: gc.argmax(gc.take(x.T, k, axis=0)[:, :1], axis=1),
}


def functions(make: Case, **options: Any) -> Executable:
    x, k = gc.placeholder("x", (4, 3)), gc.placeholder("k", (2,), gc.int64)
    return gc.compile([x, k], make(x, k), **options)


@pytest.mark.parametrize("target", ["cpu", "numba"])
@pytest.mark.parametrize("case", UNNEEDED)
def test_an_index_out_of_range_is_an_error_wherever_the_reference_has_one(
    case: str, target: str
) -> None:
    f = functions(UNNEEDED[case], target=target)
    reference = functions(UNNEEDED[case], target="reference")
    for k in ([1, 1], [1, 2], [1, 7], [1, -9]):
        try:
            expected = reference(ROWS, np.array(k))
        except gc.IndexRangeError:
            with pytest.raises(gc.IndexRangeError):
                f(ROWS, np.array(k))
        else:
            np.testing.assert_allclose(f(ROWS, np.array(k)), expected, rtol=1e-6)


def test_the_cases_do_fail() -> None:
    for case in UNNEEDED.values():
        if case is not UNNEEDED["a length"]:
            with pytest.raises(gc.IndexRangeError):
                functions(case, target="reference")(ROWS, np.array([1, 7]))


def test_a_variable_is_not_changed_by_a_call_that_fails() -> None:
    w, k = gc.variable(np.zeros(3, np.float32), "w"), gc.placeholder("k", (2,), gc.int64)
    update = w + 1 + gc.take(gc.zeros((5,)), k)[0]
    f = gc.compile([k], None, updates={w: update})
    with pytest.raises(gc.IndexRangeError):
        f(np.array([1, 7]))
    assert w.value.tolist() == [0, 0, 0]
    f(np.array([1, 2]))
    assert w.value.tolist() == [1, 1, 1]


def test_a_body_of_a_loop_keeps_its_checks() -> None:
    k = gc.placeholder("k", (3,), gc.int64)
    table = gc.zeros((5,))
    total, _ = gc.scan(lambda s, i: (s + 1 + gc.take(table, i), s), gc.zeros(()), k)
    f = gc.compile([k], total)
    assert f(np.array([0, 1, 2])) == 3
    with pytest.raises(gc.IndexRangeError):
        f(np.array([0, 1, 9]))


def test_checks_that_remain_are_made_once() -> None:
    words, table = gc.placeholder("words", ("n",), gc.int64), gc.placeholder("table", (9, 4))
    labels = gc.placeholder("labels", ("n",), gc.int64)
    loss = nn.cross_entropy(gc.take(table, words, axis=0), labels % 4)
    f = gc.compile([words, labels, table], [loss, gc.grad(loss, table)])
    assert "after(" not in f.dump("optimised")


def test_what_no_result_needs_is_not_checked() -> None:
    x, k = gc.placeholder("x", (4,)), gc.placeholder("k", (), gc.int64)
    gc.take(x, k)
    assert gc.compile([x, k], x + 1)(np.zeros(4, np.float32), np.int64(9)).tolist() == [1] * 4


EMPTY: dict[str, Callable[[gc.Tensor, gc.Tensor], Any]] = {
    "rows of no columns": lambda x, k: gc.take(x, k, axis=0),
    "their sum": lambda x, k: gc.sum(gc.take(x, k, axis=0)),
    "one row": lambda x, k: gc.take(x, k[0] + k[1], axis=0),
    "a block": lambda x, k: gc.dynamic_slice(x, [k[0] + k[1], 0], [1, x.shape[1]]),
    "several axes": lambda x, k: x[k, :, None] * gc.ones((1, 1, 2)),
    "in a loop": lambda x, k: gc.scan(lambda c, j: (c + gc.take(x, j, axis=0), None), x[0], k)[0],
    "added": lambda x, k: x.at[k].add(1.0),
}


@pytest.mark.parametrize("columns", [0, 3])
@pytest.mark.parametrize("target", ["cpu", "numba", "reference"])
@pytest.mark.parametrize("case", EMPTY)
def test_an_index_into_nothing_is_checked_too(case: str, target: str, columns: int) -> None:
    x, k = gc.placeholder("x", (4, columns)), gc.placeholder("k", ("n",), gc.int64)
    f = gc.compile([x, k], EMPTY[case](x, k), target=target)
    f(np.ones((4, columns), np.float32), np.array([1, 2]))
    with pytest.raises(gc.IndexRangeError):
        f(np.ones((4, columns), np.float32), np.array([1, 9]))


@pytest.mark.parametrize("columns", [4, "columns"])
def test_rows_that_may_be_read_need_no_check_of_their_own(columns: int | str) -> None:
    k, table = gc.placeholder("k", ("n",), gc.int64), gc.placeholder("table", (9, columns))
    f = gc.compile([k, table], gc.exp(gc.take(table, k, axis=0)))
    assert "after(" not in f.dump("optimised")
