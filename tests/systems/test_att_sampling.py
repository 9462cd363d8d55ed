"""Text written word by word (catalogue 4, C)."""

import numpy as np

import graphc as gc
from graphc import nn
from tests.systems.catalogue import row, run


@row("ATT-33", "graphc/nn/decoding.py")
def test_att_33_prompted_sampling():
    """Stepwise logits with stored keys and values equal those of the whole sequence; a key gives
    the same words again, and other keys others; among many draws words are as frequent as softmax
    says (chi squared), and none lies outside the top k.
    """
    model = nn.GPT(6, 4, 2, 6, 1, length=14, seed=0, dtype="float64")
    tokens = gc.placeholder("tokens", (2, "time"), gc.int64)
    key = gc.placeholder("key", (4,), gc.uint32)

    def follow(state, given):
        logits, caches = model.step(state, given[0], given[1])
        return caches, logits

    places = gc.iota((tokens.shape[1],))
    stepwise = gc.scan(follow, model.caches(2, 14), (tokens.T, places))[1]

    def step(state, word):
        logits, caches = model.step(state[1], word, state[0])
        return logits, (state[0] + 1, caches)

    start = (gc.constant(np.int64(0)), model.caches(2, 14))
    state, last = nn.prompted(step, start, tokens), tokens[:, -1]
    outputs = [gc.swapaxes(stepwise, 0, 1), model(tokens), nn.greedy(step, state, last, 6, 9),
               nn.sample(step, state, last, key, 6, 9)]  # fmt: skip
    f = gc.compile([tokens, key], outputs)
    meant = gc.compile([tokens, key], outputs, target="reference")
    text = np.array([[1, 4], [3, 3]])
    given = [gc.compile([], gc.random.key(k))() for k in (1, 2)]
    drawn = [f(text, k) for k in (given[0], given[0], given[1])]
    for found, wanted in zip(drawn[0], meant(text, given[0]), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-12)
    np.testing.assert_array_equal(drawn[0][3], drawn[1][3])
    assert np.any(drawn[0][3] != drawn[2][3])
    for _ in range(6):
        by_step, at_once = f(text, given[0])[:2]
        np.testing.assert_allclose(by_step, at_once, atol=1e-12)
        text = np.concatenate([text, at_once[:, -1:].argmax(-1)], axis=1)
    np.testing.assert_array_equal(drawn[0][2], text[:, 2:])
    table, count = np.array([1.0, 0.0, -1.0, 0.5]), 4000

    def stateless(state, word):
        return gc.broadcast_to(gc.constant(table), (count, 4)), state

    first = gc.zeros((count,), "int64")
    draws = [nn.sample(stateless, (), first, gc.random.key(7), 1, 9, temperature, k)
             for temperature, k in ((1.0, None), (0.5, None), (1.0, 2))]  # fmt: skip
    for words, t in zip(run(draws), (1.0, 0.5, None), strict=True):
        seen = np.bincount(words[:, 0], minlength=4)
        if t is None:
            assert seen[1] == seen[2] == 0
            continue
        expected = count * np.exp(table / t) / np.exp(table / t).sum()
        assert ((seen - expected) ** 2 / expected).sum() < 16.27  # 3 degrees of freedom, p = 0.001
