"""State-space models (catalogue 3, C)."""

import numpy as np
import pytest

import graphc as gc
from graphc import probability
from tests.systems.catalogue import both, row, run, symbols
from tests.systems.sequences import differentiated, learns

FILTERS, MARKOV = "graphc/probability/filters.py", "graphc/probability/markov.py"
SEEN = np.array([[1.0], [0.5], [-0.2], [0.3]])
NAMES = ("A", "Q", "H", "R", "mean", "covariance")


def scalar():
    """The filter of the catalogue: feeds, what was filtered, and the symbols of its model."""
    one = np.ones((1, 1))
    values = (0.9 * one, 0.1 * one, one, 0.2 * one, np.zeros(1), one)
    feeds = symbols(x=SEEN, **dict(zip(NAMES, values, strict=True)))
    x, *model = feeds
    return feeds, probability.kalman_filter(x, *model), model


@row("RNN-31", FILTERS)
def test_rnn_31_kalman_filter():
    """Means and variances as printed, the steady variance, and the same as conditioning the joint
    normal distribution of all states and observations.
    """
    feeds, found, _ = scalar()
    means, covariances = both([found.means, found.covariances], feeds)
    np.testing.assert_allclose(
        means[:, 0], [0.8198198198, 0.6099038341, 0.1868949111, 0.2303244587], atol=1e-10
    )
    np.testing.assert_allclose(
        covariances[:, 0, 0], [0.1639639640, 0.1075808667, 0.0966783383, 0.0942664541], atol=1e-10
    )
    x = next(iter(feeds))
    long = gc.placeholder("long", (60, 1), gc.float64)
    steady = probability.kalman_filter(long, *list(feeds)[1:]).covariances[-1]
    rest = {y: a for y, a in feeds.items() if y is not x}
    assert run(steady, {long: np.zeros((60, 1)), **rest})[0, 0] == pytest.approx(
        0.0935544965, abs=1e-10
    )
    variance, covariance = 1.0, np.zeros((4, 4))
    for t in range(4):
        variance = 0.81 * variance + 0.1
        for s in range(t, 4):
            covariance[t, s] = covariance[s, t] = variance * 0.9 ** (s - t)
    joint = covariance @ np.linalg.solve(covariance + 0.2 * np.eye(4), SEEN)
    assert joint[-1, 0] == pytest.approx(means[-1, 0], rel=1e-12)


@row("RNN-32", FILTERS)
def test_rnn_32_matrix_kalman_filter():
    """The log-likelihood of the scalar data as printed; gradients of a filter with two states by
    differences; a, q, r are learnt by likelihood.
    """
    feeds, found, _ = scalar()
    assert both(found.log_likelihood, feeds) == pytest.approx(-3.611834507, abs=1e-9)
    q = np.array([[0.3, 0.1], [0.1, 0.2]])
    feeds = symbols(
        x=SEEN, A=np.array([[0.9, 0.3], [-0.2, 0.8]]), Q=q, H=np.array([[1.0, 0.5]]),
        R=np.array([[0.2]]), mean=np.array([0.1, -0.2]), covariance=np.eye(2),
    )  # fmt: skip
    x, *model = feeds
    loss = probability.kalman_filter(x, *model).log_likelihood
    differentiated([], loss, feeds)
    logs = gc.variable(np.log(np.array([0.3, 0.5, 1.0], np.float32)), "logs")
    a, q, r = (gc.exp(logs[k : k + 1, None]) for k in range(3))
    data = gc.constant(np.tile(SEEN, (3, 1)).astype(np.float32))
    one = gc.ones((1, 1))
    found = probability.kalman_filter(data, a, q, one, r, gc.zeros((1,)), one)
    learns(-found.log_likelihood, [logs], part=0.9)


