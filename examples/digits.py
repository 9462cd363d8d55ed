"""Trains a classifier of handwritten digits, tells what the compiler did, draws how it learned.

python examples/digits.py [--target cpu] [--epochs 40] [--plot digits.png]
"""

import argparse
import time
from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import graphc as gc
from graphc import nn, optim

BATCH = 64
WANTED = 0.97


def load() -> tuple[np.ndarray, ...]:
    """1797 images of 8 x 8 pixels and their digits: for training, held out."""
    images, digits = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32)
    return tuple(train_test_split(images, digits, test_size=0.2, stratify=digits, random_state=0))


def batches(
    images: np.ndarray, digits: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The whole set once, in random order; the last batch is smaller, which needs no second
    compilation.
    """
    order = rng.permutation(len(images))
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        yield images[chosen], digits[chosen]


def report(name: str, f: gc.Executable) -> None:
    """What the compiler did, for a full batch."""
    memory, cost = f.memory.at(batch=BATCH), f.cost.at(batch=BATCH)
    print(f"\n{name}: {len(f.kernels)} kernels, compiled in {1e3 * f.compile_seconds:.0f} ms")
    for kernel in f.kernels:
        fused = [op for op in kernel.ops if op not in ("broadcast", "cast", "reshape")]
        print(f"  {kernel.name:16} {' '.join(fused):.80}")
    print(f"  {cost.flops / 1e6:.2f} Mflop, at least {cost.bytes / 1e6:.2f} MB moved a call")
    print(f"  {memory.peak / 1e6:.2f} MB in all, of which {memory.arena / 1e6:.2f} MB temporary")


def draw(losses: list[float], scores: list[float], path: str) -> None:
    """The loss of each step and the accuracy after each epoch."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    left.semilogy(losses, linewidth=0.8)
    left.set(xlabel="step", ylabel="training loss")
    right.plot(range(1, len(scores) + 1), scores)
    right.axhline(WANTED, color="grey", linestyle=":")
    right.set(xlabel="epoch", ylabel="held-out accuracy", ylim=(0.8, 1))
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default="cpu", help="cpu, numba, cuda, numba-cuda or reference")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--plot", default="digits.png", help="where the picture goes")
    options = parser.parse_args()
    images, held_images, digits, held_digits = load()
    epochs, steps = options.epochs, options.epochs * -(-len(images) // BATCH)

    x = gc.placeholder("x", ("batch", 64), gc.float32)
    t = gc.placeholder("t", ("batch",), gc.int64)
    model = nn.Sequential(
        nn.Dense(64, 256, gc.relu, weights=gc.init.he_normal),
        nn.Dropout(0.2, gc.random.Generator(seed=1)),
        nn.Dense(256, 128, gc.relu, weights=gc.init.he_normal),
        nn.Dense(128, 10),
    )
    loss = nn.cross_entropy(model(x), t, label_smoothing=0.05)
    adam = optim.AdamW(optim.cosine(3e-3, steps, warmup=20), weight_decay=0.02)
    updates = adam.updates(loss, model.named_parameters())
    step = gc.compile([x, t], loss, updates=updates, target=options.target, name="step")
    predict = gc.compile([x], gc.argmax(model.eval()(x), axis=1), target=options.target)

    rng = np.random.default_rng(0)
    losses, scores, seconds = [], [], 0.0
    for _ in (bar := tqdm(range(epochs), unit="epoch")):
        begin = time.perf_counter()
        losses += [float(step(xb, tb)) for xb, tb in batches(images, digits, rng)]
        seconds += time.perf_counter() - begin
        scores.append(float((predict(held_images) == held_digits).mean()))
        bar.set_postfix(loss=f"{losses[-1]:.3f}", held_out=f"{scores[-1]:.2%}")

    report("training step", step)
    report("prediction", predict)
    print(f"\n{len(losses)} steps at {len(losses) / seconds:,.0f} a second, batches included")
    draw(losses, scores, options.plot)
    print(f"learning curves in {options.plot}")
    print(f"accuracy on the {len(held_digits)} held-out digits: {scores[-1]:.2%}")
    if scores[-1] < WANTED:
        raise SystemExit(f"that is below the {WANTED:.0%} this example is meant to reach")


if __name__ == "__main__":
    main()
