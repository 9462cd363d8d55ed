"""What the tests of generative models share."""

import ctypes

import numpy as np
import scipy.optimize

import graphc as gc
from tests.systems.catalogue import S

WIDE = {"dtype": "float64"}
X4 = S(0, 40, 4) + 0.3 * S(7, 40, 4) ** 2
CENTRED = X4 - X4.mean(0)
EIGENVALUES = np.linalg.eigvalsh(CENTRED.T @ CENTRED)


def constant(values):
    """A float64 constant."""
    return gc.constant(np.asarray(values, np.float64))


def minimised(loss, parameters):
    """The least value of the loss, by BFGS from the parameters' values; they keep those found."""
    f = gc.compile([], [loss, *gc.grad(loss, parameters)])
    sizes = np.cumsum([0, *(p.value.size for p in parameters)])

    def at(flat):
        for p, begin, end in zip(parameters, sizes, sizes[1:], strict=False):
            p.value = flat[begin:end].reshape(p.shape)
        value, *slopes = f()
        return float(value), np.concatenate([g.ravel() for g in slopes])

    start = np.concatenate([p.value.ravel() for p in parameters])
    found = scipy.optimize.minimize(at, start, jac=True, method="BFGS", tol=1e-9)
    return at(found.x)[0]


def deployed(folder, name, feeds, y):
    """The output y of an exported library for these arguments, called without Python's part, and
    the text of its header.
    """
    made = gc.export({"call": gc.compile(list(feeds), y)}, path=folder / name)
    library = ctypes.CDLL(str(made.library))
    create, call = getattr(library, f"{name}_create"), getattr(library, f"{name}_call")
    create.restype = ctypes.c_void_p
    model = ctypes.c_void_p(create())
    out = np.zeros(y.shape, y.dtype.numpy)
    given = [np.ascontiguousarray(value, x.dtype.numpy) for x, value in feeds.items()]
    assert call(model, *(ctypes.c_void_p(a.ctypes.data) for a in (*given, out)), None) == 0
    getattr(library, f"{name}_destroy")(model)
    return out, made.header.read_text()


def quadrature(count, axes=1):
    """Nodes (count^axes, 1, axes) and weights of Gauss and Hermite for standard normal noise, exact
    for polynomials of degree below 2 count.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    weights = weights / weights.sum()
    grid = np.stack(np.meshgrid(*[nodes] * axes, indexing="ij"), -1).reshape(-1, 1, axes)
    product = np.prod(np.stack(np.meshgrid(*[weights] * axes, indexing="ij"), -1), -1)
    return constant(grid), constant(product.reshape(-1, 1))
