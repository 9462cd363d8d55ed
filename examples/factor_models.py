"""Three linear factor models: probabilistic PCA, independent components, and sparse coding.

Digits of 64 pixels are normal around a plane, one of 12 dimensions for each class: the class whose
law makes a held-out digit likeliest is the right one in over 98 % of cases. Three signals are found
again from three mixtures, each with a correlation above 0.99. And 100 atoms learn to stand for
patches of a photograph: with ten of them on, over 70 % of a held-out patch's variance is explained,
where random atoms explain 61 %. All takes about ten seconds on two cores.

python examples/factor_models.py [--steps 400] [--plot factor_models.png] [--target cpu]
"""

import argparse

import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_digits, load_sample_image
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import graphc as gc
from graphc import nn, optim, probability

PATCH, ATOMS, L1, STEPS = 8, 100, 0.5, 400
PLANE = 12


def classify(target: str) -> tuple[float, np.ndarray]:
    """How many held-out digits are likeliest under the law of their own class, and four draws from
    each plane.
    """
    levels, digits = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    images = (levels + rng.random(levels.shape)) / 17  # densities of whole numbers have no bound
    train, held, labels, held_labels = train_test_split(
        images, digits, test_size=0.2, stratify=digits, random_state=0
    )
    x, y = (gc.placeholder(name, (name, 64), gc.float64) for name in ("seen", "new"))
    W, noise = probability.probabilistic_pca(probability.covariance(x), PLANE)
    mean, unit = gc.mean(x, 0), gc.eye(64, dtype="float64")
    log_p = probability.multivariate_normal_log_density(y, mean, W @ W.T + noise * unit)
    draws = probability.factor_sample(gc.random.Generator(seed=0), 4, W, mean)
    law = gc.compile([x, y], [log_p, draws], target=target, name="law")
    logs, drawn = zip(*(law(train[labels == k], held) for k in range(10)), strict=True)
    right = np.argmax(logs, axis=0) == held_labels
    return float(right.mean()), np.stack(drawn, 1).reshape(40, 64)


def sources(target: str) -> tuple[np.ndarray, ...]:
    """Three signals, their mixtures, and what is found of the signals."""
    t = np.linspace(0, 8, 2000)
    signals = np.stack([np.sin(2 * t), np.sign(np.sin(3 * t)), 2 * (t % 1) - 1], axis=1)
    signals += 0.05 * np.random.default_rng(0).standard_normal(signals.shape)
    mixed = signals @ np.array([[1, 1, 1], [0.5, 2, 1], [1.5, 1, 2]])
    x = gc.placeholder("x", ("time", 3), gc.float64)
    z = nn.whiten(x)
    found = z @ probability.fast_ica(z, gc.eye(3, dtype="float64")).T
    return signals, mixed, gc.compile([x], found, target=target, name="unmix")(mixed)


def patches() -> np.ndarray:
    """White patches (N, 64) of a photograph, each of mean zero, in random order."""
    grey = load_sample_image("china.jpg").mean(2)
    views = np.lib.stride_tricks.sliding_window_view(grey, (PATCH, PATCH))[::4, ::4]
    flat = views.reshape(-1, PATCH**2)
    flat = (flat - flat.mean(1, keepdims=True)) / flat.std()
    x = gc.placeholder("x", ("n", PATCH**2), gc.float64)
    white = gc.compile([x], nn.whiten(x, eps=0.3), name="whiten")(flat)
    return np.random.default_rng(0).permutation(white).astype(np.float32)


def dictionary(steps: int, target: str) -> tuple[np.ndarray, float, float]:
    """Atoms for patches, how much of held-out ones they explain, and with how many of them on."""
    data = patches()
    held, data = data[:1000], data[1000:]
    x = gc.placeholder("x", ("n", PATCH**2), gc.float32)
    rng = np.random.default_rng(0)
    start = rng.standard_normal((PATCH**2, ATOMS))
    atoms = gc.variable((start / np.linalg.norm(start, axis=0)).astype(np.float32), "atoms")
    codes = gc.stop_gradient(probability.sparse_code(x, atoms, L1, steps=50))
    loss = probability.sparse_loss(x, atoms, codes, L1)
    updates = optim.Adam(optim.cosine(0.05, steps)).updates(loss, {"atoms": atoms})
    updates[atoms] = probability.unit_columns(updates[atoms])
    step = gc.compile([x], loss, updates=updates, target=target, name="step")
    error = x - codes @ atoms.T
    unseen = gc.sum(error**2) / gc.sum(x**2)
    used = gc.mean(gc.sum((codes != 0).astype("float32"), axis=1))
    judge = gc.compile([x], [unseen, used], target=target, name="judge")
    for _ in (bar := tqdm(range(steps), unit="step")):
        value = float(step(data[rng.integers(0, len(data), 200)]))
        bar.set_postfix(loss=f"{value:.2f}")
    left, on = judge(held)
    return atoms.value, 1 - float(left), float(on)


def sheet(images: np.ndarray, columns: int) -> np.ndarray:
    """Images (N, 64) side by side, each as bright as the others."""
    images = images / abs(images).max(1, keepdims=True)
    tiles = images.reshape(-1, columns, 8, 8)
    tiles = np.pad(tiles, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=1)
    return tiles.transpose(0, 2, 1, 3).reshape(10 * len(tiles), 10 * columns)


def draw(digits, mixed, found, atoms, path) -> None:
    """Digits and signals to the left, atoms to the right."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=(10, 5), layout="constrained")
    places = figure.subplot_mosaic([["digits", "digits", "atoms"], ["mixed", "found", "atoms"]],
                                   width_ratios=[1, 1, 2])  # fmt: skip
    places["digits"].imshow(sheet(digits, 10), cmap="gray")
    places["digits"].set_title("drawn from the plane of each class")
    for name, lines in (("mixed", mixed), ("found", found)):
        places[name].plot(lines / lines.std(0) + [0, 4, 8], linewidth=0.7)
        places[name].set_title("three mixtures" if name == "mixed" else "what was mixed")
    places["atoms"].imshow(sheet(atoms.T, 10), cmap="gray")
    places["atoms"].set_title("atoms of a photograph")
    for place in places.values():
        place.set(xticks=[], yticks=[])
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default="cpu", help="cpu, numba, cuda, numba-cuda or reference")
    parser.add_argument("--steps", type=int, default=STEPS, help="to learn the atoms")
    parser.add_argument("--plot", default="factor_models.png", help="where the picture goes")
    options = parser.parse_args()
    accuracy, digits = classify(options.target)
    signals, mixed, found = sources(options.target)
    match = abs(np.corrcoef(found.T, signals.T)[:3, 3:]).max(0)
    atoms, explained, on = dictionary(options.steps, options.target)
    draw(digits, mixed, found, atoms, options.plot)
    print(f"digits, signals and atoms in {options.plot}")
    print(f"held-out digits likeliest in their own class: {accuracy:.1%}")
    print(f"correlations of the signals found: {', '.join(f'{c:.3f}' for c in match)}")
    print(f"{on:.1f} of {ATOMS} atoms explain {explained:.1%} of a held-out patch")
    sparse = options.steps < STEPS or (explained > 0.7 and on < 11)
    if accuracy < 0.98 or match.min() < 0.99 or not sparse:
        raise SystemExit("that is below what this example is meant to reach")


if __name__ == "__main__":
    main()
