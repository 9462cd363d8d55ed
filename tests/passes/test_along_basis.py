"""Linear functions of all basis vectors, with the zeros of the basis vectors left out."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest

import graphc as gc
import graphc.nn
from graphc.ir.node import Tensor
from graphc.ir.walk import topological
from graphc.ops.diagonal import eye
from graphc.passes.derivatives import along_basis as along_basis_module
from graphc.passes.derivatives import term_sums
from graphc.passes.derivatives.along_basis import along_basis
from graphc.passes.derivatives.batch import batch
from graphc.passes.derivatives.differentiate import pullback, pushforward
from graphc.passes.pipeline import Graph, optimise
from tests.support.run import evaluate

RNG = np.random.default_rng(5)
BOUNDS = along_basis_module.BOUNDS


@pytest.fixture(params=BOUNDS)
def most(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Every way by itself, and not what is thought to be the best of them; its bound."""
    monkeypatch.setattr(along_basis_module, "BOUNDS", (request.param, request.param))
    bound: int = request.param
    return bound


def w(*shape: int) -> Tensor:
    return gc.constant(np.random.default_rng(len(shape)).normal(size=shape))


def mlp(x: Tensor) -> Tensor:
    first, bias, second, last = x[:12], x[12:15], x[15:18], x[18:19]
    hidden = gc.tanh(w(7, 4) @ first.reshape((4, 3)) + bias)
    return hidden @ second.reshape((3, 1)) + last


def classifier(x: Tensor) -> Tensor:
    hidden = gc.tanh(w(7, 4) @ x[:12].reshape((4, 3)))
    return gc.log_softmax(hidden @ x[12:].reshape((3, 2)) + w(7, 2), axis=1)


def biased(x: Tensor) -> Tensor:
    hidden = gc.tanh(w(7, 4) @ x[:12].reshape((4, 3)) + x[12:15])
    return gc.log_softmax(hidden @ x[15:21].reshape((3, 2)) + x[21:], axis=1)


def residual(x: Tensor) -> Tensor:
    y = x.reshape((4, 5))
    for _ in range(3):
        y = y + gc.sin(y @ w(5, 5))
    return y


