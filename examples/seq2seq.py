"""Trains an encoder and a decoder with attention to write rows of digits backwards.

The encoder reads a row in both directions; the decoder writes the answer digit by digit, looking
back at the row by additive attention (Bahdanau, Cho and Bengio, 2015). Rows have 4 to 12 digits,
and one compiled step serves them all. After 400 steps, less than half a minute on two cores, a beam
search writes more than 99 % of 500 new rows without a mistake. The picture shows the learning
curve, and where the decoder looked.

python examples/seq2seq.py [--steps 400] [--plot seq2seq.png] [--target cpu]
"""

import argparse

import matplotlib as mpl
import numpy as np
from tqdm import tqdm

import graphc as gc
from graphc import nn, optim

END, SYMBOLS = 10, 11
BATCH, LONGEST, SIZE, STEPS = 64, 12, 64, 400
WANTED = 0.99


def rows(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows (T, N), their lengths (N,), and the answers between ends (T + 2, N); shorter ones are
    padded with ends.
    """
    lengths = rng.integers(4, LONGEST + 1, count)
    longest = int(lengths.max())
    digits = rng.integers(0, 10, (longest, count))
    digits[np.arange(longest)[:, None] >= lengths] = END
    answers = np.full((longest + 2, count), END)
    for k, n in enumerate(lengths):
        answers[1 : n + 1, k] = digits[:n, k][::-1]
    return digits, lengths, answers


class Translator(nn.Layer):
    """A GRU in both directions, and a GRU cell that reads what attention finds among its h."""

    def __init__(self) -> None:
        self.embedding = nn.Embedding(SYMBOLS, 32, seed=0)
        self.encoder = nn.GRU(32, SIZE, bidirectional=True, seed=1)
        self.cell = nn.GRUCell(32 + 2 * SIZE, SIZE, seed=2)
        self.keys = nn.Dense(2 * SIZE, SIZE, seed=3)
        self.query = nn.Dense(SIZE, SIZE, bias=False, seed=4)
        self.score = gc.variable(gc.init.normal((SIZE,), 5, std=0.1), "score")
        self.first = nn.Dense(2 * SIZE, SIZE, gc.tanh, seed=6)
        self.head = nn.Dense(SIZE, SYMBOLS, seed=7)

    def encode(self, digits: gc.Tensor, lengths: gc.Tensor):
        """The decoder's first state: h, then what does not change, all with N first."""
        h, last = self.encoder(self.embedding(digits), lengths=lengths)
        memory = gc.swapaxes(h, 0, 1)
        mask = gc.iota((1, digits.shape[0]), 1) < lengths[:, None]
        return self.first(gc.concat(last, axis=-1)), memory, self.keys(memory), mask

    def look(self, h, keys, mask):
        """Weights (N, T) of the places of a row."""
        scores = gc.tanh(keys + self.query(h)[:, None]) @ self.score
        return nn.masked_softmax(scores, mask)

    def step(self, state, symbols: gc.Tensor):
        """The logits of the next symbol of each answer, and the next state."""
        h, memory, keys, mask = state
        weights = self.look(h, keys, mask)
        context = gc.sum(weights[..., None] * memory, 1)
        seen = gc.concat([self.embedding(symbols), context], axis=-1)
        h = self.cell.step(h, self.cell.project(seen))
        return self.head(h), (h, memory, keys, mask)

    def forced(self, state, symbols: gc.Tensor):
        """Logits (T, N, symbols) and places looked at (T, N, S) while these symbols are written."""

        def both(h, given):
            weights = self.look(h, *state[2:])
            logits, (h, *_) = self.step((h, *state[1:]), given)
            return h, (logits, weights)

        return gc.scan(both, state[0], symbols)[1]


def training(model: Translator, steps: int, target: str) -> tuple[gc.Executable, gc.Executable]:
    """A step, and the places that it looks at."""
    digits = gc.placeholder("digits", ("time", "batch"), gc.int64)
    lengths = gc.placeholder("lengths", ("batch",), gc.int64)
    answers = gc.placeholder("answers", ("time_and_ends", "batch"), gc.int64)
    logits, weights = model.forced(model.encode(digits, lengths), answers[:-1])
    counted = gc.iota((logits.shape[0], 1)) <= lengths
    loss = nn.masked_loss(logits, answers[1:], counted, "mean")
    adam = optim.Adam(optim.cosine(4e-3, steps, warmup=50), clip_norm=1.0)
    updates = adam.updates(loss, model.named_parameters())
    inputs = [digits, lengths, answers]
    step = gc.compile(inputs, loss, updates=updates, target=target, name="step")
    return step, gc.compile(inputs, weights, target=target, name="look")


def answering(model: Translator, beams: int, target: str) -> gc.Executable:
    """The best answer that a beam search finds to each row."""
    digits = gc.placeholder("digits", ("time", "batch"), gc.int64)
    lengths = gc.placeholder("lengths", ("batch",), gc.int64)
    first = gc.full_like(lengths, END)
    state = model.encode(digits, lengths)
    words, _, _ = nn.beam_search(model.step, state, first, LONGEST + 1, END, beams)
    return gc.compile([digits, lengths], words[:, 0], target=target, name="answer")


def draw(losses: list[float], weights: np.ndarray, digits: np.ndarray, path: str) -> None:
    """The loss of each step, and the places looked at while one row was written backwards."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    left.semilogy(losses, linewidth=0.8)
    left.set(xlabel="step", ylabel="training loss")
    right.imshow(weights, cmap="Greys")
    right.set_xticks(range(len(digits)), digits)
    right.set_yticks(range(len(weights)), [*digits[::-1], "end"])
    right.set(xlabel="read", ylabel="written")
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default="cpu", help="cpu, numba, cuda, numba-cuda or reference")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--plot", default="seq2seq.png", help="where the picture goes")
    options = parser.parse_args()

    model, rng = Translator(), np.random.default_rng(0)
    step, look = training(model, options.steps, options.target)
    losses = []
    for _ in (bar := tqdm(range(options.steps), unit="step")):
        losses.append(float(step(*rows(BATCH, rng))))
        bar.set_postfix(loss=f"{losses[-1]:.4f}")

    answer = answering(model, 4, options.target)
    digits, lengths, answers = rows(500, np.random.default_rng(1))
    found = answer(digits, lengths)
    right = (found[:, : len(digits) + 1] == answers[1:].T).all(axis=1)
    for k in range(3):
        read, written = digits[: lengths[k], k], found[k, : lengths[k]]
        print("".join(map(str, read)), "->", "".join(map(str, written)))
    n = lengths[0]
    weights = look(digits, lengths, answers)[: n + 1, 0, :n]
    draw(losses, weights, digits[:n, 0], options.plot)
    print(f"learning curve and attention in {options.plot}")
    print(f"rows of digits written backwards without a mistake: {right.mean():.1%}")
    if options.steps == STEPS and right.mean() < WANTED:
        raise SystemExit(f"that is below the {WANTED:.0%} this example is meant to reach")


if __name__ == "__main__":
    main()
