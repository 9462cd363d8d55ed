"""x[key] and x.at[key] against NumPy."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphc.backends.reference import evaluate
from graphc.ir.errors import DTypeError, IndexRangeError, ShapeError
from graphc.ops.indexing.brackets import getitem
from graphc.ops.source import constant, placeholder

SHAPE = (4, 3, 5)
X = np.arange(60.0).reshape(SHAPE)


def indexed(key: Any, array: np.ndarray = X, symbolic: bool = False) -> np.ndarray:
    names = tuple("abcd"[: array.ndim]) if symbolic else array.shape
    x = placeholder("x", names, array.dtype)
    (result,) = evaluate([x[key]], {x: array})
    return result


@st.composite
def entries(draw: Any, n: int, lengths: tuple[int, ...]) -> Any:
    """An integer, a slice or an integer array for an axis of length n."""
    kind = draw(st.sampled_from(("int", "slice", "slice", "array")))
    if kind == "int":
        return draw(st.integers(-n, n - 1))
    if kind == "array":
        elements = st.integers(-n, n - 1)
        shape = draw(st.sampled_from(((), lengths, (1,), (2, 1), (1, *lengths))))
        count = int(np.prod(shape))
        values = draw(st.lists(elements, min_size=count, max_size=count))
        return np.array(values, draw(st.sampled_from((np.int64, np.int32, np.int8)))).reshape(shape)
    bound = st.none() | st.integers(-n - 2, n + 2)
    step = st.none() | st.sampled_from((-3, -2, -1, 1, 2, 3))
    return slice(draw(bound), draw(bound), draw(step))


@st.composite
def keys(draw: Any, shape: tuple[int, ...] = SHAPE) -> tuple[Any, ...]:
    used = draw(st.integers(0, len(shape)))
    lengths = draw(st.sampled_from(((2,), (3,))))
    skip = draw(st.integers(0, used))
    with_gap = draw(st.booleans())
    key: list[Any] = []
    for k in range(used):
        axis = k if not with_gap or k < skip else len(shape) - used + k
        if with_gap and k == skip:
            key.append(Ellipsis)
        key.append(draw(entries(shape[axis], lengths)))
    if with_gap and skip == used:
        key.append(Ellipsis)
    for _ in range(draw(st.integers(0, 2))):
        key.insert(draw(st.integers(0, len(key))), None)
    return tuple(key)


@settings(max_examples=300)
@given(keys(), st.booleans())
def test_getitem_gives_what_numpy_gives(key: tuple[Any, ...], symbolic: bool) -> None:
    np.testing.assert_array_equal(indexed(key, symbolic=symbolic), X[key])


@settings(max_examples=100)
@given(keys(), st.booleans())
def test_at_set_gives_what_numpy_gives(key: tuple[Any, ...], symbolic: bool) -> None:
    x = placeholder("x", ("a", "b", "c") if symbolic else SHAPE, "float64")
    values = X[key] * -1 if symbolic else -np.arange(X[key].size * 1.0).reshape(X[key].shape)
    (result,) = evaluate([x.at[key].set(x[key] * -1 if symbolic else values)], {x: X})
    expected = X.copy()
    expected[key] = values
    np.testing.assert_array_equal(result, expected)


@settings(max_examples=100)
@given(keys())
def test_at_add_adds_once_for_each_time_an_element_is_named(key: tuple[Any, ...]) -> None:
    x = placeholder("x", SHAPE, "float64")
    values = -np.arange(X[key].size, dtype=float).reshape(X[key].shape)
    (result,) = evaluate([x.at[key].add(values)], {x: X})
    expected = X.copy()
    np.add.at(expected, key, values)
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("method", ["multiply", "max", "min"])
@pytest.mark.parametrize("key", [np.s_[1:3], np.s_[[0, 0, 2], 1:], np.s_[..., [1, 1]]])
def test_at_combines_like_the_ufunc(method: str, key: Any) -> None:
    ufunc = {"multiply": np.multiply, "max": np.maximum, "min": np.minimum}[method]
    x = placeholder("x", SHAPE, "float64")
    values = np.random.default_rng(0).uniform(-60, 60, X[key].shape)
    (result,) = evaluate([getattr(x.at[key], method)(values)], {x: X})
    expected = X.copy()
    ufunc.at(expected, key, values)
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    "key",
    [
        np.s_[[0, 1], ..., [1, 2]],
        np.s_[0, :, [1, 2]],
        np.s_[0, [1, 2]],
        np.s_[:, 0, [1, 2]],
        np.s_[None, [0, 1], None],
        np.s_[[0, 1], None, [1, 2]],
        np.s_[[]],
        np.s_[:, [], 0],
        np.s_[np.arange(4) % 2 == 0],
        np.s_[X[:, :, 0] > 20],
        np.s_[:, np.array([True, False, True]), [0, 1]],
        np.s_[X > 30],
        np.s_[:, np.int8(-1)],
        np.s_[np.array(2)],
        np.s_[[[0, 1], [1, 2]], [0, 1]],
        np.s_[()],
    ],
)
def test_corner_cases_give_what_numpy_gives(key: Any) -> None:
    np.testing.assert_array_equal(indexed(key), X[key])


def test_a_list_may_hold_tensors() -> None:
    x, i = placeholder("x", SHAPE, "float64"), placeholder("i", (), "int32")
    (result,) = evaluate([x[[i, i + 1], 0]], {x: X, i: np.int32(1)})
    np.testing.assert_array_equal(result, X[[1, 2], 0])


def test_a_scalar_tensor_is_an_index() -> None:
    x, i = placeholder("x", ("n", 3, 5), "float64"), placeholder("i", (), "int32")
    (result,) = evaluate([x[i, 1:]], {x: X, i: np.int32(-2)})
    np.testing.assert_array_equal(result, X[-2, 1:])


def test_shifted_slices_of_a_symbolic_axis_have_equal_lengths() -> None:
    x = placeholder("x", ("n", 3), "float64")
    assert x[1:].shape == x[:-1].shape
    assert x[2:].shape == x[1:-1].shape == x[:-2].shape
    assert x[::-1].shape == x.shape
    assert x[:10].shape == x[:10:1].shape


@pytest.mark.parametrize("n", [0, 1, 2, 7])
@pytest.mark.parametrize(
    "key",
    [
        np.s_[1:], np.s_[:-1], np.s_[3:], np.s_[:3], np.s_[-3:],
        np.s_[:-3], np.s_[::2], np.s_[1::2], np.s_[::-1],
        np.s_[::-2], np.s_[2:5], np.s_[-5:-2], np.s_[5:2:-1],
        np.s_[-2:-5:-1], np.s_[3::-1], np.s_[:2:-1],
        np.s_[-3:4], np.s_[1:-1], np.s_[-2:-6], np.s_[:-3:-2], np.s_[-1::-3],
    ],
)  # fmt: skip
def test_a_slice_of_a_symbolic_axis_is_clamped_as_in_python(key: slice, n: int) -> None:
    np.testing.assert_array_equal(indexed(key, np.arange(n), symbolic=True), np.arange(n)[key])


@pytest.mark.parametrize("key", [5, -6, [0, 5], [-6]])
def test_an_index_outside_a_known_axis_is_found_at_build(key: Any) -> None:
    x = placeholder("x", (5, 2))
    with pytest.raises(IndexRangeError, match=r"index .* is outside axis 0 of length 5"):
        x[key]


@pytest.mark.parametrize("key", [5, -6, [0, 5], [-6]])
@pytest.mark.parametrize("write", [False, True])
def test_an_index_outside_a_symbolic_axis_is_found_by_the_call(key: Any, write: bool) -> None:
    x = placeholder("x", ("n", 2))
    y = x.at[key].set(0) if write else x[key]
    with pytest.raises(IndexRangeError, match=r"is outside axis 0 of length 5"):
        evaluate([y], {x: np.zeros((5, 2), np.float32)})


def test_a_symbolic_mask_points_to_where() -> None:
    x = placeholder("x", (5,))
    with pytest.raises(ShapeError, match=r"hint: gc\.where"):
        x[x > 0]


def test_a_mask_must_have_the_length_of_its_axis() -> None:
    with pytest.raises(IndexRangeError, match="a mask of length 3 for axis 0 of length 5"):
        placeholder("x", (5,))[np.array([True, False, True])]


def test_too_many_indices_are_counted() -> None:
    with pytest.raises(IndexRangeError, match="3 indices for 2 axes"):
        placeholder("x", (5, 2))[0, 0, 0]


def test_index_arrays_must_broadcast() -> None:
    with pytest.raises(ShapeError, match="cannot broadcast axis 0: 2 against 3"):
        placeholder("x", (5, 5))[[0, 1], [0, 1, 2]]


def test_a_float_is_no_index() -> None:
    with pytest.raises(DTypeError, match="indices are integers, slices, None or Ellipsis"):
        placeholder("x", (5, 5))[0.5]


def test_a_tensor_is_no_bound_of_a_slice() -> None:
    i = placeholder("i", (), "int64")
    with pytest.raises(ShapeError, match=r"hint: use gc\.dynamic_slice"):
        placeholder("x", (5, 5))[i : i + 2]


def test_the_error_names_the_tensor() -> None:
    x = placeholder("x", ("n", 3))
    with pytest.raises(
        IndexRangeError,
        match=r"getitem: index 3 is outside axis 1 of length 3\n  a: x: f32\[n, 3\]",
    ):
        x[:, 3]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("clip", [0, 0, 4, 4]), ("wrap", [2, 0, 4, 1]), ("fill", [-9, 0, 4, -9])],
)
def test_modes_say_what_an_index_outside_means(mode: str, expected: list[int]) -> None:
    x = placeholder("x", ("n",), "int32")
    y = x.at[[-3, 0, 4, 6]].get(mode=mode, fill_value=-9)
    (result,) = evaluate([y], {x: np.arange(5, dtype=np.int32)})
    assert result.tolist() == expected


def test_fill_leaves_updates_outside_out() -> None:
    x = placeholder("x", ("n",), "int32")
    y = x.at[[-1, 1, 5]].add(10, mode="fill")
    (result,) = evaluate([y], {x: np.arange(5, dtype=np.int32)})
    assert result.tolist() == [0, 11, 2, 3, 4]


def test_a_negative_zero_outside_the_slice_survives_an_update() -> None:
    x = placeholder("x", (4,))
    (result,) = evaluate([x.at[:2].add(1.0)], {x: np.full(4, -0.0, np.float32)})
    assert np.signbit(result).tolist() == [False, False, True, True]


def test_floats_cannot_be_put_into_integers() -> None:
    with pytest.raises(DTypeError, match="cannot put f64 values into i32"):
        placeholder("x", (4,), "int32").at[0].set(0.5)


def test_getitem_takes_arrays() -> None:
    (result,) = evaluate([getitem(X, np.s_[1, ..., constant([0, 2])])], {})
    np.testing.assert_array_equal(result, X[1, ..., [0, 2]])
