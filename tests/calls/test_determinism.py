"""Same inputs, same bits: run to run, for any number of threads, in any order of compilation."""

import random
import re
from collections.abc import Iterator

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from graphc.executable import Executable
from graphc.ir.node import apply
from graphc.ir.walk import topological

ROWS = 300
CALLS = 100


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = gc.get_num_threads()
    yield
    gc.set_num_threads(before)


def training(seed: int = 0) -> tuple[Executable, list[gc.Tensor]]:
    """A training step whose kernels are large enough for several threads, and its variables."""
    rng = np.random.default_rng(seed)
    x = gc.placeholder("x", ("batch", 40))
    t = gc.placeholder("t", ("batch",), gc.int64)
    w = gc.variable(rng.normal(0, 0.1, (40, 300)).astype(np.float32))
    v = gc.variable(rng.normal(0, 0.1, (300, 10)).astype(np.float32))
    hidden = gc.tanh(x @ w)
    hidden = hidden / (1 + gc.std(hidden, axis=1, keepdims=True))
    loss = nn.cross_entropy(hidden @ v, t) + gc.mean(hidden**2) * 0.01
    updates = optim.Adam(1e-2).updates(loss, [w, v])
    return gc.compile([x, t], (loss, gc.sum(hidden, axis=0)), updates=updates), [w, v]


def batches(count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(7)
    for _ in range(count):
        yield rng.normal(size=(ROWS, 40)).astype(np.float32), rng.integers(0, 10, ROWS)


def trained(threads: int, steps: int = 12) -> list[bytes]:
    gc.set_num_threads(threads)
    step, variables = training()
    results = [y.tobytes() for x, t in batches(steps) for y in step(x, t)]
    return [*results, *(x.value.tobytes() for x in variables)]


def test_training_gives_the_same_bits_for_any_number_of_threads() -> None:
    one = trained(1)
    assert trained(2) == one
    assert trained(7) == one


def test_a_hundred_calls_give_the_same_bits() -> None:
    gc.set_num_threads(2)
    x = gc.placeholder("x", ("n", 200))
    y = gc.exp(x - gc.max(x))
    outputs = (gc.sum(y), gc.sum(y, axis=0), y / gc.sum(y, axis=1, keepdims=True), x.T @ y)
    run = gc.compile([x], outputs)
    value = np.random.default_rng(0).normal(size=(500, 200)).astype(np.float32)
    first = [a.tobytes() for a in run(value)]
    for _ in range(CALLS):
        assert [a.tobytes() for a in run(value)] == first


def test_dropout_draws_the_same_numbers_for_any_number_of_threads() -> None:
    found = []
    for threads in (1, 2):
        gc.set_num_threads(threads)
        draws = gc.random.normal(gc.random.key(3), (20_000,))
        found.append(gc.compile([], draws)().tobytes())
    assert found[0] == found[1]


def test_compiling_twice_gives_the_same_bits() -> None:
    assert trained(2, steps=3) == trained(2, steps=3)


def rows(x, w, v, b):
    hidden = gc.tanh(x @ w + b)
    parts = gc.softmax(hidden @ v, axis=1)
    centred = (hidden - gc.mean(hidden, axis=1, keepdims=True)) / gc.std(hidden, axis=1)[:, None]
    total = gc.sum(parts * gc.exp(x @ v)) + gc.sum(centred * gc.sigmoid(x @ w))
    return total + gc.max(hidden * b - gc.exp(b))


def loop(x, w, v, b):
    def step(state, row):
        new = gc.tanh(state @ w + gc.sigmoid(row @ v) * b)
        return new, gc.sum(new * b)

    last, sums = gc.scan(step, b, x)
    return gc.sum(last) + gc.sum(sums * gc.sum(x, axis=1)) + gc.max(x @ w @ v)


def choice(x, w, v, b):
    positive = gc.sum(b) > 0
    y = gc.cond(positive, lambda: gc.tanh(x @ w) + b, lambda: gc.exp(x @ v) * b)
    return gc.sum(y * gc.softmax(x @ v + b, axis=1)) + gc.logsumexp(x @ w)


def texts(graph, seed=None):
    """What a graph's value and gradient become, without the lines that made it; where there is a
    seed, its parts are made before in some other order.
    """
    shapes = {"x": ("n", 8), "w": (8, 8), "v": (8, 8), "b": (8,)}
    names = list(shapes)
    rng = random.Random(seed)
    if seed is not None:
        rng.shuffle(names)
    made = {name: gc.placeholder(name, shapes[name], gc.float32) for name in names}
    inputs = [made[name] for name in shapes]
    older = [] if seed is None else in_another_order(graph, shapes, inputs, rng)
    y = graph(*inputs)
    run = gc.compile(inputs, (y, *gc.grad(y, inputs)))
    del older
    stages = ("optimised", "kernels", "loops", "memory", "llvm")
    return [re.sub("  # .*", "", run.dump(stage)) for stage in stages]


def in_another_order(graph, shapes, inputs, rng):
    """The nodes of a graph of these inputs, made in any order that their operands allow."""
    others = [gc.placeholder(name, shape, gc.float32) for name, shape in shapes.items()]
    y = graph(*others)
    known = dict(zip(others, inputs, strict=True))
    left = [n for n in topological([y, *gc.grad(y, others)]) if n.op.name != "placeholder"]
    while left:
        node = rng.choice([n for n in left if all(x in known for x in n.inputs)])
        left.remove(node)
        again = apply(node.op, *(known[x] for x in node.inputs), **node.attrs)
        known.update(zip(node.outputs, again.outputs, strict=True))
    return list(known.values())


@pytest.mark.parametrize("graph", [rows, loop, choice])
def test_code_does_not_depend_on_what_was_built_before(graph):
    first = texts(graph)
    for seed in range(2):
        assert texts(graph, seed) == first
