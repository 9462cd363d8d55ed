"""Results for several numbers of threads, which have to be the same bits."""

from collections.abc import Callable, Sequence
from typing import Any

import graphc as gc


def assert_same_bits(
    run: Callable[..., Any], *arrays: Any, threads: Sequence[int] = (1, 2, 3)
) -> None:
    """Calls `run`, whose results are arrays, with each number of threads."""
    before, found = gc.get_num_threads(), []
    try:
        for count in threads:
            gc.set_num_threads(count)
            result = run(*arrays)
            results = result if isinstance(result, (tuple, list)) else [result]
            found.append([r.tobytes() for r in results])
    finally:
        gc.set_num_threads(before)
    assert all(bits == found[0] for bits in found)
