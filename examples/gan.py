"""Trains a generator of handwritten digits against a discriminator, in turns.

Two compiled steps share their variables: one teaches the discriminator to tell digits of 8 x 8
pixels from what the generator makes of noise, the other the generator to be taken for real. A
classifier trained on true digits judges: the inception score of held-out digits is about 9.4 of at
most 10, that of generated ones should come above 8 after 600 epochs, about a minute.

python examples/gan.py [--epochs 600] [--plot gan.png] [--target cpu]
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

BATCH, LATENT, HIDDEN, EPOCHS = 64, 16, 192, 600
WANTED, WANTED_SHORT = 8.0, 4.0


def load() -> tuple[np.ndarray, ...]:
    """Images of 64 pixels from -1 to 1 and their digits: 1437 for training, 360 held out."""
    images, digits = load_digits(return_X_y=True)
    pixels = (images / 8 - 1).astype(np.float32)
    return tuple(train_test_split(pixels, digits, test_size=0.2, stratify=digits, random_state=0))


def networks() -> probability.GAN:
    """A generator with batch norm, and a discriminator whose slopes are bounded."""
    rng = np.random.default_rng(0)
    generator = nn.Sequential(
        nn.Dense(LATENT, HIDDEN, seed=rng),
        nn.BatchNorm(HIDDEN),
        gc.relu,
        nn.Dense(HIDDEN, HIDDEN, seed=rng),
        nn.BatchNorm(HIDDEN),
        gc.relu,
        nn.Dense(HIDDEN, 64, gc.tanh, seed=rng),
    )
    discriminator = nn.Sequential(
        probability.SpectralNorm(nn.Dense(64, HIDDEN, seed=rng), seed=rng),
        gc.leaky_relu,
        probability.SpectralNorm(nn.Dense(HIDDEN, HIDDEN, seed=rng), seed=rng),
        gc.leaky_relu,
        nn.Dense(HIDDEN, 1, seed=rng),
    )
    return probability.GAN(generator, discriminator)


def judge(
    images: np.ndarray, digits: np.ndarray, target: str
) -> Callable[[np.ndarray], np.ndarray]:
    """The inception score of any images, by a classifier that is trained here."""
    x, t = gc.placeholder("x", ("batch", 64), gc.float32), gc.placeholder("t", ("batch",), gc.int64)
    model = nn.Sequential(nn.Dense(64, 64, gc.relu, seed=1), nn.Dense(64, 10, seed=2))
    loss = nn.cross_entropy(model(x), t)
    updates = optim.Adam(3e-3).updates(loss, model.named_parameters())
    step = gc.compile([x, t], loss, updates=updates, target=target, name="classifier_step")
    for epoch in tqdm(range(40), desc="judge", unit="epoch"):
        for chosen in optim.minibatches(len(images), BATCH, seed=epoch):
            step(images[chosen], digits[chosen])
    return gc.compile(
        [x], probability.inception_score(model(x)), target=target, name="inception_score"
    )


def sheet(images: np.ndarray, columns: int = 10) -> np.ndarray:
    """Images (N, 64) side by side, with lines between them."""
    tiles = np.pad(images.reshape(-1, columns, 8, 8), ((0, 0), (0, 0), (1, 0), (1, 0)))
    return tiles.transpose(0, 2, 1, 3).reshape(9 * len(tiles), 9 * columns)


def draw(
    losses: np.ndarray, scores: list[float], real: float, sheets: dict[str, np.ndarray], path: str
) -> None:
    """The losses of both and the scores after each epoch, and the sheets."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, places = plt.subplots(1, 4, figsize=(15, 3.7), layout="constrained")
    places[0].plot(losses, linewidth=0.8, label=["discriminator", "generator"])
    places[0].set(xlabel="epoch", ylabel="loss")
    places[0].legend()
    places[1].plot(scores, linewidth=0.8, label="generated")
    places[1].axhline(real, color="grey", linestyle=":", label="held-out digits")
    places[1].set(xlabel="epoch", ylabel="inception score", ylim=(1, 10))
    places[1].legend(loc="lower right")
    for place, (title, images) in zip(places[2:], sheets.items(), strict=True):
        place.imshow(sheet(images), cmap="gray_r", vmin=-1, vmax=1)
        place.set(title=title, xticks=[], yticks=[])
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default="cpu", help="cpu, numba, cuda, numba-cuda or reference")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--plot", default="gan.png", help="where the picture goes")
    options = parser.parse_args()
    images, held_images, digits, _ = load()
    score = judge(images, digits, options.target)

    gan, generator = networks(), gc.random.Generator(seed=1)
    x = gc.placeholder("x", ("batch", 64), gc.float32)
    z = gc.random.normal(generator, (x.shape[0], LATENT))
    d_loss, g_loss = gan.losses(x, z)
    d_updates = optim.Adam(1e-3, (0.5, 0.99)).updates(d_loss, gan.discriminator.named_parameters())
    d_updates |= probability.spectral_updates(gan.discriminator)
    g_updates = optim.Adam(5e-4, (0.5, 0.99)).updates(g_loss, gan.generator.named_parameters())
    g_updates |= nn.batch_updates(gan.generator)
    d_step = gc.compile([x], d_loss, updates=d_updates, target=options.target, name="d_step")
    g_step = gc.compile([x], g_loss, updates=g_updates, target=options.target, name="g_step")
    free = gc.placeholder("free", ("batch", LATENT), gc.float32)
    make = gc.compile([free], gan.generator.eval()(free), target=options.target, name="make")

    rng = np.random.default_rng(2)
    still = rng.standard_normal((360, LATENT), np.float32)
    losses, scores, begin = [], [], time.perf_counter()
    for epoch in (bar := tqdm(range(options.epochs), unit="epoch")):
        batches = [images[k] for k in optim.minibatches(len(images), BATCH, seed=epoch)]
        losses.append(np.mean([(d_step(batch), g_step(batch)) for batch in batches], axis=0))
        scores.append(float(score(make(still))))
        bar.set_postfix(score=f"{scores[-1]:.2f}")
    print(f"{options.epochs / (time.perf_counter() - begin):,.1f} epochs a second")

    real = float(score(held_images))
    sheets = {"held-out digits": held_images[:100], "generated": make(still)[:100]}
    draw(np.array(losses), scores, real, sheets, options.plot)
    print(f"losses, scores and digits in {options.plot}")
    print(f"inception score of held-out digits {real:.2f}, of generated ones {scores[-1]:.2f}")
    if scores[-1] < (WANTED if options.epochs >= EPOCHS else WANTED_SHORT):
        raise SystemExit("that is below what this example is meant to reach")


if __name__ == "__main__":
    main()
