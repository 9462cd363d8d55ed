"""Trains LeNet-5 on handwritten digits, and shows what it sees and where it is in doubt.

Digits of 8 x 8 pixels become images of 28 x 28 with a margin of 2, a little shifted and turned
anew in every training step, all within the compiled function. After 40 epochs, a quarter of a
minute, more than 98 % of the held-out digits should be read right.

python examples/lenet.py [--epochs 40] [--plot lenet.png] [--target cpu]
"""

import argparse
import time

import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import graphc as gc
from graphc import nn, optim, vision
from graphc.vision import models

BATCH, EPOCHS = 64, 40
WANTED, WANTED_SHORT = 0.98, 0.9


def load() -> tuple[np.ndarray, ...]:
    """1797 images of 64 pixels and their digits: for training, held out."""
    pixels, digits = load_digits(return_X_y=True)
    pixels = (pixels / 16).astype(np.float32)
    return tuple(train_test_split(pixels, digits, test_size=0.2, stratify=digits, random_state=0))


def images(pixels: gc.Tensor) -> gc.Tensor:
    """Images (N, 1, 32, 32) of pixels (N, 64), as LeNet-5 expects them."""
    large = nn.resize(gc.reshape(pixels, (-1, 1, 8, 8)), 28)
    return gc.pad(large, ((0, 0), (0, 0), (2, 2), (2, 2)))


def shaken(x: gc.Tensor, generator: gc.random.Generator, most: float = 0.15) -> gc.Tensor:
    """Each image turned by up to `most` radians and moved by up to half `most` of its side."""
    turn, right, down = (gc.random.uniform(generator, (x.shape[0],), -most, most) for _ in range(3))
    one, zero = gc.ones_like(turn), gc.zeros_like(turn)
    rows = (
        [gc.cos(turn), -gc.sin(turn), right],
        [gc.sin(turn), gc.cos(turn), down],
        [zero, zero, one],
    )
    maps = gc.stack([gc.stack(row, axis=1) for row in rows], axis=1)
    return vision.warp(x, maps)


def draw(
    scores: list[float], pixels: np.ndarray, digits: np.ndarray, chances: np.ndarray,
    maps: np.ndarray, path: str,
) -> None:  # fmt: skip
    """The accuracy, one digit's way through the network, and the digits it was least sure of."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=(11, 6), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.4))
    curve = left.subplots()
    curve.plot(range(1, len(scores) + 1), scores, marker=".")
    curve.axhline(WANTED, color="grey", linestyle=":")
    curve.set(xlabel="epoch", ylabel="held-out accuracy", ylim=(0.85, 1.003))
    above, below = right.subfigures(2, 1)
    above.suptitle("a digit, what the first six kernels make of it, and what is read")
    places = above.subplots(2, 4).ravel()
    places[0].imshow(pixels[0].reshape(8, 8), cmap="gray_r")
    for place, image in zip(places[1:7], maps, strict=True):
        place.imshow(image, cmap="magma")
    places[7].bar(range(10), chances[0])
    places[7].set(xticks=range(10), yticks=[])
    below.suptitle("the digits it was least sure of")
    unsure = np.argsort(chances.max(1))[:8]
    for place, k in zip(below.subplots(2, 4).ravel(), unsure, strict=True):
        said = chances[k].argmax()
        place.imshow(pixels[k].reshape(8, 8), cmap="gray_r")
        right_or_not = "black" if said == digits[k] else "red"
        place.set_title(
            f"{digits[k]} read as {said}, {chances[k, said]:.0%}", color=right_or_not, fontsize=9
        )
        place.set_axis_off()
    for place in places[:7]:
        place.set_axis_off()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default="cpu", help="cpu, numba, cuda, numba-cuda or reference")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--plot", default="lenet.png", help="where the picture goes")
    options = parser.parse_args()
    pixels, held_pixels, digits, held_digits = load()
    steps = options.epochs * -(-len(pixels) // BATCH)

    x = gc.placeholder("x", ("batch", 64), gc.float32)
    t = gc.placeholder("t", ("batch",), gc.int64)
    model = models.lenet5(seed=0)
    seen = shaken(images(x), gc.random.Generator(seed=1))
    loss = nn.cross_entropy(model(seen), t)
    updates = optim.Adam(optim.cosine(3e-3, steps)).updates(loss, model.named_parameters())
    step = gc.compile([x, t], loss, updates=updates, target=options.target, name="step")
    chances, maps = gc.softmax(model(images(x)), axis=1), model[0](images(x[:1]))[0]
    predict = gc.compile([x], [chances, maps], target=options.target, name="predict")
    seconds = step.compile_seconds + predict.compile_seconds
    print(f"{model.parameter_count():,} weights, compiled in {seconds:.1f} s")

    scores, begin = [], time.perf_counter()
    for epoch in (bar := tqdm(range(options.epochs), unit="epoch")):
        for chosen in optim.minibatches(len(pixels), BATCH, seed=epoch):
            value = step(pixels[chosen], digits[chosen])
        told, first = predict(held_pixels)
        scores.append(float((told.argmax(1) == held_digits).mean()))
        bar.set_postfix(loss=f"{float(value):.3f}", held_out=f"{scores[-1]:.2%}")
    print(f"{steps / (time.perf_counter() - begin):.0f} steps a second")

    draw(scores, held_pixels, held_digits, told, first, options.plot)
    print(f"learning curve, feature maps and doubtful digits in {options.plot}")
    print(f"LeNet-5 reads {scores[-1]:.2%} of the {len(held_digits)} held-out digits right")
    if scores[-1] < (WANTED if options.epochs >= EPOCHS else WANTED_SHORT):
        raise SystemExit("that is below what this example is meant to reach")


if __name__ == "__main__":
    main()
