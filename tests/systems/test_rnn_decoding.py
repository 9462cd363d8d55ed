"""Encoders and decoders, decoding as compiled loops, cost (catalogue 3, A and B)."""

from itertools import pairwise

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from tests.systems.catalogue import CS, S, both, row, run, symbols
from tests.systems.sequences import N, checksum, differentiated, fixture, learns, make

DECODING = "graphc/nn/decoding.py"
END = 7


@row("RNN-17", DECODING)
def test_rnn_17_captioning():
    """Features of a convolution begin a recurrent decoder, whose words come greedily between START
    and END; gradients reach the kernel; two images get their own captions.
    """
    kernel = gc.variable(0.3 * S(0, 4, 1, 2, 2).astype(np.float32), "kernel")
    cell, head = nn.GRUCell(6, 4, seed=0), nn.Dense(4, 6, seed=1)
    images = gc.constant(np.stack([S(3, 1, 4, 4), S(5, 1, 4, 4) ** 3]).astype(np.float32))
    features = gc.tanh(gc.max(nn.conv(images, kernel), axis=(2, 3)))
    start, end = 0, 5
    captions = np.array([[start, 1, 2, end], [start, 3, 4, end]])
    x = gc.one_hot(gc.constant(captions[:, :-1].T), 6)
    h, _ = nn.unroll(cell, x, start=features)
    loss = nn.cross_entropy(head(h), gc.constant(captions[:, 1:].T))
    assert np.any(run(gc.grad(loss, kernel)) != 0)
    learns(loss, [kernel, *cell.parameters(), *head.parameters()], steps=300, part=0.03)

    def step(state, word):
        state = cell.step(state, cell.project(gc.one_hot(word, 6)))
        return head(state), state

    words = run(nn.greedy(step, features, gc.constant(captions[:, 0]), 3, end))
    np.testing.assert_array_equal(words, captions[:, 1:])


@row("RNN-25", "graphc/nn/recurrent.py")
def test_rnn_25_encoder_decoder():
    """CS of the outputs as printed with the last state as context, and with attention over all;
    gradients of two loops in one program by differences; it learns to reverse.
    """
    cell = make(nn.RNNCell)
    feeds, x = fixture(cell, 1)
    more = symbols(y=S(6, 3, N, 3), Wy=S(1, 3, 5) / 2,
                   Ws=S(2, 5, 5) / 2, Wc=S(4, 5, 5) / 2, V=S(5, 5, 2) / 2)  # fmt: skip
    feeds.update(more)
    y, Wy, Ws, Wc, V = more
    h, last = nn.unroll(cell, x)
    memory = gc.swapaxes(h, 0, 1)

    def outputs(context):
        def step(s, given):
            s = gc.tanh(given @ Wy + s @ Ws + context(s) @ Wc)
            return s, s @ V

        return gc.scan(step, last, y)[1]

    def attended(s):
        return (nn.masked_softmax(nn.dot_score(s[:, None], memory)) @ memory)[:, 0]

    plain, attentive = outputs(lambda s: last), outputs(attended)
    loss = checksum(plain) + checksum(attentive)
    (a, b), _ = differentiated([plain, attentive], loss, feeds, count=1)
    assert CS(a) == pytest.approx(-0.016841658, abs=1e-9)
    assert CS(b) == pytest.approx(-0.031427714, abs=1e-9)
    encoder, decoder, head = nn.GRU(2, 8, seed=0), nn.GRU(2, 8, seed=1), nn.Dense(8, 2, seed=2)
    data = gc.constant(S(0, 3, 4, 2).astype(np.float32))
    target = gc.flip(data, axis=0)
    before = gc.concat([gc.zeros((1, 4, 2)), target[:-1]])
    loss = nn.mse(head(decoder(before, start=encoder(data)[1])[0]), target)
    learns(loss, [p for part in (encoder, decoder, head) for p in part.parameters()])


def bigram(table):
    """A model without a state: the logits of the next word depend on the last word alone."""
    logits = gc.constant(table)
    return lambda state, word: (gc.take(logits, word, axis=0), state)


