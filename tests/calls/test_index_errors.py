"""An index out of range: what was called, which value, where it was given, and the user's line."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim

TARGETS = ["cpu", "numba", "reference"]
ROWS, COLUMNS = np.zeros((2, 3), np.float32), np.array([[0, 1, 0], [0, 0, 4]])


def rows() -> gc.Tensor:
    return gc.placeholder("rows", ("n", 3))


def places() -> gc.Tensor:
    return gc.placeholder("places", ("m", 3), gc.int64)


def error_of(inputs: list[gc.Tensor], y: Any, *arrays: Any, target: str = "cpu") -> str:
    with pytest.raises(gc.IndexRangeError) as caught:
        gc.compile(inputs, y, target=target)(*arrays)
    return str(caught.value)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "wrong",
    [
        lambda x, k: gc.take_along_axis(x, k, axis=0),
        lambda x, k: gc.put_along_axis(x, k, 0.0, axis=0),
        lambda x, k: gc.take(x, k, axis=0),
        lambda x, k: x[k],
        lambda x, k: x.at[k[:, 0]].set(1.0)[0] + gc.take_along_axis(x, k, axis=0),
    ],
    ids=["take_along_axis", "put_along_axis", "take", "getitem", "take_along_axis at"],
)
def test_the_axis_is_the_one_that_was_given(
    wrong: Any, target: str, request: pytest.FixtureRequest
) -> None:
    x, k = rows(), places()
    text = error_of([x, k], wrong(x, k), ROWS, COLUMNS, target=target)
    assert text.startswith(request.node.callspec.id.split("-")[0].split(" ")[0] + ": index 4 is ")
    assert "axis 0 of length" in text
    assert "\n  at test_index_errors.py:" in text


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("count", [5, 100])
def test_a_topk_of_too_many_names_the_axis_that_was_given(count: int, target: str) -> None:
    text = error_of([x := rows()], gc.topk(x, count, axis=0)[0], ROWS, target=target)
    assert text.startswith("topk: index ")
    assert "axis 0 of length" in text


@pytest.mark.parametrize("target", ["cpu", "numba"])
def test_the_place_in_an_argument_is_told_with_the_sizes_of_the_call(target: str) -> None:
    text = error_of([x := rows(), k := places()], gc.take(x, k, 0), ROWS, COLUMNS, target=target)
    first, second, _ = text.splitlines()
    assert first == "take: index 4 is out of range for axis 0 of length n (n = 2)"
    assert second == "  in the argument: places[1, 2]"


def test_an_index_that_was_computed_has_no_place() -> None:
    x, k = rows(), places()
    text = error_of([x, k], gc.take(x, k * 3, 0), ROWS, COLUMNS // 2)
    assert "argument" not in text


def test_labels_out_of_range_are_those_of_the_loss() -> None:
    scores, labels = gc.placeholder("scores", ("n", 5)), gc.placeholder("labels", ("n",), gc.int32)
    loss = nn.cross_entropy(scores, labels)
    text = error_of([scores, labels], loss, np.zeros((2, 5), np.float32), np.array([1, -1], "i4"))
    assert text.splitlines()[:2] == [
        "cross_entropy: index -1 is out of range for 5 classes",
        "  in the argument: labels[1]",
    ]


def test_a_layer_within_others_is_named() -> None:
    words = gc.placeholder("words", ("n",), gc.int64)
    model = nn.Sequential(nn.Embedding(4, 3), nn.Dense(3, 2))
    assert error_of([words], model(words), np.array([0, 4])).startswith("Embedding: index 4 ")


def test_a_batched_line_is_that_of_the_function() -> None:
    x, k = rows(), places()

    def one(line: gc.Tensor) -> gc.Tensor:
        return gc.take(x, line, axis=0)  # the line of the mistake

    mapped = gc.vmap(one)(k)
    line = one.__code__.co_firstlineno + 1
    assert f"at test_index_errors.py:{line}" in error_of([x, k], mapped, ROWS, COLUMNS)


@pytest.mark.parametrize(
    "written",
    ["nn.cross_entropy(x[0], k[0, 0])", "gc.topk(x, 9, axis=0)[0]", "x[k]"],
)
def test_equal_code_from_the_cache_has_its_own_line(written: str) -> None:
    x, k = rows(), places()
    for line in (3, 8):
        scope = {"gc": gc, "nn": nn, "x": x, "k": k}
        exec(compile("\n" * (line - 1) + f"y = {written}", "user.py", "exec"), scope)
        wrong = np.full((2, 3), 7)
        assert error_of([x, k], scope["y"], ROWS, wrong).endswith(f"at user.py:{line}")
        x, k = rows(), places()


def test_sizes_that_do_not_fit_are_no_index_error() -> None:
    n = gc.placeholder("x", ("n",))
    twice = gc.placeholder("twice", (2 * n.shape[0],))
    k = gc.placeholder("k", (1,), gc.int64)
    f = gc.compile([n, twice, k], gc.sum(n) + gc.sum(twice) + gc.take(n, k))
    with pytest.raises(gc.ArgumentError, match=r"'twice' has length 5 along axis 0, expected 2\*n"):
        f(np.zeros(3, np.float32), np.zeros(5, np.float32), np.array([0]))


@pytest.mark.parametrize("kind", ["updates", "gradient", "loop"])
@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_a_gradient_blames_the_line_that_it_is_the_gradient_of(kind: str, target: str) -> None:
    words = gc.placeholder("words", ("n",), gc.int64)
    layer = nn.Embedding(10, 4, seed=0)

    def squares() -> gc.Tensor:
        return layer(words) ** 2  # the line of the mistake

    if kind == "loop":
        loss, _ = gc.scan(lambda c, _: (c + gc.sum(squares()), None), gc.constant(0.0), length=2)
    else:
        loss = gc.mean(squares())
    params = layer.named_parameters()
    updates = optim.SGD(0.1).updates(loss, params) if kind == "updates" else {}
    slopes = [] if kind == "updates" else gc.grad(loss, list(params.values()))
    for outputs in ([loss, *slopes], slopes):
        step = gc.compile([words], outputs, updates=updates, target=target)
        with pytest.raises(gc.IndexRangeError) as caught:
            step(np.array([1, 99]))
        first, *_, last = str(caught.value).splitlines()
        assert first.startswith("Embedding: index 99 is out")
        assert last == f"  at test_index_errors.py:{squares.__code__.co_firstlineno + 1}"


@pytest.mark.parametrize("target", TARGETS)
def test_of_several_checks_that_fail_the_same_is_named_in_every_call(target: str) -> None:
    a, b = (gc.placeholder(name, ("n",), gc.int64) for name in "ab")
    short, long = gc.placeholder("short", (10,)), gc.placeholder("long", (20,))
    f = gc.compile([a, b, short, long], gc.take(short, a) + gc.take(long, b), target=target)
    count = 2**17
    places = np.zeros((2, count), np.int64)
    places[0, -5], places[1, 3] = 111, 222
    for _ in range(50 if target == "cpu" else 1):
        with pytest.raises(gc.IndexRangeError, match=r"index 111 .* of length 10\b"):
            f(*places, np.zeros(10, np.float32), np.zeros(20, np.float32))
