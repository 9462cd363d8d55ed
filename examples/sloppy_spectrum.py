"""Shows that a trained network is sloppy: few directions of its weights matter, most hardly at all.

A network of 334 weights learns to read digits of 4 x 4 pixels. The eigenvalues of its Fisher
information and of the Hessian of its loss, drawn on a log scale, spread evenly over many decades:
of the former's sum more than 85 % should lie in the largest tenth, and the largest and the median
should be at least a factor of 1000 apart. Lanczos's method should find the largest ones without the
matrix.

python examples/sloppy_spectrum.py [--hidden 12] [--samples 1000] [--steps 400] [--plot sloppy.png]
"""

import argparse

import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_digits
from tqdm import tqdm

import graphc as gc
from graphc import nn, optim

SHARE, RATIO = 0.85, 1e3
LEADING = 10


def load(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Digits, every 2 x 2 pixels averaged, and which they are."""
    images, digits = load_digits(return_X_y=True)
    small = (images / 16).reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16)
    return (small - small.mean(0))[:samples], digits[:samples]


def train(model: nn.Layer, loss: gc.Tensor, steps: int) -> list[float]:
    """The loss of each step."""
    updates = optim.Adam(0.02).updates(loss, model.named_parameters())
    step = gc.compile([], loss, updates=updates, name="step")
    losses = []
    for _ in (bar := tqdm(range(steps), unit="step", desc="training")):
        losses.append(float(step()))
        bar.set_postfix(loss=f"{losses[-1]:.3f}", refresh=False)
    return losses


def describe(name: str, spectrum: np.ndarray) -> tuple[float, float]:
    """Tells and returns the share of the largest tenth and the ratio of largest to median."""
    sizes = np.sort(abs(spectrum))[::-1]
    share = sizes[: len(sizes) // 10].sum() / sizes.sum()
    ratio = sizes[0] / sizes[len(sizes) // 2]
    print(f"{name}: largest {sizes[0]:.3g}, a tenth of them makes {share:.1%} of the sum, ", end="")
    print(f"the median is {ratio:.1e} times smaller, {(spectrum < -1e-9).sum()} are negative")
    return float(share), float(ratio)


def draw(spectra: dict[str, np.ndarray], way: np.ndarray, rises: np.ndarray, path: str) -> None:
    """The eigenvalues in order, and the loss along a stiff and two sloppier directions."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for name, spectrum in spectra.items():
        left.semilogy(np.sort(abs(spectrum))[::-1], ".", markersize=3, label=name)
    top = max(s.max() for s in spectra.values())
    left.set(xlabel="rank", ylabel="size of eigenvalue", ylim=(top * 1e-9, top * 3))
    left.legend()
    for rank, rise in zip((1, 10, 100), rises, strict=True):
        right.plot(way, rise, label=f"eigenvector {rank}")
    right.set(xlabel="distance moved", ylabel="loss")
    right.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hidden", type=int, default=12)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--plot", default="sloppy_spectrum.png", help="where the picture goes")
    options = parser.parse_args()
    images, digits = load(options.samples)

    rng = np.random.default_rng(0)
    model = nn.Sequential(
        nn.Dense(16, options.hidden, gc.tanh, seed=rng, dtype="float64"),
        nn.Dense(options.hidden, 10, seed=rng, dtype="float64"),
    )
    parameters = model.parameters()
    logits = model(gc.constant(images))
    loss = nn.cross_entropy(logits, gc.constant(digits))
    fisher = optim.classification_fisher(logits, parameters)
    product = optim.gauss_newton_product(loss, logits, parameters)
    start = gc.constant(np.random.default_rng(1).standard_normal(model.parameter_count()))

    spectrum = gc.compile([], gc.linalg.eigh(fisher), name="spectrum")
    curvature = gc.compile([], optim.curvatures(loss, parameters), name="curvature")
    largest = gc.compile([], optim.lanczos(product, start, 4 * LEADING), name="largest")
    along = gc.placeholder("along", (3, model.parameter_count()), gc.float64)
    way = np.linspace(-3, 3, 61)
    places = gc.constant(way[:, None])
    lines = [
        optim.loss_slice(loss, parameters, [optim.parted(along[k], parameters)], places)
        for k in range(3)
    ]
    rise = gc.compile([along], gc.stack(lines), name="rise")

    before, _ = spectrum()
    losses = train(model, loss, options.steps)
    after, directions = spectrum()
    bent = curvature()
    print(f"\n{model.parameter_count()} weights, loss from {losses[0]:.3f} to {losses[-1]:.3f}")
    describe("Fisher information before", before)
    share, ratio = describe("Fisher information after", after)
    describe("Hessian after", bent)
    gap = np.max(abs(largest()[-LEADING:] / after[-LEADING:] - 1))
    print(f"the {LEADING} largest by products alone: off by {gap:.1e} at most")

    spectra = {"Fisher, before": before, "Fisher, after": after, "Hessian, after": bent}
    draw(spectra, way, rise(directions[:, [-1, -10, -100]].T), options.plot)
    print(f"picture in {options.plot}")
    if share < SHARE or ratio < RATIO or gap > 1e-6:
        raise SystemExit("the spectrum is not what this example is meant to show")
    print("the network is sloppy")


if __name__ == "__main__":
    main()
