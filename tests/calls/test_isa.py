"""Code for older processors gives what code for this one gives."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from graphc.backends.llvm.engine import host_target
from graphc.ir.errors import GraphError

BITS = {"x86-64-v2": 128, "x86-64-v3": 256, "x86-64-v4": 512}
RUNS = [level for level, bits in BITS.items() if bits <= max(128, host_target().vector_bits)]


def results(isa: str) -> dict[str, np.ndarray]:
    """Values of one graph of many kinds of kernels, compiled for `isa`."""
    rng = np.random.default_rng(0)
    x, k = gc.placeholder("x", ("n", 37)), gc.placeholder("k", ("n",), gc.int64)
    y = gc.tanh(x) * gc.exp(-x * x) + gc.erf(x)
    found = {
        "maps": y,
        "half": (x.astype("float16") * 3).astype("float32"),
        "integers": (x * 100).astype("int32") // 7,
        "rows": gc.logsumexp(x, axis=1),
        "columns": gc.sum(y, axis=0),
        "places": gc.argmax(x, axis=1),
        "sorted": gc.sort(x, axis=1),
        "taken": gc.take(x, k, axis=0),
        "product": x.T @ y,
        "random": gc.random.uniform(gc.random.key(5), (100,)),
    }
    run = gc.compile([x, k], found, isa=isa)
    return run(rng.normal(size=(53, 37)).astype(np.float32), rng.integers(0, 53, 53))


@pytest.mark.parametrize("level", RUNS)
def test_every_level_agrees_with_the_host(level: str) -> None:
    ours, theirs = results(level), results("host")
    for name, value in theirs.items():
        if name in ("rows", "columns", "product"):
            np.testing.assert_allclose(ours[name], value, 2e-5, 2e-5, err_msg=name)
        else:
            np.testing.assert_array_equal(ours[name], value, name, strict=True)


@pytest.mark.parametrize("level", RUNS)
def test_a_training_step_learns_the_same_on_every_level(level: str) -> None:
    losses = []
    for isa in (level, "host"):
        rng = np.random.default_rng(3)
        x, t = gc.placeholder("x", ("n", 20)), gc.placeholder("t", ("n",), gc.int64)
        w = gc.variable(rng.normal(0, 0.2, (20, 5)).astype(np.float32))
        loss = nn.cross_entropy(gc.relu(x @ w), t)
        step = gc.compile([x, t], loss, optim.SGD(0.1).updates(loss, [w]), isa=isa)
        data, labels = rng.normal(size=(64, 20)).astype(np.float32), rng.integers(0, 5, 64)
        losses.append([float(step(data, labels)) for _ in range(5)])
    np.testing.assert_allclose(*losses, rtol=1e-5)
    assert losses[0][-1] < losses[0][0]


def test_halves_are_converted_as_by_hardware_where_there_is_none() -> None:
    h, x = gc.placeholder("h", ("n",), gc.float16), gc.placeholder("x", ("m",), gc.float32)
    outputs = (h.astype("float32"), x.astype("float16"))
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    between = halves.astype(np.float32)
    ends = np.array([65519.996, 65520, 1e9, 1e-9, 2.0**-25, 2.0**-24 * 1.5], np.float32)
    bits = np.random.default_rng(0).integers(0, 2**32, 20_000, np.uint32)
    with np.errstate(all="ignore"):
        near = [np.nextafter(between, np.float32(s * np.inf)) for s in (-1, 1)]
        ties = between[:-1] / 2 + between[1:] / 2
    floats = np.concatenate([between, ends, bits.view(np.float32), *near, ties, -ends])
    ours = gc.compile([h, x], outputs, isa="x86-64-v2")(halves, floats)
    theirs = gc.compile([h, x], outputs)(halves, floats)
    for a, b in zip(ours, theirs, strict=True):
        assert a.tobytes() == b.tobytes()
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(ours[1], floats.astype(np.float16))
    np.testing.assert_array_equal(ours[0], between)


@pytest.mark.parametrize(("level", "bits"), BITS.items())
def test_a_level_compiles_for_its_own_vectors(level: str, bits: int) -> None:
    x = gc.placeholder("x", ("n",))
    assert gc.compile([x], x * 2 + 1, isa=level).stages.vector_bits == bits


def test_an_unknown_level_is_named() -> None:
    x = gc.placeholder("x", ("n",))
    with pytest.raises((GraphError, ValueError), match=r"unknown CPU target 'x86-64-v9'"):
        gc.compile([x], x, isa="x86-64-v9")