#: A function, and the shape of what it takes.
FUNCTIONS: dict[str, tuple[Callable[[Tensor], Tensor], tuple[int, ...]]] = {
    "elementwise": (lambda x: gc.exp(x) / (1 + x * x), (5,)),
    "elementwise of a matrix": (lambda x: gc.sin(x) * x, (3, 4)),
    "a scalar": (lambda x: gc.exp(x) * w(3, 2), ()),
    "to a scalar": (lambda x: gc.sum(gc.exp(x)), (4, 2)),
    "one element": (lambda x: x * x, (1,)),
    "nothing": (lambda x: x * x, (0,)),
    "no rows": (lambda x: x @ w(3, 4), (0, 3)),
    "product with a matrix": (lambda x: w(3, 4) @ x, (4,)),
    "product of a matrix": (lambda x: gc.tanh(x @ w(4, 2)) @ w(2, 3), (3, 4)),
    "product with itself": (lambda x: x @ x.T, (3, 4)),
    "stack of products": (lambda x: w(2, 3, 4) @ x, (2, 4, 3)),
    "sums": (lambda x: gc.sum(x * x, axis=1) * w(3), (3, 4)),
    "centred": (lambda x: (x - gc.mean(x, axis=0)) ** 2, (5, 3)),
    "softmax": (lambda x: gc.softmax(x @ w(3, 4), axis=1), (2, 3)),
    "maximum": (lambda x: gc.max(x * w(3, 4), axis=1), (3, 4)),
    "relu": (lambda x: gc.relu(w(5, 3) @ x) @ w(4, 2), (3, 4)),
    "where": (lambda x: gc.where(w(4, 3) > 0, x * x, gc.exp(x)), (4, 3)),
    "slices": (lambda x: x[1:] * x[:-1] + x[::2][:1], (7,)),
    "slices of columns": (lambda x: x[:, 1:3] * x[:, ::2], (3, 4)),
    "reversed": (lambda x: x[::-1] * x, (5,)),
    "a slice of what was reshaped": (lambda x: x.reshape((2, 6))[1, 1:5] ** 2, (3, 4)),
    "other groups of axes": (lambda x: gc.sin(x.reshape((2, 6))) @ w(6, 2), (3, 4)),
    "transposed and flattened": (lambda x: (x.T * w(4, 3)).reshape(12) ** 2, (3, 4)),
    "joined": (lambda x: gc.concat([x * 2, gc.zeros((1, 3), "float64"), x @ w(3, 3)]) ** 2, (2, 3)),
    "padded": (lambda x: gc.pad(x, 2) * w(7, 8), (3, 4)),
    "placed and cut": (lambda x: gc.pad(x * x, 2)[1:5], (4,)),
    "rosenbrock": (lambda x: 100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2, (9,)),
    "gathered": (lambda x: gc.take(x * x, gc.constant([2, 0, 2]), axis=0), (3, 4)),
    "running sums": (lambda x: gc.cumsum(x * x, axis=0), (4, 2)),
    "sorted": (lambda x: gc.sort(x * w(5)) * x, (5,)),
    "outer": (lambda x: gc.outer(x, gc.exp(x)), (4,)),
    "perceptron": (mlp, (19,)),
    "classifier": (classifier, (18,)),
    "classifier with biases": (biased, (23,)),
    "residual": (residual, (20,)),
    "unused elements": (lambda x: x[2:4] * w(2), (6,)),
    "constant": (lambda x: gc.stop_gradient(x) * 2, (3,)),
    "diagonal": (lambda x: gc.diagonal(x @ x), (3, 3)),
    "triangle": (lambda x: gc.tril(x) @ x, (3, 3)),
    "repeated": (lambda x: gc.tile(x, 3) * w(9), (3,)),
    "inverse": (lambda x: gc.linalg.inv(x + 3 * gc.eye(3, dtype="float64")), (3, 3)),
}  # fmt: skip


def by_batching(results: Sequence[Tensor], vector: Tensor, last: bool) -> list[Tensor]:
    """The same, the long way: everything is multiplied with every basis vector."""
    size = vector.size
    basis = gc.reshape(eye(size, dtype=vector.dtype), (size, *vector.shape))
    found = []
    for y, mapped in batch(results, {vector: basis}, size):
        full = y if mapped else gc.broadcast_to(y, (size, *y.shape))
        found.append(gc.moveaxis(full, 0, -1) if last else full)
    return found


