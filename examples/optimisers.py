"""Follows optimisers on a quadratic and on Rosenbrock's function, and holds them against theory.

On a quadratic of condition number 100 the distance to the minimum should shrink step by step by the
factors that theory gives for gradient descent, the heavy ball and Nesterov's method, and the mean
loss of noisy descent should settle at the predicted level: all within 3 %. In Rosenbrock's valley
Newton's method and BFGS should need fewer than 60 steps to 1e-10.

python examples/optimisers.py [--steps 4000] [--plot optimisers.png]
"""

import argparse
import math
from collections.abc import Callable

import matplotlib as mpl
import numpy as np
from tqdm import tqdm

import graphc as gc
from graphc import optim

KAPPA = 100.0
CURVES = np.linspace(1, KAPPA, 20)
ROOT = math.sqrt(KAPPA)
BEST = ((ROOT - 1) / (ROOT + 1)) ** 2
TOLERANCE = 0.03

# name: (the optimiser, by how much theory says that a step shrinks the distance)
CONVERGENT = {
    "gradient descent": (optim.SGD(2 / (1 + KAPPA)), (KAPPA - 1) / (KAPPA + 1)),
    "heavy ball": (optim.HeavyBall(4 / (ROOT + 1) ** 2, BEST, "difference"), math.sqrt(BEST)),
    "Nesterov": (optim.Nesterov(1 / KAPPA, optim.optimal_momentum(KAPPA)), 1 - 1 / ROOT),
}

VALLEY = {
    "gradient descent": lambda: optim.SGD(1e-3),
    "heavy ball": lambda: optim.HeavyBall(5e-4, 0.95),
    "Nesterov": lambda: optim.Nesterov(5e-4, 0.95),
    "RMSprop": lambda: optim.RMSprop(2e-3),
    "Adam": lambda: optim.Adam(2e-2),
    "Newton": lambda: optim.Newton(search=optim.wolfe()),
    "BFGS": lambda: optim.BFGS(),
}


def quadratic(w: gc.Tensor) -> gc.Tensor:
    return gc.sum(gc.constant(CURVES) * w * w) / 2


