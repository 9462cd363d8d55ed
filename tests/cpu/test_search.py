"""The search for better schedules, with costs that are known."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from graphc.backends.cpu.search import FEWEST, WHOLE, Found, is_gain, search
from graphc.backends.lower.choices import Choice, Choices

Cost = Callable[[str, Choice], float]


def variants(name: str, choice: Choice) -> list[Choice]:
    """Other values of each of two fields."""
    options = {"depth": (1, 2, 3), "width": (1, 2)}
    return [{**choice, f: v} for f, vs in options.items() for v in vs if choice.get(f) != v]


def measuring(cost: Cost, noise: float, seed: int = 0, most: int = 10**6) -> Callable[..., object]:
    """Samples of kernels "a" and "b" with these costs; at most so many programs."""
    rng = np.random.default_rng(seed)

    def sample(choices: Choices) -> Mapping[str, float]:
        return {
            name: cost(name, choices.get(name, {})) * float(rng.lognormal(0, noise))
            for name in ("a", "b")
        }

    def measure(trials: Sequence[Choices], seconds: float) -> list[list[Mapping[str, float]]]:
        samples: list[list[Mapping[str, float]]] = [[] for _ in trials[:most]]
        for _ in range(40):
            for choices, taken in zip(trials, samples, strict=False):
                taken.append(sample(choices))
        return samples

    return measure


def found(cost: Cost, noise: float, **more: int) -> dict[str, Found]:
    return search(["a", "b"], variants, measuring(cost, noise, **more), 1.0)


def bowl(name: str, choice: Choice) -> float:
    """Least at depth 3 and width 2, for kernel "a" alone."""
    if name == "b":
        return 1.0
    return 2.0 - 0.3 * choice.get("depth", 0) - 0.2 * choice.get("width", 0)


def test_the_best_of_several_fields_is_found_together() -> None:
    (name, best), *others = found(bowl, 0.02).items()
    assert (name, best.choice, others) == ("a", {"depth": 3, "width": 2}, [])
    assert best.before == pytest.approx(2.0, rel=0.05)
    assert best.after == pytest.approx(0.7, rel=0.05)


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.1, 0.5])
def test_noise_is_no_gain(noise: float) -> None:
    assert all(found(lambda name, choice: 1.0, noise, seed=k) == {} for k in range(20))


def test_a_gain_too_small_to_matter_is_left() -> None:
    assert found(lambda name, choice: 0.98 if choice else 1.0, 0.0) == {}


def test_kernels_that_take_no_time_are_left_alone() -> None:
    def cost(name: str, choice: Choice) -> float:
        return 1.0 if name == "b" else (1e-4 if choice else 2e-4)

    assert found(cost, 0.0) == {}


def test_programs_for_which_there_was_no_time_are_not_chosen() -> None:
    assert found(bowl, 0.0, most=2)["a"].choice == {"depth": 2}  # the first one, varied once


@pytest.mark.parametrize(
    ("before", "after", "gain"),
    [
        ([10.0] * 20, [9.0] * 20, True),
        ([10.0] * 20, [9.9] * 20, False),
        ([10.0] * (FEWEST - 1), [1.0] * (FEWEST - 1), False),
        ([10.0, 20.0] * 10, [9.0, 18.0] * 10, True),
        ([10.0, 20.0] * 10, [19.0, 9.0] * 10, False),
        ([0.0] * 20, [0.0] * 20, False),
    ],
    ids=["clear", "small", "few", "together", "noisy", "nothing"],
)
def test_a_gain_is_beyond_the_noise(before: list[float], after: list[float], gain: bool) -> None:
    assert is_gain(before, after) is gain


def test_choices_that_slow_the_whole_program_are_dropped() -> None:
    def measure(trials: Sequence[Choices], seconds: float) -> list[list[Mapping[str, float]]]:
        return [[{"a": 1.0 if c else 2.0, WHOLE: 5.0 if c else 4.0}] * 20 for c in trials]

    assert search(["a"], variants, measure, 1.0) == {}
