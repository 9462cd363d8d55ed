"""Three ways for a network to know what it does not know: dropout, an ensemble, Langevin dynamics.

A curve with noise is known from 60 points on two sides of a gap. Each way gives many functions that
fit them: dropout goes on after training; ten networks begin at draws of the prior, are held to
these, and train apart; stochastic gradient Langevin dynamics draws weights from the posterior. In
the gap and outside the functions should differ at least 1.3 times (dropout) or 2.5 times (the
others) as much as among the points, which their mean should miss by no more than 1.5 times the
noise. All takes a quarter of a minute.

python examples/bayesian.py [--steps 3000] [--plot bayesian.png] [--target cpu]
"""

import argparse
from collections.abc import Callable, Sequence

import matplotlib as mpl
import numpy as np
from tqdm import tqdm

import graphc as gc
from graphc import nn, optim, probability

NOISE, PRIOR, MEMBERS, DRAWS = 0.1, 0.5, 10, 200
GRID = np.linspace(-2, 2, 201)
WANTED = {"dropout": 1.3, "ensemble": 2.5, "Langevin": 2.5}

Moments = tuple[np.ndarray, np.ndarray]
Arrays = Sequence[np.ndarray]
Function = Callable[[gc.Tensor], gc.Tensor]


def curve(x: np.ndarray) -> np.ndarray:
    return np.sin(3 * x) + 0.3 * x


