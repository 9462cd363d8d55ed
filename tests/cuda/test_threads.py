"""How a kernel's work is dealt to threads."""

from typing import Any

import pytest

import graphc as gc
from graphc.backends.cuda.device import DeviceKernel
from graphc.backends.cuda.module import device_kernels, device_program
from graphc.backends.cuda.threads import deal
from graphc.backends.loops import expr as e
from graphc.backends.loops.stmt import Alloc, Barrier, For, LoopKernel, Param, Store, walk
from graphc.ir.dtypes import float32, int64
from graphc.passes.pipeline import Graph


def kernels(x: gc.Tensor, *outputs: gc.Tensor) -> list[DeviceKernel]:
    return list(device_kernels(device_program(Graph((x,), outputs))).values())


def found(kernel: DeviceKernel, kind: type) -> list[Any]:
    return [s for s in walk(kernel.loops.body) if isinstance(s, kind)]


def test_elements_go_to_threads_in_turn() -> None:
    x = gc.placeholder("x", ("n",))
    (kernel,) = kernels(x, x * 2.0)
    assert (kernel.threads, kernel.alone) == (256, False)
    assert [s.kind for s in found(kernel, For)] == ["thread"]
    assert not found(kernel, Barrier)


@pytest.mark.parametrize(("length", "threads"), [(33, 64), (100, 128), (5000, 256)])
def test_a_block_is_as_wide_as_a_row(length: int, threads: int) -> None:
    x = gc.placeholder("x", ("n", length))
    (kernel,) = kernels(x, gc.softmax(x, axis=-1))
    assert kernel.threads == threads


def test_a_total_halves_its_partial_results_until_one_is_left() -> None:
    x = gc.placeholder("x", (200,))
    (kernel,) = kernels(x, gc.sum(x))
    assert [s.size for s in found(kernel, Alloc)] == [256]
    assert len(found(kernel, Barrier)) == 9


def test_what_cannot_be_shared_out_runs_a_thread_to_a_chunk() -> None:
    x = gc.placeholder("x", ("n", 40))
    (kernel,) = kernels(x, gc.cumsum(x, axis=1))
    assert (kernel.threads, kernel.alone) == (32, True)
    assert kernel.blocks_text("n") == "-(-(n) // 32)"


def test_more_shared_memory_than_there_is_is_refused() -> None:
    zero, many = e.const(0, int64), 2**16
    loop = For(
        "i", zero, e.const(9, int64), (Store("o", e.var("i"), e.const(0, float32)),), "vector"
    )
    kernel = LoopKernel(
        "greedy", (Param("o", float32, True),), (), zero + 1, (Alloc("t", float32, many), loop)
    )
    with pytest.raises(AssertionError, match="greedy needs 262144 bytes of shared memory"):
        deal(kernel)
