"""Trains a diffusion model on handwritten digits: a network that predicts noise, run backwards.

Digits of 8 x 8 pixels drown in noise in 200 steps; the way back is learnt in 1000 epochs, about a
minute. A sheet shows digits that come of noise alone. Of these and as many held-out digits together
each has a nearest neighbour: in 50 % of cases it is of the same kind if nothing tells them apart,
in 82 % with draws of the normal law of the digits' mean and covariance, and with what the network
makes it should be less than 70 %.

python examples/diffusion.py [--epochs 1000] [--plot diffusion.png] [--target cpu]
"""

import argparse
import time
from collections.abc import Callable

import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import graphc as gc
from graphc import nn, optim, probability

BATCH, STEPS, HIDDEN, EPOCHS = 128, 200, 256, 1000
WANTED, WANTED_SHORT = 0.70, 1.0


def load() -> tuple[np.ndarray, np.ndarray]:
    """Images of 64 pixels from -1 to 1: 1437 for training, 360 held out."""
    images, digits = load_digits(return_X_y=True)
    pixels = (images / 8 - 1).astype(np.float32)
    return tuple(train_test_split(pixels, test_size=0.2, stratify=digits, random_state=0))


class Network(nn.Layer):
    """The noise in z (N, 64) at times t (N,): residual blocks that all see the time."""

    def __init__(self, hidden: int, depth: int = 2):
        rng = np.random.default_rng(0)
        self.into = nn.Dense(64, hidden, seed=rng)
        self.clocks = [nn.Dense(64, hidden, seed=rng) for _ in range(depth)]
        self.first = [nn.Dense(hidden, hidden, seed=rng) for _ in range(depth)]
        self.second = [nn.Dense(hidden, hidden, seed=rng) for _ in range(depth)]
        self.out = nn.Dense(hidden, 64, seed=rng)

    def __call__(self, z: gc.Tensor, t: gc.Tensor) -> gc.Tensor:
        h, times = self.into(z), nn.sinusoids(t, 64, z.dtype)
        for clock, first, second in zip(self.clocks, self.first, self.second, strict=True):
            h = h + second(gc.silu(first(gc.silu(h)) + clock(times)))
        return self.out(h)


def sheet(images: np.ndarray, columns: int = 10) -> np.ndarray:
    """Images (N, 64) side by side, with lines between them."""
    tiles = np.pad(images.reshape(-1, columns, 8, 8), ((0, 0), (0, 0), (1, 0), (1, 0)))
    return tiles.transpose(0, 2, 1, 3).reshape(9 * len(tiles), 9 * columns)


def kinship(target: str) -> Callable[..., np.ndarray]:
    """Of two sets of images (n, 64) and (m, 64) together, the share that has its nearest neighbour
    in its own set.
    """
    x, y = (gc.placeholder(name, (name, 64), gc.float32) for name in ("first", "second"))
    every = gc.concat([x, y])
    own = gc.eye(every.shape[0]) * 1e6
    nearest = gc.argmin(nn.square_distances(every, every) + own, axis=1)
    kind = gc.concat([gc.zeros_like(x[:, 0]), gc.ones_like(y[:, 0])])
    same = gc.take(kind, nearest, axis=0) == kind
    return gc.compile([x, y], gc.mean(same.astype("float32")), target=target, name="kinship")


def draw(losses: list[float], sheets: dict[str, np.ndarray], path: str) -> None:
    """The loss of each epoch, and the sheets."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, places = plt.subplots(1, 4, figsize=(15, 4), layout="constrained")
    places[0].semilogy(losses, linewidth=0.8)
    places[0].set(xlabel="epoch", ylabel="squared error of the noise, a pixel")
    for place, (title, images) in zip(places[1:], sheets.items(), strict=True):
        place.imshow(sheet(images), cmap="gray_r", vmin=-1, vmax=1)
        place.set(title=title, xticks=[], yticks=[])
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default="cpu", help="cpu, numba, cuda, numba-cuda or reference")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--plot", default="diffusion.png", help="where the picture goes")
    options = parser.parse_args()
    images, held_images = load()
    steps = options.epochs * -(-len(images) // BATCH)

    x = gc.placeholder("x", ("batch", 64), gc.float32)
    model, chain = Network(HIDDEN), probability.NoiseSchedule(np.linspace(1e-4, 0.05, STEPS))
    generator = gc.random.Generator(seed=1)
    noise = gc.random.normal(generator, x.shape)
    t = gc.random.randint(generator, 1, STEPS + 1, (x.shape[0],))
    loss = chain.noise_loss(model, x, noise, t) / 64
    updates = optim.Adam(optim.cosine(3e-3, steps, warmup=50)).updates(
        loss, model.named_parameters()
    )
    average = optim.WeightAverage(decay=0.998)
    updates = average.updates(updates, model.named_parameters())
    step = gc.compile([x], loss, updates=updates, target=options.target, name="step")

    losses, begin = [], time.perf_counter()
    for epoch in (bar := tqdm(range(options.epochs), unit="epoch")):
        chosen = optim.minibatches(len(images), BATCH, seed=epoch)
        losses.append(float(np.mean([step(images[k]) for k in chosen])))
        bar.set_postfix(loss=f"{losses[-1]:.3f}")
    print(f"{steps / (time.perf_counter() - begin):,.0f} steps a second")

    n = len(held_images)
    (made,) = average.averaged([chain.sample(model, gc.random.key(2), (n, 64), chain.betas)])
    make = gc.compile([], made, target=options.target, name="make")
    begin = time.perf_counter()
    dreams = make()
    print(f"{n} digits made in {time.perf_counter() - begin:.2f} s")

    rng, share = np.random.default_rng(3), kinship(options.target)
    normal = rng.multivariate_normal(images.mean(0), np.cov(images.T), n).astype(np.float32)
    ways = {"other true digits": images[:n], "draws of a normal law": normal, "dreams": dreams}
    shares = {name: float(share(held_images, other)) for name, other in ways.items()}
    for name, value in shares.items():
        print(f"{name}: {value:.1%} of nearest neighbours are of the same kind")

    e, at = (
        gc.placeholder("e", ("batch", 64), gc.float32),
        gc.placeholder("at", ("batch",), "int64"),
    )
    drown = gc.compile([x, e, at], chain.diffuse(x, e, at), target=options.target, name="drown")
    tens, times = np.repeat(held_images[:10], 10, axis=0), np.linspace(0, STEPS, 10)
    noises = rng.standard_normal((10, 1, 64)).repeat(10, axis=1).reshape(100, 64)
    noised = drown(tens, noises.astype(np.float32), np.tile(times, 10).astype(np.int64))
    sheets = {
        "digits drown in noise": noised,
        "digits made of noise": dreams[:100],
        "draws of a normal law": normal[:100],
    }
    draw(losses, sheets, options.plot)
    print(f"losses and digits in {options.plot}")
    if shares["dreams"] > (WANTED if options.epochs >= EPOCHS else WANTED_SHORT):
        raise SystemExit("that is above what this example is meant to reach")


if __name__ == "__main__":
    main()
