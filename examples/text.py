"""What the examples that write text share: the text, its pieces, and a picture of how they learn.

The text comes with Python: it is the reference of the language that help("topics") shows.
"""

from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics

import matplotlib as mpl
import numpy as np


def load() -> tuple[np.ndarray, np.ndarray, str]:
    """Codes of the characters for training and of the last tenth, held out; the alphabet.

    Topics share paragraphs; each is kept where it comes first, so that none is on both sides.
    """
    paragraphs = (p for name in sorted(topics) for p in topics[name].split("\n\n"))
    text = "\n\n".join(dict.fromkeys(paragraphs))
    alphabet = "".join(sorted(set(text)))
    codes = np.array([alphabet.index(c) for c in text])
    begin = len(codes) * 9 // 10
    return codes[:begin], codes[begin:], alphabet


def streams(codes: np.ndarray, count: int, steps: int) -> Iterator[np.ndarray]:
    """Pieces (steps + 1, count) of as many streams, for ever: each stream reads on where it was,
    and the last character of a piece is the first of the next.
    """
    length = (len(codes) - 1) // count // steps * steps
    lanes = np.stack([codes[k * length : (k + 1) * length + 1] for k in range(count)], axis=1)
    while True:
        for start in range(0, length, steps):
            yield lanes[start : start + steps + 1]


def windows(
    codes: np.ndarray, count: int, steps: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Batches (count, steps + 1) of pieces from anywhere, for ever."""
    while True:
        starts = rng.integers(0, len(codes) - steps, (count, 1))
        yield codes[starts + np.arange(steps + 1)]


def draw(losses: list[float], held: dict[int, float], wanted: float, path: str | Path) -> None:
    """The loss of each step, and of the held-out text after some of them."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    axes.plot(losses, linewidth=0.6, label="training")
    axes.plot(list(held), list(held.values()), marker=".", label="held out")
    axes.axhline(wanted, color="grey", linestyle=":")
    axes.set(xlabel="step", ylabel="nats a character")
    axes.legend()
    figure.savefig(path, dpi=120)
