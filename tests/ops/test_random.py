"""Random numbers: the published generator, independence of keys, and the shape of each
distribution.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.stats

from graphc import random
from graphc.backends.reference import evaluate
from graphc.ir.errors import DTypeError, GraphError, IndexRangeError
from graphc.ir.node import Tensor
from graphc.ops.cast import astype as cast
from graphc.ops.randomness.philox import FOLD, philox
from graphc.ops.reduction import sum
from graphc.ops.source import automatic_updates, placeholder

KEY = random.key(7)
N = 20_000


def value(x: Tensor) -> np.ndarray:
    return evaluate([x])[0]


def words(*values: int) -> np.ndarray:
    return np.array(values, np.uint32)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_vectors(counter: Any, key: Any, expected: Any) -> None:
    np.testing.assert_array_equal(philox(words(*counter), words(*key)), words(*expected))


def test_bits_are_the_blocks_of_the_counters() -> None:
    key = random.key(0)
    first = [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    second = philox(words(1, 0, 0, 0), words(0, 0)).tolist()
    np.testing.assert_array_equal(value(random.bits(key, (6,))), [*first, *second[:2]])
    wide = value(random.bits(key, (2,), "uint64"))
    np.testing.assert_array_equal(wide, [first[0] | first[1] << 32, first[2] | first[3] << 32])


def test_folding_is_philox_under_keys_of_its_own() -> None:
    folded = value(random.fold_in(random.key(0), 5 << 32 | 3))
    np.testing.assert_array_equal(folded, philox(words(3, 5, 0, 0), words(*FOLD)))


def test_split_keys_differ() -> None:
    keys = value(random.split(KEY, 1000))
    assert keys.shape == (1000, 4)
    assert len({tuple(k) for k in keys.tolist()}) == 1000


def test_a_symbolic_shape_gives_the_numbers_of_the_static_one() -> None:
    x = placeholder("x", ("batch", 3))
    drawn = random.uniform(KEY, x.shape)
    (symbolic,) = evaluate([drawn + x], {x: np.zeros((5, 3), np.float32)})
    np.testing.assert_array_equal(symbolic, value(random.uniform(KEY, (5, 3))))


def test_a_generator_gives_each_draw_its_own_numbers() -> None:
    generator = random.Generator(3)
    a, b = random.uniform(generator, (4,)), random.uniform(generator, (4,))
    assert (value(a) != value(b)).all()


def test_a_generator_steps_on_with_carry() -> None:
    generator = random.Generator(1 << 64 | 0xFFFFFFFF << 64)
    draw = random.bits(generator, (4,))
    updates = automatic_updates([draw])
    assert list(updates) == [generator.state]
    np.testing.assert_array_equal(value(updates[generator.state]), [0, 0, 0, 1])


def test_a_generator_that_is_not_read_stays() -> None:
    random.Generator(1)
    assert automatic_updates([random.uniform(KEY, (3,))]) == {}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_uniform_stays_below_one(dtype: str) -> None:
    x = value(random.uniform(KEY, (N,), dtype=dtype)).astype(np.float64)
    assert x.min() >= 0
    assert x.max() < 1
    assert abs(x.mean() - 0.5) < 0.01


def test_uniform_never_rounds_up_to_its_end() -> None:
    x = value(random.uniform(KEY, (N,), 1.0, np.nextafter(np.float32(1), np.float32(2)).item()))
    assert (x == 1).all()


TESTS: list[tuple[Callable[..., Tensor], dict[str, Any], Any]] = [
    (random.uniform, {"low": -2.0, "high": 3.0}, scipy.stats.uniform(-2, 5)),
    (random.normal, {"mean": 1.0, "std": 2.0}, scipy.stats.norm(1, 2)),
    (random.truncated_normal, {"low": -1.0, "high": 2.5}, scipy.stats.truncnorm(-1, 2.5)),
    (random.exponential, {"scale": 3.0}, scipy.stats.expon(scale=3)),
    (random.laplace, {}, scipy.stats.laplace()),
    (random.gumbel, {}, scipy.stats.gumbel_r()),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("f", "arguments", "law"), TESTS)
def test_distributions_have_their_law(f: Any, arguments: Any, law: Any, dtype: str) -> None:
    x = value(f(KEY, (N,), dtype=dtype, **arguments))
    assert x.dtype == dtype
    assert np.isfinite(x).all()
    assert scipy.stats.kstest(x, law.cdf).pvalue > 0.001


def test_bernoulli_takes_a_probability_each() -> None:
    p = placeholder("p", (3,))
    (x,) = evaluate([random.bernoulli(KEY, p, (N, 3))], {p: np.array([0, 0.3, 1], np.float32)})
    np.testing.assert_allclose(x.mean(0), [0, 0.3, 1], atol=0.02)


def test_categorical_draws_by_softmax() -> None:
    p = np.array([[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]], np.float32)
    logits = placeholder("logits", (2, 3))
    with np.errstate(divide="ignore"):
        feeds = {logits: np.log(p)}
    (x,) = evaluate([random.categorical(KEY, logits, shape=(N,))], feeds)
    assert x.shape == (N, 2)
    counts = np.stack([(x == k).mean(0) for k in range(3)], -1)
    np.testing.assert_allclose(counts, p, atol=0.02)


@pytest.mark.parametrize(("low", "high"), [(0, 6), (-5, 5), (0, 2**40), (-(2**62), 2**62)])
def test_randint_is_uniform(low: int, high: int) -> None:
    x = value(random.randint(KEY, low, high, (N,)))
    assert low <= x.min()
    assert x.max() < high
    assert scipy.stats.kstest((x - low + 0.5) / (high - low), "uniform").statistic < 0.1
    if high - low < 20:
        _, counts = np.unique(x, return_counts=True)
        assert len(counts) == high - low
        assert scipy.stats.chisquare(counts).pvalue > 0.001


def test_randint_takes_bounds_of_the_graph() -> None:
    x = placeholder("x", ("n",))
    drawn = random.randint(KEY, 0, x.shape[0], (N,)) + (x.sum() * 0).astype("int64")
    (result,) = evaluate([drawn], {x: np.zeros(3, np.float32)})
    np.testing.assert_array_equal(np.unique(result), [0, 1, 2])


def test_randint_of_an_empty_range_is_an_error() -> None:
    with pytest.raises(GraphError, match=r"no integer is in \[3, 3\)"):
        random.randint(KEY, 3, 3)
    x = placeholder("x", ("n",))
    drawn = random.randint(KEY, 0, x.shape[0], (2,)) + cast(sum(x), "int64")
    with pytest.raises(IndexRangeError, match="a range without integers"):
        evaluate([drawn], {x: np.zeros(0, np.float32)})


def test_randint_does_not_wrap() -> None:
    with pytest.raises(DTypeError, match=r"\[0, 257\) does not fit u8"):
        random.randint(KEY, 0, 257, dtype="uint8")
    assert value(random.randint(KEY, 255, 256, dtype="uint8")) == 255


def test_permutation_holds_every_element() -> None:
    x = value(random.permutation(KEY, 100))
    np.testing.assert_array_equal(np.sort(x), np.arange(100))
    assert (x != np.arange(100)).sum() > 80


def test_permutation_moves_whole_rows() -> None:
    rows = placeholder("rows", (5, 2), "int64")
    (x,) = evaluate([random.permutation(KEY, rows)], {rows: np.arange(10).reshape(5, 2)})
    np.testing.assert_array_equal(x[np.argsort(x[:, 0])], np.arange(10).reshape(5, 2))


def test_choice_without_replacement_repeats_nothing() -> None:
    assert len(set(value(random.choice(KEY, 50, (50,), replace=False)).tolist())) == 50
    p = np.arange(1.0, 51.0)
    weighted = value(random.choice(KEY, 50, (50,), replace=False, p=p))
    assert len(set(weighted.tolist())) == 50


def test_choice_follows_its_probabilities() -> None:
    x = value(random.choice(KEY, 3, (N,), p=[1.0, 0.0, 3.0]))
    np.testing.assert_allclose([(x == k).mean() for k in range(3)], [0.25, 0, 0.75], atol=0.02)


def test_too_large_a_choice_is_an_error() -> None:
    with pytest.raises(GraphError, match="cannot choose 4 of 3 without replacement"):
        random.choice(KEY, 3, (4,), replace=False)


def test_what_is_no_key_is_an_error() -> None:
    with pytest.raises(DTypeError, match=r"a key is four words, u32\[..., 4\], not f32\[4\]"):
        random.uniform(placeholder("x", (4,)), (3,))


def test_a_fraction_makes_no_key() -> None:
    for make in (random.key, lambda x: random.fold_in(KEY, x)):
        with pytest.raises(DTypeError, match="a key is made by an integer, not f32"):
            make(placeholder("x", (), "float32"))
    with pytest.raises(GraphError, match=r"a seed is an int, not 1\.5"):
        random.key(1.5)  # type: ignore[arg-type]


def test_a_range_of_no_numbers_is_an_error() -> None:
    with pytest.raises(GraphError, match=r"no number is in \[2, 1\)"):
        random.uniform(KEY, (3,), low=2, high=1)
    assert (value(random.uniform(KEY, (3,), low=0.5, high=0.5)) == 0.5).all()


def test_seeds_out_of_range_are_errors() -> None:
    with pytest.raises(GraphError, match="a seed is at least 0"):
        random.key(-1)
