"""Finds out by gradients which operations made the data: differentiable architecture search.

Images went through a cell of three edges: a convolution, an identity, and maxima of 3 x 3 pixels. A
supergraph of the same shape has five operations on each edge, mixed by a softmax of logits. In
turns, weights go down the training loss, and logits the validation loss that one more step of the
weights would leave: gradients go through that step. The largest logits should name the three right
operations of 125 cells; that cell, trained alone, should leave less than 2 % of the variance of
unseen images unexplained. All takes a few seconds.

python examples/darts.py [--steps 300] [--plot darts.png] [--target cpu]
"""

import argparse

import matplotlib as mpl
import numpy as np
from tqdm import tqdm

import graphc as gc
from graphc import nn, optim

CHANNELS, SIDE, NOISE = 3, 8, 0.1
TRUTH = ["conv3", "identity", "max_pool3"]
WANTED = 0.02

Data = tuple[np.ndarray, np.ndarray]


def cell(seed: int) -> nn.Supergraph:
    """An input, two nodes, three edges: input to 1, input to 2, 1 to 2."""
    rng = np.random.default_rng(seed)
    return nn.Supergraph(1, 2, nn.image_operations(CHANNELS, seed=rng))


def data(images: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random images, and what the true cell makes of them, with some noise."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((images, CHANNELS, SIDE, SIDE), np.float32)
    true = cell(7).chosen(TRUTH, gc.constant(x))
    (y,) = gc.compile([], [true], name="truth")()
    return x, y + NOISE * rng.standard_normal(y.shape, np.float32)


def search(
    net: nn.Supergraph, train: Data, valid: Data, steps: int, target: str
) -> tuple[np.ndarray, np.ndarray]:
    """Weights and logits in turns: both losses (steps, 2), and the shares of operations (steps,
    edges, 5), each time.
    """
    (x, y), (u, v) = ([gc.constant(a) for a in part] for part in (train, valid))
    weights, logits = net.weights(), net.logits
    training, validation = nn.mse(net(x), y), nn.mse(net(u), v)
    rate = 0.05
    slopes = gc.grad(training, weights)
    ahead = optim.joined([w - rate * g for w, g in zip(weights, slopes, strict=True)])
    left = optim.along(validation, weights, ahead)
    choose = optim.Adam(0.03, (0.5, 0.99)).updates(left, {"logits": logits})
    learn = optim.Adam(optim.cosine(0.02, steps)).updates(training, weights)
    turn_logits = gc.compile([], [left, gc.softmax(logits)], updates=choose, target=target)
    turn_weights = gc.compile([], training, updates=learn, target=target, name="weights")
    print(f"compiled in {turn_logits.compile_seconds + turn_weights.compile_seconds:.1f} s")
    losses, shares = [], []
    for _ in (bar := tqdm(range(steps), desc="search", unit="turn")):
        loss, (held, share) = turn_weights(), turn_logits()
        losses.append([float(loss), float(held)])
        shares.append(share)
        bar.set_postfix(train=f"{losses[-1][0]:.3f}", valid=f"{losses[-1][1]:.3f}", refresh=False)
    return np.array(losses), np.array(shares)


def unexplained(choice: list[str], train: Data, unseen: Data, steps: int, target: str) -> float:
    """The share of the variance of unseen images that a cell, trained alone, does not explain."""
    net = cell(1)
    (x, y), (u, v) = ([gc.constant(a) for a in part] for part in (train, unseen))
    loss = nn.mse(net.chosen(choice, x), y)
    updates = optim.Adam(optim.cosine(0.03, steps)).updates(loss, net.weights())
    step = gc.compile([], loss, updates=updates, target=target, name="alone")
    for _ in tqdm(range(steps), desc="found cell", unit="step"):
        step()
    share = nn.mse(net.chosen(choice, u), v) / gc.var(v)
    return float(gc.compile([], share, target=target, name="unexplained")())


def draw(names: list[str], losses: np.ndarray, shares: np.ndarray, path: str) -> None:
    """The losses, and on each edge the share of each operation while the search went on."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, places = plt.subplots(1, 4, figsize=(15, 3.6), layout="constrained")
    places[0].semilogy(losses, label=["training", "validation, one step on"])
    places[0].set(xlabel="turn", ylabel="loss")
    places[0].legend()
    edges = ("input to node 1", "input to node 2", "node 1 to node 2")
    for k, (place, edge, truth) in enumerate(zip(places[1:], edges, TRUTH, strict=True)):
        for m, name in enumerate(names):
            width = 2.5 if name == truth else 1
            place.plot(shares[:, k, m], linewidth=width, label=name)
        place.set(xlabel="turn", ylim=(0, 1), title=f"{edge}: {truth}")
    places[1].set_ylabel("share of each operation")
    places[1].legend(fontsize=8)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default="cpu", help="cpu, numba, cuda, numba-cuda or reference")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--plot", default="darts.png", help="where the picture goes")
    options = parser.parse_args()
    train, valid, unseen = (data(64, seed) for seed in range(3))
    net = cell(0)
    losses, shares = search(net, train, valid, options.steps, options.target)
    draw(net.names, losses, shares, options.plot)
    print(f"losses and shares in {options.plot}")
    found = net.best()
    left = unexplained(found, train, unseen, options.steps, options.target)
    print(f"found {', '.join(found)}; the data were made by {', '.join(TRUTH)}")
    print(f"alone, the found cell leaves {left:.2%} of the variance of unseen images")
    if found != TRUTH or left > WANTED:
        raise SystemExit("that is not what this example is meant to find")


if __name__ == "__main__":
    main()