@row("RNN-26", DECODING)
def test_rnn_26_greedy_decoding():
    """The compiled loop says what a loop on the host says, ends follow an end, and no sequence is
    longer than allowed.
    """
    table, length, end = np.sin(3.7 * np.arange(36)).reshape(6, 6), 5, 2
    first = np.arange(6)
    words = both(nn.greedy(bigram(table), (), gc.constant(first), length, end))
    lengths = set()
    for start, said in zip(first, words, strict=True):
        word, expected = start, []
        while len(expected) < length and (not expected or expected[-1] != end):
            word = int(np.argmax(table[word]))
            expected.append(word)
        lengths.add(len(expected))
        np.testing.assert_array_equal(said, expected + [end] * (length - len(expected)))
    assert 5 in lengths and min(lengths) < 5


def tree():
    """Log-probabilities of 8 words by what was said: nothing, he, we, he hit, or anything else."""
    he, we, hit, was, me, a = range(6)
    given = [{he: -0.7, we: -0.9}, {hit: -1.0}, {was: -0.7}, {me: -0.8, a: -1.1}, {}]
    logs = np.empty((5, 8))
    for node, chances in enumerate(given):
        rest = 1 - sum(np.exp(p) for p in chances.values())
        logs[node] = np.log(rest / (8 - len(chances)))
        for word, p in chances.items():
            logs[node, word] = p
    follow = np.full((5, 8), 4)
    follow[0, he], follow[0, we], follow[1, hit] = 1, 2, 3
    return logs, follow


@row("RNN-27", DECODING)
def test_rnn_27_beam_search():
    """Two beams find the sentences and sums of the catalogue, whose means are as printed; as many
    beams as there are beginnings find the best of all sequences.
    """
    logs, follow = (gc.constant(a) for a in tree())

    def step(state, word):
        node = gc.where(word < 0, 0, follow[state, gc.maximum(word, 0)])
        return gc.take(logs, node, axis=0), node

    first = gc.constant(np.array([-1]))
    state = gc.zeros((1,), "int64")
    for length, sentences, sums in (
        (1, [[0], [1]], [-0.7, -0.9]),
        (2, [[1, 3], [0, 2]], [-1.6, -1.7]),
        (3, [[0, 2, 4], [0, 2, 5]], [-2.5, -2.8]),
    ):
        words, scores, means = run(nn.beam_search(step, state, first, length, END, 2))
        np.testing.assert_array_equal(words[0], sentences)
        np.testing.assert_allclose(scores[0], sums, atol=1e-12)
    np.testing.assert_allclose(means[0], [-0.8333, -0.9333], atol=5e-5)
    table, V, T, end = 2 * np.sin(2.3 * np.arange(9)).reshape(3, 3), 3, 3, 0
    words, scores, means = both(
        nn.beam_search(bigram(table), (), gc.constant(np.array([1, 2])), T, end, V ** (T - 1))
    )
    chances = table - np.log(np.exp(table).sum(1, keepdims=True))
    for row_, start in enumerate((1, 2)):
        sums = {}
        for sequence in np.ndindex(V, V, V):
            stop = sequence.index(end) + 1 if end in sequence else T
            steps = [start, *sequence[:stop]]
            sums[sequence[:stop]] = sum(chances[a, b] for a, b in pairwise(steps))
        best = max(sums, key=sums.__getitem__)
        place = int(np.argmax(scores[row_]))
        assert scores[row_, place] == pytest.approx(sums[best], rel=1e-12)
        np.testing.assert_array_equal(words[row_, place, : len(best)], best)
        assert means[row_, 0] == max(means[row_])


@row("RNN-30", "passes/derivatives/checkpoint.py")
def test_rnn_30_cost_statement():
    """Peak memory of the gradient grows linearly in the steps; where only each eighth state is kept
    it grows by less than half as much.
    """

    cell = nn.LSTMCell(2, 16, seed=0)

    def peak(steps, segment):
        x = gc.placeholder("x", (steps, 4, 2), gc.float32)
        _, last = nn.unroll(cell, x, segment=segment)
        return gc.compile([x], gc.grad(gc.sum(last[0]), cell.input_weight)).memory.peak

    stored, again = np.diff([peak(T, None) for T in (32, 64, 96)]), peak(512, 8) - peak(128, 8)
    assert stored[0] > 0 and stored[1] == pytest.approx(stored[0], rel=0.1)
    assert 0 < again < 0.5 * stored[0] * (512 - 128) / 32
