"""Products beside those of float64."""

import numpy as np


def assert_close(result: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    """As close as sums in the order of the summands, or in chains, are."""
    wanted = a.astype(np.float64) @ b.astype(np.float64)
    size = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
    epsilon = {4: 2.0**-24, 8: 2.0**-53}[result.dtype.itemsize]
    assert result.shape == wanted.shape
    assert (np.abs(result - wanted) <= epsilon * 24 * size).all()
