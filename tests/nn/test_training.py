"""Whole training steps: every target follows the reference, through dropout, losses and updates."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import init, nn, optim
from graphc.nn.layer import state_of

TARGETS = ("cpu",)
RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((48, 6)).astype(np.float32)
LABELS = (IMAGES[:, 0] > IMAGES[:, 1]).astype(np.int64) + (IMAGES[:, 2] > 0)


def build(target: str, optimiser: optim.Optimiser) -> tuple[nn.Layer, Callable[..., Any]]:
    """A model and its training step, the same for every target."""
    init.seed(0)
    x = gc.placeholder("x", ("batch", 6))
    t = gc.placeholder("t", ("batch",), gc.int64)
    model = nn.Sequential(
        nn.Dense(6, 16, gc.gelu),
        nn.LayerNorm(16),
        nn.Dropout(0.25, gc.random.Generator(seed=3)),
        nn.Dense(16, 3),
    )
    loss = nn.cross_entropy(model(x), t, label_smoothing=0.1)
    updates = optimiser.updates(loss, model.named_parameters())
    return model, gc.compile([x, t], loss, updates=updates, target=target)


def steps(step: Callable[..., Any]) -> list[float]:
    """The losses of steps on batches of several sizes."""
    return [float(step(IMAGES[:n], LABELS[:n])) for n in (48, 17, 1, 48, 33) * 4]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "make",
    [
        lambda: optim.SGD(0.1, momentum=0.9, nesterov=True),
        lambda: optim.AdamW(optim.cosine(0.01, 20, warmup=3), clip_norm=1.0),
    ],
    ids=["sgd", "adamw"],
)
def test_a_target_trains_as_the_reference_does(make: Any, target: str) -> None:
    expected_model, expected = build("reference", make())
    model, step = build(target, make())
    np.testing.assert_allclose(steps(step), steps(expected), rtol=1e-3)
    for name, array in expected_model.state_dict().items():
        np.testing.assert_allclose(model.state_dict()[name], array, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("target", TARGETS)
def test_training_lowers_the_loss(target: str) -> None:
    _, step = build(target, optim.Adam(0.02))
    losses = [float(step(IMAGES, LABELS)) for _ in range(60)]
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


@pytest.mark.parametrize("target", ["reference", *TARGETS])
def test_each_call_draws_anew_and_every_run_the_same(target: str) -> None:
    def calls() -> list[np.ndarray]:
        generator = gc.random.Generator(seed=11)
        f = gc.compile([], gc.random.uniform(generator, (5,)), target=target)
        return [np.array(f()) for _ in range(3)]

    first, second = calls(), calls()
    np.testing.assert_array_equal(first, second)
    assert len({x.tobytes() for x in first}) == 3


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_numbers_are_those_of_the_reference(target: str, dtype: str) -> None:
    generator = gc.random.Generator(seed=5)
    drawn = (
        gc.random.uniform(generator, (100,), dtype=dtype),
        gc.random.randint(generator, -3, 1000, (100,)),
        gc.random.permutation(generator, 50),
        gc.random.bernoulli(generator, 0.3, (100,)),
    )
    start = state_of(generator.state)
    assert start is not None
    keys = start.array.copy()
    found = gc.compile([], drawn, target=target)()
    start.array[...] = keys
    expected = gc.compile([], drawn, target="reference")()
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("target", ["reference", *TARGETS])
def test_a_label_out_of_range_is_an_error_and_updates_nothing(target: str) -> None:
    model, step = build(target, optim.SGD(0.1))
    before = model.state_dict()
    with pytest.raises(gc.IndexRangeError, match="3 classes"):
        step(IMAGES[:2], np.array([0, 3]))
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
