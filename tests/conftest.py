"""What every test shares: the fuzzing budget, the order, and skipping where there is no GPU."""

import ctypes
import functools
import gc
import os
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import hypothesis
import pytest

from graphc import init

# Compiling inside an example makes its time vary, so a deadline would fail at random; the ordinary
# run must give the same verdict twice, and fuzzing looks for what it has not seen.
hypothesis.settings.register_profile("suite", deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("fuzz", deadline=None, print_blob=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fuzz-seconds",
        type=float,
        default=60.0,
        help="time that all selected fuzz tests share, in seconds (default 60)",
    )
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write what tests find into tests/golden, where they would compare with it",
    )
    parser.addoption(
        "--write-systems",
        action="store_true",
        help="write docs/systems.md from what the rows' tests find",
    )


def pytest_configure(config: pytest.Config) -> None:
    fuzzing = config.getoption("markexpr") == "fuzz"
    hypothesis.settings.load_profile("fuzz" if fuzzing else "suite")
    if not fuzzing:  # no bit depends on it; fuzzing is for the code that users get
        os.environ.setdefault("NUMBA_OPT", "0")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected stays, so no collection of garbage looks at it again, and what
    tests make is looked at seldom: they have other ends than to wait for it.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 20, 10)
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where there is none; begin with what takes long, so that no process
    is left with it while others are done.
    """
    skip = pytest.mark.skip(reason="no NVIDIA GPU")
    for item in items:
        if item.get_closest_marker("gpu") and not count_gpus():
            item.add_marker(skip)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(autouse=True)
def stream_of_weights() -> None:
    """Layers without a seed begin every test alike, whichever tests ran before it."""
    init.seed(0)


@functools.cache
def count_gpus() -> int:
    """The number of NVIDIA GPUs that the driver shows; 0 where there is no driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Asserts that a text is the one in tests/golden/NAME.txt; --update-golden writes it there."""

    def check(name: str, text: str) -> None:
        path = Path(__file__).parent / "golden" / f"{name}.txt"
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        assert path.is_file(), f"run with --update-golden to make {path}, then read it"
        assert text.splitlines() == path.read_text().splitlines()

    return check


@pytest.fixture
def fuzz_seconds(request: pytest.FixtureRequest) -> float:
    """A fuzz test's share of --fuzz-seconds: how long it may keep drawing new cases.

    Every function has the same, which its parameters divide.
    """
    drawing = [item for item in request.session.items if "fuzz_seconds" in fixtures_of(item)]
    tests = Counter(map(function_of, drawing))
    seconds: float = request.config.getoption("--fuzz-seconds")
    return seconds / len(tests) / tests[function_of(request.node)]


def fixtures_of(item: pytest.Item) -> Sequence[str]:
    """The names of the fixtures that a test has."""
    return getattr(item, "fixturenames", ())


def function_of(item: pytest.Item) -> tuple[Path, str]:
    """Where the function of a test is, and its name."""
    return item.path, getattr(item, "originalname", item.name)