def rosenbrock(w: gc.Tensor) -> gc.Tensor:
    return (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2


def follow(
    optimiser: optim.Optimiser, f: Callable[[gc.Tensor], gc.Tensor], start: np.ndarray, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """The points before each step, and the losses there; fewer if it is done before."""
    w = gc.variable(start, "w")
    loss = f(w)
    step = gc.compile([], [w, loss], updates=optimiser.updates(loss, [w]), name="step")
    points, losses = [], []
    for _ in range(steps):
        point, value = step()
        points.append(point)
        losses.append(float(value))
        if not 1e-300 < value < 1e6:
            break
    return np.array(points), np.array(losses)


def measured(points: np.ndarray) -> float:
    """The factor by which a step shrinks the distance, from the second half of the way."""
    distances = np.linalg.norm(points, axis=1)
    half = len(points) // 2
    return float((distances[-1] / distances[half]) ** (1 / (len(points) - 1 - half)))


def noisy(steps: int, rate: float = 0.01, runs: int = 200) -> tuple[float, float]:
    """The mean loss of many runs with unit noise in each slope, once settled, and what theory says:
    the sum over curvatures h of rate / (2 (2 - rate h)).
    """
    w = gc.variable(np.zeros((runs, len(CURVES))), "w")
    loss = gc.sum(gc.constant(CURVES) * w * w, axis=1) / 2
    noise = gc.random.normal(gc.random.Generator(1), w.shape, dtype="float64")
    updates = optim.SGD(rate).updates(gc.sum(loss) + gc.sum(noise * w), [w])
    step = gc.compile([], gc.mean(loss), updates=updates, name="noisy")
    losses = [float(step()) for _ in tqdm(range(steps), desc="noisy descent", unit="step")]
    return float(np.mean(losses[steps // 4 :])), float(np.sum(rate / 2 / (2 - rate * CURVES)))


def draw(
    ways: dict[str, np.ndarray], valley: dict[str, tuple[np.ndarray, np.ndarray]], path: str
) -> None:
    """The quadratic above and the valley below: paths on the left, progress on the right."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(11, 8), layout="constrained")
    x, y = np.meshgrid(np.linspace(-0.2, 1.1, 200), np.linspace(-4, 4, 200))
    axes[0, 0].contour(x, y, np.sqrt(x * x + KAPPA * y * y), 12, colors="lightgrey")
    for name, points in ways.items():
        line = axes[0, 0].plot(points[:60, 0], points[:60, -1], ".-", markersize=3, linewidth=0.8)
        distances = np.linalg.norm(points, axis=1)[:300] / np.linalg.norm(points[0])
        axes[0, 1].semilogy(distances, color=line[0].get_color(), label=name)
        theory = CONVERGENT[name][1] ** np.arange(len(distances))
        axes[0, 1].semilogy(theory, ":", color=line[0].get_color())
    axes[0, 0].set(xlabel="flattest direction", ylabel="steepest direction")
    axes[0, 1].set(xlabel="step", ylabel="distance (dotted: theory's factor)")
    axes[0, 1].legend()
    x, y = np.meshgrid(np.linspace(-1.6, 1.4, 300), np.linspace(-0.6, 1.8, 300))
    heights = np.log10((1 - x) ** 2 + 100 * (y - x * x) ** 2 + 1e-3)
    axes[1, 0].contour(x, y, heights, 15, colors="lightgrey", linestyles="solid")
    for name, (points, losses) in valley.items():
        axes[1, 0].plot(points[:, 0], points[:, 1], linewidth=0.9, label=name)
        axes[1, 1].loglog(np.arange(1, len(losses) + 1), np.maximum(losses, 1e-14), label=name)
    axes[1, 0].set(xlim=(-1.6, 1.4), ylim=(-0.6, 1.8), title="Rosenbrock's valley")
    axes[1, 1].set(xlabel="step", ylabel="loss")
    axes[1, 1].legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=4000, help="at most so many in the valley")
    parser.add_argument("--plot", default="optimisers.png", help="where the picture goes")
    options = parser.parse_args()

    ways, worst = {}, 0.0
    for name, (optimiser, _) in tqdm(CONVERGENT.items(), desc="quadratic", unit="optimiser"):
        ways[name], _ = follow(optimiser, quadratic, np.ones(len(CURVES)), 1000)
    valley = {}
    for name, make in tqdm(VALLEY.items(), desc="valley", unit="optimiser"):
        valley[name] = follow(make(), rosenbrock, np.array([-1.2, 1.0]), options.steps)
    level, predicted = noisy(options.steps)

    print(f"\nquadratic of condition {KAPPA:.0f}: a step shrinks the distance by")
    for name, points in ways.items():
        found, factor = measured(points), CONVERGENT[name][1]
        worst = max(worst, abs(math.log(found) / math.log(factor) - 1))
        print(f"  {name:17} {found:.5f}, theory {factor:.5f}")
    print(f"noisy descent settles at a loss of {level:.4f}, theory {predicted:.4f}")
    worst = max(worst, abs(level / predicted - 1))
    print("Rosenbrock's valley: steps to a loss of 1e-10")
    counts = {}
    for name, (_, losses) in valley.items():
        done = np.flatnonzero(losses < 1e-10)
        counts[name] = int(done[0]) if len(done) else None
        print(f"  {name:17} {counts[name] or f'not in {len(losses)}, at {losses[-1]:.1e}'}")
    draw(ways, valley, options.plot)
    print(f"paths in {options.plot}")
    if worst > TOLERANCE or max(counts[name] or 1000 for name in ("Newton", "BFGS")) > 60:
        raise SystemExit(f"theory and measurement are {worst:.1%} apart, or a method is slow")
    print(f"theory and measurement agree to {worst:.1%}")


if __name__ == "__main__":
    main()