def load() -> tuple[np.ndarray, np.ndarray]:
    """60 points (60, 1) with noise: x from -1.2 to -0.4 and from 0.4 to 1.2, and y."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0.4, 1.2, 60) * np.repeat([-1, 1], 30)
    return x[:, None], (curve(x) + NOISE * rng.standard_normal(60))[:, None]


def network(seed: int, width: int, activation: Function, *between: nn.Layer) -> nn.Sequential:
    """Two hidden layers."""
    rng = np.random.default_rng(seed)
    options = {"seed": rng, "dtype": "float64"}
    return nn.Sequential(
        nn.Dense(1, width, activation, weights=gc.init.he_normal, **options),
        *between,
        nn.Dense(width, width, activation, **options),
        *between,
        nn.Dense(width, 1, **options),
    )


def energy(
    model: nn.Layer, output: gc.Tensor, y: gc.Tensor, centres: Arrays = (), prior: float = PRIOR
) -> gc.Tensor:
    """-log p(y|x, w) p(w) but for a constant: noise is normal, and so are weights, around 0 or
    these centres.
    """
    parameters = model.parameters()
    away = [w - c for w, c in zip(parameters, centres or [0.0] * len(parameters), strict=True)]
    squares = [gc.sum(d * d) for d in away]
    misfit = gc.sum((y - output) ** 2) / (2 * NOISE**2)
    return misfit + sum(squares[1:], squares[0]) / (2 * prior**2)


def member(x: gc.Tensor, y: gc.Tensor, seed: int) -> tuple[nn.Layer, gc.Tensor]:
    """A network that begins at a draw of the prior and is held to it, and its energy."""
    model, rng = network(seed, 50, gc.tanh), np.random.default_rng(seed)
    for p in model.parameters():
        p.value = PRIOR * rng.standard_normal(p.shape)
    noise = NOISE * rng.standard_normal(y.shape)
    return model, energy(model, model(x), y + noise, [p.value for p in model.parameters()])


def run(step: Callable[[], np.ndarray], steps: int, name: str) -> list[np.ndarray]:
    """What the step gives, each time."""
    return [step() for _ in tqdm(range(steps), desc=name, unit="step")]


def dropout(x: gc.Tensor, y: gc.Tensor, grid: gc.Tensor, steps: int, target: str) -> Moments:
    """One network that loses a tenth of its hidden units, while it learns and after."""
    model = network(0, 100, gc.relu, nn.Dropout(0.1, gc.random.Generator(seed=1)))
    loss = energy(model, model(x), y, prior=3.0)
    updates = optim.Adam(optim.cosine(5e-3, steps)).updates(loss, model.named_parameters())
    run(gc.compile([], loss, updates=updates, target=target, name="step"), steps, "dropout")
    again = gc.compile([], nn.eval_with_dropout(model)(grid), target=target, name="again")
    every = np.array([again() for _ in range(DRAWS)])
    return every.mean(0), every.std(0)


def ensemble(x: gc.Tensor, y: gc.Tensor, grid: gc.Tensor, steps: int, target: str) -> Moments:
    """Networks that differ in where they begin, all trained by one compiled step."""
    models, losses = zip(*(member(x, y, seed) for seed in range(MEMBERS)), strict=True)
    loss = sum(losses[1:], losses[0])
    parameters = [p for model in models for p in model.parameters()]
    updates = optim.Adam(optim.cosine(1e-2, steps)).updates(loss, parameters)
    run(gc.compile([], loss, updates=updates, target=target, name="step"), steps, "ensemble")
    outputs = gc.stack([model(grid) for model in models])
    _, doubt = probability.doubt_of_regression(outputs, 0 * outputs + NOISE**2)
    moments = [gc.mean(outputs, axis=0), gc.sqrt(doubt)]
    return tuple(gc.compile([], moments, target=target, name="ensemble")())


def langevin(x: gc.Tensor, y: gc.Tensor, grid: gc.Tensor, steps: int, target: str) -> Moments:
    """One network whose weights wander through their posterior."""
    model = network(0, 50, gc.tanh)
    loss = energy(model, model(x), y)
    warm = optim.Adam(1e-2).updates(loss, model.named_parameters())
    run(gc.compile([], loss, updates=warm, target=target, name="warm"), steps, "warm")
    updates = optim.SGLD(1e-5, seed=2).updates(loss, model.named_parameters())
    step = gc.compile([], model(grid), updates=updates, target=target, name="wander")
    every = np.array(run(step, 20 * steps, "Langevin")[steps::20])
    return every.mean(0), every.std(0)


def draw(points: tuple[np.ndarray, np.ndarray], found: dict[str, Moments], path: str) -> None:
    """Means with one, two and three deviations, and the points."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, places = plt.subplots(1, 3, figsize=(14, 4), sharey=True, layout="constrained")
    for place, (name, (mean, deviation)) in zip(places, found.items(), strict=True):
        for width in (1, 2, 3):
            sides = mean - width * deviation, mean + width * deviation
            place.fill_between(GRID, *sides, color="C0", alpha=0.18, linewidth=0)
        place.plot(GRID, mean, label="mean, ± 1, 2 and 3 deviations")
        place.plot(GRID, curve(GRID), "k:", linewidth=1, label="the curve")
        place.plot(*points, "k.", markersize=4, label="points with noise")
        place.set(title=name, xlabel="x", xlim=(-2, 2), ylim=(-2.6, 2.6))
    places[0].legend(loc="lower right", fontsize=8)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default="cpu", help="cpu, numba, cuda, numba-cuda or reference")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--plot", default="bayesian.png", help="where the picture goes")
    options = parser.parse_args()
    points = load()
    x, y, grid = (gc.constant(a) for a in (*points, GRID[:, None]))
    among = (abs(GRID) > 0.4) & (abs(GRID) < 1.2)
    within, outside = abs(GRID) < 0.2, abs(GRID) > 1.6

    found, reached = {}, True
    for name, way in {"dropout": dropout, "ensemble": ensemble, "Langevin": langevin}.items():
        mean, deviation = (a[:, 0] for a in way(x, y, grid, options.steps, options.target))
        found[name] = mean, deviation
        error = np.interp(points[0][:, 0], GRID, mean) - points[1][:, 0]
        miss = float(np.sqrt(np.mean(error**2)))
        level, gap, far = (float(deviation[k].mean()) for k in (among, within, outside))
        print(f"{name}: deviation {level:.3f} among the points, ", end="")
        print(f"{gap:.3f} in the gap, {far:.3f} outside; misses the points by {miss:.3f}")
        reached &= min(gap, far) > WANTED[name] * level and miss < 1.5 * NOISE
    draw(points, found, options.plot)
    print(f"means and deviations in {options.plot}")
    if not reached:
        raise SystemExit("that is not what this example is meant to show")
    print("all three are in doubt where there are no points")


if __name__ == "__main__":
    main()