def linear_functions(
    f: Callable[[Tensor], Tensor], shape: tuple[int, ...]
) -> tuple[Tensor, list[tuple[Tensor, Tensor, bool]]]:
    """What f takes; a forward and a reverse product, and a product with the Hessian of a sum."""
    x = gc.placeholder("x", shape, gc.float64)
    y = f(x)
    t, c = (gc.placeholder(n, z.shape, gc.float64) for n, z in (("t", x), ("c", y)))
    (forward,), (reverse,) = pushforward([y], [x], [t]), pullback([y], [x], [c])
    slope = gc.grad(gc.sum(gc.sin(y)), x)
    (second,) = pushforward([slope], [x], [t])
    return x, [(forward, t, True), (forward, t, False), (reverse, c, False), (second, t, True)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_are_those_of_products_with_every_basis_vector(most: int, name: str) -> None:
    """Every way by the reference; compiled, each function one way, the next one another."""
    turn = list(FUNCTIONS).index(name) % len(BOUNDS) == BOUNDS.index(most)
    f, shape = FUNCTIONS[name]
    x, cases = linear_functions(f, shape)
    feeds = {x: RNG.normal(size=shape)}
    ours, theirs = (
        [way([result], vector, last)[0] for result, vector, last in cases]
        for way in (along_basis, by_batching)
    )
    assert [y.type for y in ours] == [y.type for y in theirs]
    wanted = evaluate(theirs, feeds)
    for target in ("reference", "cpu") if turn else ("reference",):
        for got, expected in zip(evaluate(ours, feeds, target), wanted, strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12, err_msg=target)


@pytest.mark.parametrize("name", ["perceptron", "classifier", "rosenbrock", "slices of columns"])
def test_no_pass_changes_the_values(name: str) -> None:
    f, shape = FUNCTIONS[name]
    x = gc.placeholder("x", shape, gc.float64)
    h = gc.hessian(gc.sum(gc.sin(f(x))), x)
    feeds = {x: RNG.normal(size=shape)}
    (expected,) = evaluate([h], feeds)
    for disable in ([], ["simplify"], ["canonicalise", "simplify", "fold"]):
        (got,) = evaluate([h], feeds, "cpu", disable)
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.usefixtures("most")
@pytest.mark.parametrize("seed", range(30))
def test_random_functions_have_the_same_jacobians(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 4)), int(rng.integers(1, 5)))
    x, cases = linear_functions(lambda x: _random(x, rng), shape)
    feeds = {x: rng.normal(size=shape)}
    for result, vector, last in cases:
        ways = [way([result], vector, last)[0] for way in (along_basis, by_batching)]
        got, expected = evaluate(ways, feeds)
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.usefixtures("most")
@pytest.mark.parametrize("seed", range(15))
def test_random_networks_have_the_same_hessians(seed: int) -> None:
    rng = np.random.default_rng(seed)
    widths = [int(d) for d in rng.integers(1, 4, int(rng.integers(2, 5)))]
    pairs = list(itertools.pairwise(widths))
    count = sum(m * n + n for m, n in pairs)
    x = gc.placeholder("x", (count,), gc.float64)
    loss = _network_loss(x, pairs, rng)
    t = gc.placeholder("t", x.shape, gc.float64)
    (second,) = pushforward([gc.grad(loss, x)], [x], [t])
    ways = [way([second], t, True)[0] for way in (along_basis, by_batching)]
    got, expected = evaluate(ways, {x: rng.normal(size=count)})
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-10)


def _network_loss(x: Tensor, pairs: Sequence[tuple[int, int]], rng: np.random.Generator) -> Tensor:
    """The loss of layers whose weights and biases lie in x one after the other, in any order."""
    y, begin = gc.constant(rng.normal(size=(5, pairs[0][0]))), 0
    for m, n in pairs:
        first = n if rng.random() < 0.3 else 0  # whether the bias comes first
        bias = x[begin + (0 if first else m * n) :][:n]
        weights = x[begin + first :][: m * n].reshape((m, n))
        begin += m * n + n
        acts: list[Callable[[Tensor], Tensor]] = [gc.tanh, gc.sin, gc.softmax]
        act = acts[int(rng.integers(3))]
        z = y @ weights + bias
        y = act(z) + (y if m == n and rng.random() < 0.5 else 0)
    return gc.mean(gc.sum(y * gc.constant(rng.normal(size=(5, pairs[-1][1]))), axis=1) ** 2)


def _random(x: Tensor, rng: np.random.Generator) -> Tensor:
    """A function of about six steps that keep two axes."""
    pool = [x]
    for _ in range(int(rng.integers(3, 8))):
        y = pool[int(rng.integers(len(pool)))]
        pool.append(_step(y, pool, rng))
    return pool[-1]


def _step(y: Tensor, pool: Sequence[Tensor], rng: np.random.Generator) -> Tensor:
    rows, columns = (int(d) for d in y.shape if isinstance(d, int))
    alike = [z for z in pool if z.shape == y.shape]
    other = alike[int(rng.integers(len(alike)))]
    a, b = sorted(int(k) for k in rng.integers(0, rows + 1, 2))
    steps: list[Callable[[], Tensor]] = [
        lambda: gc.sin(y),
        lambda: y * other,
        lambda: y - 0.5 * other,
        lambda: y @ gc.constant(rng.normal(size=(columns, 3))),
        lambda: gc.constant(rng.normal(size=(2, rows))) @ y,
        lambda: y.T,
        lambda: y.reshape((columns, rows)),
        lambda: y.reshape((1, rows * columns)),
        lambda: y - gc.mean(y, axis=int(rng.integers(2)), keepdims=True),
        lambda: gc.softmax(y, axis=int(rng.integers(2))),
        lambda: y[a : b + 1] if a < rows else y,
        lambda: y[:, ::2],
        lambda: gc.pad(y, ((int(rng.integers(2)), 1), (0, int(rng.integers(3))))),
        lambda: gc.where(gc.constant(rng.random((rows, columns)) < 0.5), y, other),
        lambda: gc.concat([y, other], axis=int(rng.integers(2))),
        lambda: gc.relu(y),
    ]
    return steps[int(rng.integers(len(steps)))]()


