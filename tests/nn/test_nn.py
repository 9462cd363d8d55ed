"""Layers, activations and losses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special
import scipy.stats

from graphc import init, nn, random
from graphc.backends.reference import evaluate
from graphc.ir.dtypes import float32
from graphc.ir.errors import DTypeError, GraphError, IndexRangeError, ShapeError
from graphc.ir.node import Tensor
from graphc.ops.reduction import sum
from graphc.ops.source import placeholder
from graphc.passes.derivatives.differentiate import grad

RNG = np.random.default_rng(0)
LOGITS = RNG.standard_normal((5, 3)) * 200
LABELS = np.array([0, 2, 1, 1, 2])


def run(f: Callable[..., Tensor], *arrays: Any) -> np.ndarray:
    arrays = tuple(np.asarray(a) for a in arrays)
    xs = [placeholder(f"x{i}", a.shape, a.dtype) for i, a in enumerate(arrays)]
    (result,) = evaluate([f(*xs)], dict(zip(xs, arrays, strict=True)))
    return result


def gradient(f: Callable[..., Tensor], array: np.ndarray, *rest: np.ndarray) -> np.ndarray:
    """The gradient of the sum of f with respect to its first argument."""
    arrays = (array, *rest)
    xs = [placeholder(f"x{i}", a.shape, a.dtype) for i, a in enumerate(arrays)]
    (result,) = evaluate([grad(sum(f(*xs)), xs[0])], dict(zip(xs, arrays, strict=True)))
    return result


def test_dense_is_an_affine_map_over_the_last_axis() -> None:
    layer = nn.Dense(3, 2, dtype="float64")
    w, b = layer.state_dict()["weight"], np.array([1.0, -1.0])
    layer.load_state_dict({"weight": w, "bias": b})
    x = RNG.standard_normal((4, 5, 3))
    np.testing.assert_allclose(run(layer, x), x @ w + b)


def test_dense_names_a_wrong_input() -> None:
    message = r"a last axis of length 3, not 4\n  pixels: f32\[batch, 4\]"
    with pytest.raises(ShapeError, match=message):
        nn.Dense(3, 2)(placeholder("pixels", ("batch", 4)))


def test_parameters_are_named_by_their_place() -> None:
    model = nn.Sequential(nn.Dense(3, 2), nn.relu, nn.Sequential(nn.Dense(2, 2, bias=False)))
    assert list(model.named_parameters()) == ["0.weight", "0.bias", "2.0.weight"]


def test_a_shared_layer_counts_once() -> None:
    layer = nn.Dense(2, 2)
    assert len(nn.Sequential(layer, layer).parameters()) == 2


def test_layers_of_one_shape_start_differently_and_the_same_in_every_run() -> None:
    init.seed(5)
    first, second = nn.Dense(3, 3).state_dict(), nn.Dense(3, 3).state_dict()
    assert (first["weight"] != second["weight"]).all()
    init.seed(5)
    np.testing.assert_array_equal(nn.Dense(3, 3).state_dict()["weight"], first["weight"])


def test_a_saved_model_loads(tmp_path: Path) -> None:
    one, two = (nn.Sequential(nn.Dense(3, 2, dtype=d), nn.Dense(2, 1)) for d in ("bfloat16",) * 2)
    one.save(tmp_path / "model.npz")
    two.load(tmp_path / "model.npz")
    for name, array in one.state_dict().items():
        np.testing.assert_array_equal(two.state_dict()[name], array)


def test_loading_names_what_is_missing_and_changes_nothing() -> None:
    model = nn.Dense(2, 2)
    before = model.state_dict()
    with pytest.raises(GraphError, match=r"missing: \['bias'\]; not known: \['extra'\]"):
        model.load_state_dict({"weight": np.zeros((2, 2), np.float32), "extra": 0})
    with pytest.raises(ShapeError, match=r"bias is f32\[2\], not float32\[3\]"):
        model.load_state_dict({"weight": before["weight"] + 1, "bias": np.zeros(3, np.float32)})
    np.testing.assert_array_equal(model.state_dict()["weight"], before["weight"])


def test_dropout_keeps_the_mean() -> None:
    y = run(nn.Dropout(0.25, random.Generator(0)), np.ones((100, 100), np.float32))
    assert set(np.unique(y)) == {0, np.float32(1 / 0.75)}
    assert (y == 0).mean() == pytest.approx(0.25, abs=0.02)


def test_dropout_without_a_generator_has_one_of_its_own() -> None:
    def drawn() -> list[np.ndarray]:
        init.seed(3)
        layers = [nn.Dropout(0.5), nn.Dropout(0.5)]
        return [run(layer, np.ones(64, np.float32)) for layer in layers]

    first, second = drawn()
    assert (first != second).any()
    assert (drawn()[0] == first).all(), "the same seed, the same run"


def test_dropout_does_nothing_after_eval() -> None:
    model = nn.Sequential(nn.Dropout(0.5, random.Generator(0))).eval()
    x = placeholder("x", (3,))
    assert model(x) is x


def test_dropout_zeroes_infinities() -> None:
    y = run(lambda x: nn.dropout(x, 0.5, random.key(0)), np.full(100, np.inf))
    assert set(np.unique(y)) == {0, np.inf}


def test_layer_norm_has_no_mean_and_unit_variance() -> None:
    y = run(nn.LayerNorm(50, dtype="float64"), RNG.standard_normal((3, 50)) * 7 + 3)
    np.testing.assert_allclose(y.mean(-1), 0, atol=1e-12)
    np.testing.assert_allclose(y.std(-1), 1, rtol=1e-4)


def test_embedding_gives_rows_and_refuses_what_is_out_of_range() -> None:
    layer = nn.Embedding(4, 3)
    np.testing.assert_array_equal(run(layer, [[3, 0]])[0, 0], layer.state_dict()["table"][3])
    with pytest.raises(IndexRangeError):
        run(layer, [4])


ACTIVATIONS: list[tuple[Any, Any]] = [
    (nn.relu, lambda x: np.maximum(x, 0)),
    (nn.leaky_relu, lambda x: np.where(x > 0, x, 0.01 * x)),
    (nn.elu, lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
    (nn.silu, lambda x: x * scipy.special.expit(x)),
    (nn.gelu, lambda x: x * scipy.stats.norm.cdf(x)),
]


@pytest.mark.parametrize(("f", "expected"), ACTIVATIONS)
def test_activations(f: Any, expected: Any) -> None:
    x = np.array([-800.0, -3, -0.5, 0, 0.5, 3, 800])
    np.testing.assert_allclose(run(f, x), expected(x), rtol=1e-12, atol=1e-15)
    assert np.isfinite(gradient(f, x)).all()


def test_relu_is_flat_at_zero() -> None:
    assert gradient(nn.relu, np.array([0.0])) == 0


def test_approximate_gelu_is_close() -> None:
    x = np.linspace(-4, 4, 50)
    np.testing.assert_allclose(run(lambda x: nn.gelu(x, True), x), run(nn.gelu, x), atol=1e-3)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("kind", ["labels", "probabilities"])
def test_cross_entropy_is_stable(kind: str, smoothing: float) -> None:
    one_hot = np.eye(3)[LABELS]
    logs = scipy.special.log_softmax(LOGITS, -1)
    expected = -((one_hot * (1 - smoothing) + smoothing / 3) * logs).sum(-1)
    targets = LABELS if kind == "labels" else one_hot

    def loss(x: Tensor, t: Tensor) -> Tensor:
        return nn.cross_entropy(x, t, label_smoothing=smoothing, reduction="none")

    np.testing.assert_allclose(run(loss, LOGITS, targets), expected)


def test_cross_entropy_has_probabilities_less_targets_for_gradient() -> None:
    expected = scipy.special.softmax(LOGITS, -1) - np.eye(3)[LABELS]
    got = gradient(lambda x, t: nn.cross_entropy(x, t, reduction="sum"), LOGITS, LABELS)
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_cross_entropy_takes_the_class_axis() -> None:
    x, t = RNG.standard_normal((2, 3, 4)), np.array([[0, 1, 2, 0], [2, 2, 1, 0]])
    moved = run(lambda x, t: nn.cross_entropy(x, t), np.moveaxis(x, 1, -1), t)
    np.testing.assert_allclose(run(lambda x, t: nn.cross_entropy(x, t, axis=1), x, t), moved)


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_out_of_range_fails_the_call(label: int) -> None:
    with pytest.raises(IndexRangeError, match=f"index {label} is out of range for 3 classes"):
        run(nn.cross_entropy, LOGITS, np.array([0, 1, 2, label, 0]))


def test_ignored_labels_count_neither_in_the_loss_nor_in_its_gradient() -> None:
    labels = np.array([0, -1, 2, -1, 1])

    def loss(x: Tensor, t: Tensor) -> Tensor:
        return nn.cross_entropy(x, t, label_smoothing=0.1, ignore=-1)

    kept = labels >= 0
    rest = run(lambda x, t: nn.cross_entropy(x, t, label_smoothing=0.1), LOGITS[kept], labels[kept])
    np.testing.assert_allclose(run(loss, LOGITS, labels), rest)
    slope = gradient(loss, LOGITS, labels)
    assert np.all(slope[~kept] == 0) and np.all(slope[kept] != 0)
    with pytest.raises(GraphError, match="labels can be ignored, probabilities cannot"):
        nn.cross_entropy(placeholder("x", (2, 3)), placeholder("t", (2, 3)), ignore=0)


@pytest.mark.parametrize("loss", [nn.hinge, nn.exponential_loss, nn.pinball])
def test_integer_targets_do_not_widen_a_loss(loss: Callable[..., Tensor]) -> None:
    assert loss(placeholder("x", (3,)), placeholder("t", (3,), "int64")).dtype == float32


def test_masked_classes_leave_the_loss_finite() -> None:
    x = np.array([[-np.inf, 0.0, 1.0]])
    for target in (np.array([2]), np.array([[0.0, 0.0, 1.0]])):
        assert np.isfinite(run(nn.cross_entropy, x, target))
        assert np.isfinite(gradient(nn.cross_entropy, x, target)).all()


def test_labels_of_a_wrong_shape_are_named() -> None:
    x, t = placeholder("x", ("batch", 3)), placeholder("t", ("batch", 1), "int64")
    with pytest.raises(ShapeError, match=r"labels of shape \(batch\) needed for f32\[batch, 3\]"):
        nn.cross_entropy(x, t)


def test_binary_cross_entropy_is_stable() -> None:
    x, t = np.array([-800.0, -1, 0, 2, 800]), np.array([0.0, 1, 0.5, 0, 1])
    p = scipy.special.expit(x)
    with np.errstate(divide="ignore"):
        expected = -scipy.special.xlogy(t, p) - scipy.special.xlogy(1 - t, 1 - p)
    loss = run(lambda x, t: nn.binary_cross_entropy(x, t, reduction="none"), x, t)
    np.testing.assert_allclose(loss, expected, atol=1e-12)


def test_errors_of_regression() -> None:
    x, t = np.array([0.0, 3.0, -1.0]), np.array([0.5, 1.0, 1.0])
    error = np.abs(x - t)
    np.testing.assert_allclose(run(nn.mse, x, t), (error**2).mean())
    np.testing.assert_allclose(run(nn.mae, x, t), error.mean())
    np.testing.assert_allclose(
        run(lambda x, t: nn.huber(x, t, reduction="sum"), x, t), 0.125 + 1.5 + 1.5
    )


def test_regression_targets_do_not_broadcast() -> None:
    with pytest.raises(ShapeError, match=r"targets shaped as f32\[4, 1\] needed, not f32\[4\]"):
        nn.mse(placeholder("x", (4, 1)), placeholder("t", (4,)))


def test_losses_are_of_floats() -> None:
    with pytest.raises(DTypeError, match="a loss of floats"):
        nn.mse(placeholder("x", (4,), "int32"), 0)


def test_unknown_reductions_are_named() -> None:
    with pytest.raises(GraphError, match="'mean', 'sum' or 'none', not 'average'"):
        nn.mse(placeholder("x", (4,)), 0.0, reduction="average")  # type: ignore[arg-type]
