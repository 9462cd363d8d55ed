"""Symmetric eigenvalues of sizes beside the edges of blocks, and of awkward matrices."""

import numpy as np
import pytest

import graphc as gc


def compiled(dtype, names=("n", "n"), target="cpu"):
    x = gc.placeholder("x", names, dtype)
    return gc.compile([x], list(gc.linalg.eigh(x)), target=target)


def check(f, a):
    w, v = f(a)
    a, n = np.tril(a).astype(float), len(a)
    a = a + np.tril(a, -1).T
    unit = np.finfo(w.dtype).eps * max(1, n)
    size = max(abs(np.linalg.eigvalsh(a)).max(), np.finfo(w.dtype).tiny)
    np.testing.assert_allclose(w, np.linalg.eigvalsh(a), rtol=0, atol=4 * unit * size)
    np.testing.assert_allclose(v.T.astype(float) @ v, np.eye(n), rtol=0, atol=4 * unit)
    np.testing.assert_allclose(a @ v, v * w.astype(float), rtol=0, atol=4 * unit * size)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_size(dtype):
    f = compiled(dtype)
    for n in (1, 2, 3, 4, 5, 9, 17, 33, 70):
        check(f, np.random.default_rng(n).standard_normal((n, n)).astype(dtype))


def awkward(n):
    spread = np.diag(np.logspace(-9, 3, n))
    turned = np.linalg.qr(np.random.default_rng(2).standard_normal((n, n)))[0]
    steps = np.eye(n, k=1) + np.eye(n, k=-1)
    return {
        "zero": np.zeros((n, n)),
        "diagonal": np.diag(np.arange(n)[::-1] - 3.0),
        "ones": np.ones((n, n)),
        "graded": spread,
        "turned": turned @ spread @ turned.T,
        "chain": steps,
        "close": 2 * np.eye(n) + 1e-9 * steps,
        "blocks": np.kron(np.eye(n // 2), [[1.0, 2.0], [2.0, 1.0]]),
        "wilkinson": np.diag(abs(np.arange(n) - n // 2) * 1.0) + steps,
    }


@pytest.mark.parametrize("kind", awkward(2))
def test_awkward_matrices(kind):
    check(compiled("float64"), awkward(20)[kind])


@pytest.mark.parametrize(("dtype", "power"), [("float32", 35), ("float32", -37), ("float64", 300)])
def test_huge_and_tiny_elements(dtype, power):
    a = np.random.default_rng(0).standard_normal((12, 12)).astype(dtype)
    check(compiled(dtype), a * np.array(10.0**power, dtype))


def test_what_is_no_number_gives_none():
    a = np.eye(9)
    a[4, 2] = np.nan
    w, v = compiled("float64")(a)
    assert np.isnan(w).all() and np.isnan(v).all()


def test_no_rows():
    w, v = compiled("float32")(np.zeros((0, 0), np.float32))
    assert w.shape == (0,) and v.shape == (0, 0)