def test_sizes_may_be_symbolic() -> None:
    x = gc.placeholder("x", ("n", "m"), gc.float64)
    v = gc.placeholder("v", ("m", "k"), gc.float64)
    t = gc.placeholder("t", ("n", "m"), gc.float64)
    y = gc.tanh(x @ v) + gc.sum(x * x, axis=1, keepdims=True)
    (forward,) = pushforward([y], [x], [t])
    ways = [way([forward], t, True)[0] for way in (along_basis, by_batching)]
    for n, m, k in ((3, 4, 2), (1, 1, 1), (2, 1, 5), (0, 2, 2)):
        feeds = {x: RNG.normal(size=(n, m)), v: RNG.normal(size=(m, k))}
        for target in ("reference", "cpu"):
            got, expected = evaluate(ways, feeds, target)
            np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)


def largest(y: Tensor) -> int:
    """The most elements of a value computed on the way to y."""
    sizes = [x.size for node in topological([y]) for x in node.outputs if x.type != y.type]
    return max(d for d in sizes if isinstance(d, int))


def test_a_diagonal_is_never_multiplied_out() -> None:
    x = gc.placeholder("x", (50,), gc.float64)
    assert largest(gc.jacobian(gc.exp(x) * x, x)) == 50


def test_the_hessian_of_a_perceptron_holds_no_tangent_of_its_hidden_layer() -> None:
    x = gc.placeholder("x", (193,), gc.float32)
    hidden = gc.tanh(gc.ones((64, 10)) @ x[:160].reshape((10, 16)) + x[160:176])
    error = hidden @ x[176:192].reshape((16, 1)) + x[192:]
    h = gc.hessian(gc.mean(error * error), x)
    assert largest(h) <= 64 * 193
    products = [n.types[0].shape for n in topological([h]) if n.op.name == "dot_general"]
    assert products.count((193, 193)) == 1 and (160, 160) not in products


def test_infinite_derivatives_that_a_mask_hides_leave_no_trace() -> None:
    x = gc.placeholder("x", (3,), gc.float64)
    y = gc.where(x > 0, gc.sqrt(x), 0)
    (got,) = evaluate([gc.jacobian(y, x, "forward")], {x: np.array([0.0, 1.0, 4.0])})
    np.testing.assert_array_equal(got, np.diag([0, 0.5, 0.25]))


def test_third_derivatives_pass_through_the_result() -> None:
    x = gc.placeholder("x", (3,), gc.float64)
    values = RNG.normal(size=3)
    third = gc.grad(gc.sum(gc.hessian(gc.sum(x**4), x)), x)
    for target in ("reference", "cpu"):
        (got,) = evaluate([third], {x: values}, target)
        np.testing.assert_allclose(got, 24 * values)


def test_hessians_can_be_batched() -> None:
    xs = gc.placeholder("xs", (4, 3), gc.float64)
    values = RNG.normal(size=(4, 3))
    each = gc.vmap(lambda x: gc.hessian(gc.sum(gc.exp(x)) + x[0] * x[1], x))(xs)
    for target in ("reference", "cpu"):
        (got,) = evaluate([each], {xs: values}, target)
        expected = [np.diag(np.exp(v)) + np.eye(3)[[1, 0, 2]] * [[1], [1], [0]] for v in values]
        np.testing.assert_allclose(got, expected, atol=1e-15)