@row("RNN-33", FILTERS)
def test_rnn_33_kalman_smoother():
    """Means and variances as printed; gradients by differences."""
    feeds, found, (A, Q, *_) = scalar()
    means, covariances = probability.kalman_smoother(found, A, Q)
    (m, c), _ = differentiated([means, covariances], gc.sum(means * means), feeds, count=1)
    np.testing.assert_allclose(m[:, 0], [0.6299481, 0.4382857, 0.2172074, 0.2303245], atol=1e-7)
    np.testing.assert_allclose(c[:, 0, 0], [0.1017695, 0.0780088, 0.0766661, 0.0942665], atol=1e-7)


@row("RNN-34", MARKOV)
def test_rnn_34_markov_chain():
    """p of a path as the product of its steps; all paths sum to 1; 184 free parameters of 10 steps
    over 5 states against 9,765,624; steps are learnt.
    """
    M, K = 10, 5
    assert K - 1 + (M - 1) * K * (K - 1) == 184 and K**M - 1 == 9_765_624
    start, steps = np.array([0.6, 0.4]), np.array([[0.7, 0.3], [0.4, 0.6]])
    feeds = symbols(start=np.log(start), steps=np.log(steps))
    a, b = feeds
    paths = np.array([[i, j, k] for i in range(2) for j in range(2) for k in range(2)])
    logs = gc.stack([probability.chain_log_probability(a, b, path) for path in paths])
    (found,), _ = differentiated([gc.exp(logs)], logs[3], feeds)
    np.testing.assert_allclose(found, [start[i] * steps[i, j] * steps[j, k] for i, j, k in paths])
    assert found.sum() == pytest.approx(1, rel=1e-12)
    free = gc.variable(np.zeros((K, K), np.float32))
    walk = gc.constant(np.arange(20) % K)
    flat = gc.constant(np.full(K, -np.log(K), np.float32))
    learns(-probability.chain_log_probability(flat, gc.log_softmax(free), walk), [free], rate=0.1)


@row("RNN-35", MARKOV)
def test_rnn_35_hidden_markov_model():
    """p of what is seen, the best path and its p as printed; the gradient gives the steps expected
    by enumeration; EM raises the likelihood; parameters are learnt.
    """
    arrays = {
        "start": np.log([0.6, 0.4]),
        "steps": np.log([[0.7, 0.3], [0.4, 0.6]]),
        "shown": np.log([[0.5, 0.4, 0.1], [0.1, 0.3, 0.6]]),
    }
    feeds, seen = symbols(**arrays), np.array([0, 1, 2])
    log_p = probability.hidden_log_probability(*feeds, seen)
    path, best = probability.most_probable_path(*feeds, seen)
    counts = probability.expected_steps(log_p, list(feeds)[1])
    (p, states, top, found), _ = differentiated(
        [gc.exp(log_p), path, gc.exp(best), counts], log_p, feeds
    )
    assert p == pytest.approx(0.03628, rel=1e-12)
    assert top == pytest.approx(0.01512, rel=1e-12) and list(states) == [0, 0, 1]
    start, steps, shown = (np.exp(a) for a in arrays.values())
    expected = np.zeros((2, 2))
    for i, j, k in np.ndindex(2, 2, 2):
        each = start[i] * shown[i, 0] * steps[i, j] * shown[j, 1] * steps[j, k] * shown[k, 2]
        expected[i, j] += each / p
        expected[j, k] += each / p
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    function = gc.compile(list(feeds), [log_p, counts])
    logs, current = [], dict(arrays)
    for _ in range(5):
        value, expected = function(*current.values())
        logs.append(float(value))
        current["steps"] = np.log(expected / expected.sum(1, keepdims=True))
    assert np.all(np.diff(logs) >= -1e-12) and logs[-1] > logs[0]
    free = [gc.variable((S * 0.1).astype(np.float32)) for S in arrays.values()]
    long = np.tile([0, 1, 2, 2], 4)
    loss = -probability.hidden_log_probability(*(gc.log_softmax(f) for f in free), long)
    learns(loss, free, rate=0.1, part=0.8)
