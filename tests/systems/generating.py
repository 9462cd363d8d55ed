"""What the tests of generative models share."""

import ctypes

import numpy as np

import graphc as gc
from graphc import optim
from tests.systems.catalogue import S

WIDE = {"dtype": "float64"}
X4 = S(0, 40, 4) + 0.3 * S(7, 40, 4) ** 2
CENTRED = X4 - X4.mean(0)
EIGENVALUES = np.linalg.eigvalsh(CENTRED.T @ CENTRED)


def constant(values):
    """A float64 constant."""
    return gc.constant(np.asarray(values, np.float64))


def minimised(loss, parameters, steps=100):
    """The least value that L-BFGS finds."""
    updates = optim.LBFGS().updates(loss, parameters)
    step = gc.compile([], loss, updates=updates)
    for _ in range(steps):
        step()
    return float(step())


def deployed(folder, name, x, y, value):
    """The output y for this x of an exported library that Python's part has no hand in, and the
    text of its header.
    """
    made = gc.export({"call": gc.compile([x], y)}, path=folder / name)
    library = ctypes.CDLL(str(made.library))
    create, call = getattr(library, f"{name}_create"), getattr(library, f"{name}_call")
    create.restype = ctypes.c_void_p
    model = ctypes.c_void_p(create())
    out = np.zeros(y.shape, y.dtype.numpy)
    given = np.ascontiguousarray(value, x.dtype.numpy)
    pointers = [ctypes.c_void_p(a.ctypes.data) for a in (given, out)]
    assert call(model, *pointers, None) == 0
    getattr(library, f"{name}_destroy")(model)
    return out, made.header.read_text()