def products_of_layers(depth: int) -> int:
    """Products in the Hessian of a network of so many layers."""
    size = 6 * 7
    x = gc.placeholder("x", (depth * size,), gc.float64)
    y: Tensor = gc.constant(RNG.normal(size=(5, 6)))
    for k in range(depth):
        part = x[k * size : (k + 1) * size]
        y = gc.tanh(y @ part[:36].reshape((6, 6)) + part[36:])
    h = gc.hessian(gc.mean(y * y), x)
    return sum(node.op.name == "dot_general" for node in topological([h]))


def test_each_layer_adds_as_many_products_as_the_one_before() -> None:
    four, six, eight = map(products_of_layers, (4, 6, 8))
    assert eight - six == six - four


def recurrent_hessian(steps: int) -> Tensor:
    theta = gc.placeholder("theta", (2 * 9 + 3,), gc.float64)
    u, v = (theta[9 * k : 9 * k + 9].reshape((3, 3)) for k in range(2))
    h: Tensor = gc.constant(RNG.normal(size=(2, 3)))
    for _ in range(steps):
        h = gc.tanh(h @ u + gc.constant(RNG.normal(size=(2, 3))) @ v + theta[18:])
    return gc.hessian(gc.mean(h * h), theta)


def test_each_step_adds_as_much_as_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    as_one = term_sums._as_one
    monkeypatch.setattr(term_sums, "_as_one", lambda *a: tried.append(1) or as_one(*a))
    counts = []
    for steps in (12, 16, 20):
        tried.clear()
        counts.append((len(topological([recurrent_hessian(steps)])), len(tried)))
    (n, _), (m, few), (k, many) = counts
    assert k - m == m - n
    assert many < 2 * few


@pytest.mark.parametrize("kernels", [(4, 1, 3, 3), (3, 1, 1, 1)])
def test_terms_are_left_for_what_takes_no_more_work(kernels: tuple[int, ...]) -> None:
    size = int(np.prod(kernels))
    images, x = gc.placeholder("images", (2, 1, 8, 8)), gc.placeholder("x", (size,))
    y = gc.nn.conv(images, x.reshape(kernels))
    h = gc.hessian(gc.mean(gc.tanh(y) ** 2), x)
    t = gc.placeholder("t", x.shape)
    (second,) = pushforward([gc.grad(gc.mean(gc.tanh(y) ** 2), x)], [x], [t])
    (batched,) = by_batching([second], t, True)
    assert along_basis_module._effort([h]) <= along_basis_module._effort([batched])


def test_what_is_scaled_before_a_sum_of_half_floats_does_not_overflow() -> None:
    t = gc.placeholder("t", (2,), gc.float16)
    x = gc.placeholder("x", (4096, 2), gc.float16)
    y = x.T @ ((x @ t) / 4096)  # the sum of squares is beyond the largest float16
    feeds = {x: np.full((4096, 2), 8, np.float16)}
    for target in ("reference", "cpu"):
        (got,) = evaluate(along_basis([y], t, last=True), feeds, target)
        np.testing.assert_allclose(got, np.full((2, 2), 64), 2e-3)


def test_a_computed_number_is_multiplied_by_last() -> None:
    """So that a Hessian's product is one of a matrix by itself, as where the number is known."""
    theta = gc.placeholder("theta", (193,))
    squares = (lambda e: e * e, gc.square, lambda e: e**2)
    for rows, square in itertools.product(("n", 64), squares):
        x, y = gc.placeholder("x", (rows, 10)), gc.placeholder("y", (rows, 1))
        hidden = gc.tanh(x @ theta[:160].reshape((10, 16)) + theta[160:176])
        error = hidden @ theta[176:192].reshape((16, 1)) + theta[192] - y
        hessian = gc.hessian(gc.mean(square(error)), theta)
        graph = optimise(Graph((theta, x, y), (hessian,)))
        products = [n for n in topological(graph.outputs) if n.op.name == "dot_general"]
        assert any(n.inputs[0] is n.inputs[1] for n in products)
