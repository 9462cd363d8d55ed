"""Calls on a GPU: what the driver is asked for, and what happens where there is no GPU."""

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.backends.cuda import driver
from graphc.backends.cuda.driver import Device, Driver, DriverError
from graphc.backends.cuda.executable import architecture, build
from graphc.backends.cuda.memory import Arrays
from graphc.backends.cuda.module import device_program
from graphc.passes.pipeline import Graph
from tests.conftest import count_gpus
from tests.cuda.fake_driver import FakeLibrary, Launch
from tests.cuda.graphs import CASES

needs_no_gpu = pytest.mark.skipif(count_gpus() > 0, reason="there is a GPU")


def doubling(launch: Launch) -> None:
    size = launch.words[3]
    launch.array(2, size, np.float32)[:] = 2 * launch.array(1, size, np.float32)


def failing(launch: Launch) -> None:
    launch.array(0, 2, np.int64)[:] = [1, 77]


def nothing(launch: Launch) -> None:
    pass


def fake(kernel: Any, words: int) -> tuple[FakeLibrary, Device]:
    library = FakeLibrary(kernel, words)
    return library, Device(Driver(library))


def test_a_call_uploads_launches_and_downloads() -> None:
    library, device = fake(doubling, 4)
    x = gc.placeholder("x", ("n",))
    run = build(device_program(Graph((x,), (x * 2.0,))), device)
    array = np.arange(5000, dtype=np.float32)
    (result,) = run([array], {"n": 5000})
    np.testing.assert_array_equal(result, 2 * array)
    (launch,) = library.launches
    assert (launch.blocks, launch.threads) == (5, 256)


def test_all_memory_is_given_back() -> None:
    library, device = fake(doubling, 4)
    x = gc.placeholder("x", ("n",))
    run = build(device_program(Graph((x,), (x * 2.0,))), device)
    before = len(library.live)
    run([np.ones(10, np.float32)], {"n": 10})
    assert len(library.live) == before


def test_an_empty_grid_is_not_launched() -> None:
    library, device = fake(doubling, 4)
    x = gc.placeholder("x", ("n",))
    (result,) = build(device_program(Graph((x,), (x * 2.0,))), device)(
        [np.ones(0, np.float32)], {"n": 0}
    )
    assert result.shape == (0,) and not library.launches


def test_updated_variables_come_back() -> None:
    _, device = fake(doubling, 3)
    v = gc.variable(np.float32([1, 2, 3]))

    def kernel(launch: Launch) -> None:
        values = launch.array(1, 3, np.float32)
        launch.array(2, 3, np.float32)[:] = values + 10

    _, device = fake(kernel, 3)
    run = build(device_program(Graph((), (), ((v, v + 10.0),))), device)
    run([], {})
    np.testing.assert_array_equal(v.node.attrs["state"].array, [11, 12, 13])


def test_a_failed_check_raises_its_message() -> None:
    _, device = fake(failing, 4)
    x, i = gc.placeholder("x", (4,)), gc.placeholder("i", (3,), gc.int64)
    run = build(device_program(Graph((x, i), (gc.take(x, i),))), device)
    with pytest.raises(gc.IndexRangeError, match="index 77 is out of range"):
        run([np.ones(4, np.float32), np.zeros(3, np.int64)], {})


def test_arrays_on_the_device_slice_view_and_copy() -> None:
    library, device = fake(nothing, 0)
    arrays = Arrays(device)
    x = arrays.upload(np.arange(6, dtype=np.float32))
    np.testing.assert_array_equal(x[2:5].to_host(), [2, 3, 4])
    assert x[4] == 4
    y = arrays.empty(12, np.uint8)
    y.view(np.float32)[:] = x[1:4]
    del x
    np.testing.assert_array_equal(y.view(np.float32).to_host(), [1, 2, 3])
    assert len(library.live) == 1


def test_a_refused_call_is_an_error_with_the_drivers_words() -> None:
    library, _ = fake(nothing, 0)
    library.fail_with = 100
    with pytest.raises(DriverError, match="cuInit failed: no CUDA-capable device is detected"):
        Driver(library)("init", 0)


@pytest.mark.parametrize(
    ("capability", "name"), [((8, 0), "sm_80"), ((8, 7), "sm_86"), ((12, 0), "sm_90")]
)
def test_the_newest_architecture_that_runs_is_chosen(
    capability: tuple[int, int], name: str
) -> None:
    assert architecture(capability) == name


def test_a_gpu_too_old_is_an_error() -> None:
    with pytest.raises(gc.UnsupportedError, match=r"7\.0 or later, this one has 6\.1"):
        architecture((6, 1))


@needs_no_gpu
def test_compiling_without_a_gpu_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "LIBRARY", "libabsent.so.1")
    driver.first_device.cache_clear()
    x = gc.placeholder("x", ("n",))
    with pytest.raises(gc.UnsupportedError, match=r"needs an NVIDIA GPU: .*libabsent\.so\.1"):
        gc.compile([x], x + 1.0, target="cuda")


@needs_no_gpu
def test_compiling_through_numba_without_a_gpu_is_an_error() -> None:
    x = gc.placeholder("x", ("n",))
    with pytest.raises(gc.UnsupportedError, match="'numba-cuda' needs an NVIDIA GPU"):
        gc.compile([x], x + 1.0, target="numba-cuda")


@pytest.mark.gpu
@pytest.mark.parametrize("target", ["cuda", "numba-cuda"])
@pytest.mark.parametrize("name", CASES)
def test_a_gpu_computes_the_reference(name: str, target: str) -> None:
    xs, outputs = CASES[name].build()
    arrays = CASES[name].arrays(np.random.default_rng(0))
    wanted = gc.compile(xs, outputs, target="reference")(*arrays)
    for got, want in zip(gc.compile(xs, outputs, target=target)(*arrays), wanted, strict=True):
        close = 1e-2 if want.dtype.itemsize == 2 else 1e-5
        np.testing.assert_allclose(
            got.astype(np.float64), want.astype(np.float64), rtol=close, atol=close
        )
