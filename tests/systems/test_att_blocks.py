"""Cost of attention, embeddings, positions, transformer blocks (catalogue 4, A and B)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from tests.systems.catalogue import CS, S, both, row, run, symbols
from tests.systems.sequences import checksum, differentiated, learns

WHERE = "graphc/nn/transformer.py"


@row("ATT-12", "graphc/nn/attention.py")
def test_att_12_cross_attention():
    """One-hot weights give the values back; the weights are an output like any other; a decoder
    that is a recurrent loop reads the encoder through them, and learns to copy.
    """
    h = gc.placeholder("h", (4, 3), gc.float64)
    scores = gc.constant(200.0 * np.eye(4)[[2, 0, 3]])
    weights = nn.masked_softmax(scores)
    found = both([weights, weights @ h], {h: S(0, 4, 3)})
    np.testing.assert_allclose(found[1], S(0, 4, 3)[[2, 0, 3]], atol=1e-15)
    np.testing.assert_allclose(found[0].sum(1), 1)
    x = gc.placeholder("x", (4, 3, 2), gc.float32)
    encoder, decoder = nn.GRU(2, 6, seed=0), nn.GRUCell(6, 6, seed=1)
    head = nn.Dense(6, 2, seed=2)
    hs, (last,) = encoder(x)
    memory = gc.swapaxes(hs, 0, 1)

    def step(s, _):
        context = nn.attention(s[:, None], memory, memory)[:, 0]
        s = decoder.step(s, decoder.project(context))
        return s, head(s)

    y = gc.scan(step, last, length=4)[1]
    parameters = [p for part in (encoder, decoder, head) for p in part.parameters()]
    learns(nn.mse(y, x), parameters, {x: S(0, 4, 3, 2)}, part=0.7)


@row("ATT-17", "graphc/nn/tiled_attention.py")
def test_att_17_tiled_attention():
    """Tiled and plain attention agree to 1e-6 in float32, gradients too."""
    feeds = symbols(**{n: S(k, 2, 8, 4).astype(np.float32) for k, n in enumerate("qkv")})
    q, k, v = feeds
    plain, tiled = nn.attention(q, k, v), nn.tiled_attention(q, k, v, 4)
    weights = gc.constant(np.cos(np.arange(64)).reshape(2, 8, 4).astype(np.float32))
    a = [plain, *gc.grad(gc.sum(plain * weights), [q, k, v])]
    b = [tiled, *gc.grad(gc.sum(tiled * weights), [q, k, v])]
    found = run(a + b, feeds)
    for x, y in zip(found[:4], found[4:], strict=True):
        np.testing.assert_allclose(x, y, atol=1e-6)


@row("ATT-18", "graphc/nn/layers.py")
def test_att_18_token_embedding():
    """Rows equal products with one-hot vectors; rows used twice add their gradients; the table may
    be the softmax's too, and learns.
    """
    table = gc.placeholder("table", (5, 3), gc.float64)
    ids = gc.constant(np.array([1, 4, 1]))
    x = gc.take(table, ids, axis=0)
    hot = gc.one_hot(ids, 5, dtype="float64") @ table
    loss = checksum(x)
    a, b, g, same = both(
        [x, hot, gc.grad(loss, table), gc.grad(checksum(hot), table)], {table: S(0, 5, 3)}
    )
    np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(g, same, atol=1e-15)
    np.testing.assert_allclose(g[1], np.cos(np.arange(3)) + np.cos(np.arange(6, 9)))
    layer = nn.Embedding(5, 3, seed=0)
    logits = layer(ids) @ layer.table.T
    learns(nn.cross_entropy(logits, gc.constant(np.array([2, 0, 2]))), layer.parameters())


@row("ATT-19", WHERE)
def test_att_19_sinusoidal_positions():
    """The row of position 3 as printed; positions further on are a rotation of those before."""
    pe = both(nn.sinusoids(8, 4, "float64"))
    np.testing.assert_allclose(pe[3], [0.14112001, -0.98999250, 0.02999550, 0.99955003], atol=1e-8)
    rate = 10000.0 ** (-np.arange(0, 4, 2) / 4)
    turn = np.zeros((4, 4))
    for i, r in enumerate(rate):
        c, s = np.cos(2 * r), np.sin(2 * r)
        turn[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [[c, -s], [s, c]]
    np.testing.assert_allclose(pe[:-2] @ turn, pe[2:], atol=1e-12)


@row("ATT-20", WHERE)
def test_att_20_learned_positions():
    """Rows 0 to T - 1 as an embedding gives them; a gradient for these alone; too many positions
    are refused while the graph is built.
    """
    layer = nn.LearnedPositions(6, 3, seed=0, dtype="float64")
    x = gc.placeholder("x", (2, 4, 3), gc.float64)
    y = layer(x)
    same = x + gc.take(layer.table, gc.arange(4), axis=0)
    (a, b), (g,) = differentiated([y, same], checksum(y), {x: S(0, 2, 4, 3)}, [x])
    np.testing.assert_array_equal(a, b)
    slope = run(gc.grad(checksum(y), layer.table), {})
    assert np.all(slope[4:] == 0) and np.all(slope[:4] != 0)
    np.testing.assert_allclose(slope[:4], g.sum(0), atol=1e-14)
    with pytest.raises(gc.ShapeError, match="7 positions, but the table has 6"):
        layer(gc.placeholder("long", (1, 7, 3), gc.float64))
    small = nn.LearnedPositions(4, 3, seed=0)
    target = gc.constant(S(0, 4, 3).astype(np.float32))
    learns(nn.mse(small(gc.zeros((4, 3))), target), small.parameters())


@row("ATT-21", WHERE)
def test_att_21_feed_forward():
    """Equal to convolutions of length 1; the Jacobian between different positions is zero; it
    learns.
    """
    layer = nn.FeedForward(4, 6, gc.tanh, seed=0, dtype="float64")
    x = gc.placeholder("x", (3, 4), gc.float64)
    inner, outer = layer.inner, layer.outer
    hidden = gc.tanh(nn.conv(x.T[None], inner.weight.T[:, :, None])[0] + inner.bias[:, None])
    convolved = (nn.conv(hidden[None], outer.weight.T[:, :, None])[0] + outer.bias[:, None]).T
    y = layer(x)
    a, b, jacobian = both([y, convolved, gc.jacobian(y, x)], {x: S(0, 3, 4)})
    np.testing.assert_allclose(a, b, atol=1e-14)
    blocks = np.abs(jacobian).max(axis=(1, 3))
    assert np.all(blocks[~np.eye(3, dtype=bool)] == 0) and np.all(np.diag(blocks) > 0)
    small = nn.FeedForward(4, 6, seed=0)
    data = gc.constant(S(0, 3, 4).astype(np.float32))
    learns(nn.mse(small(data), gc.flip(data, axis=1)), small.parameters())


def fixed(block, feeds):
    """The block with the catalogue's weights as arguments."""
    made = symbols(
        Wqkv=S(1, 4, 12), Wo=S(2, 4, 4), bqkv=S(5, 12), bo=S(6, 4),
        W1=S(3, 4, 6), b1=S(7, 6), W2=S(4, 6, 4), b2=S(8, 4),
    )  # fmt: skip
    feeds.update(made)
    at, ff = block.attention, block.network
    (at.inputs.weight, at.outputs.weight, at.inputs.bias, at.outputs.bias,
     ff.inner.weight, ff.inner.bias, ff.outer.weight, ff.outer.bias) = made  # fmt: skip
    return block


@row("ATT-22", WHERE)
def test_att_22_encoder_block():
    """CS with norms after and before as printed, and of the gradient for x; 3,152,384 parameters;
    it learns.
    """
    for before, act, printed in ((False, gc.relu, 1.211517391), (True, gc.gelu, 3.951453933)):
        feeds = symbols(x=S(0, 2, 3, 4))
        (x,) = feeds
        block = fixed(nn.EncoderBlock(4, 2, 6, act, before, dtype="float64"), feeds)
        y = block(x)
        (value,), (slope, *_) = differentiated([y], checksum(y), feeds, count=1)
        assert CS(value) == pytest.approx(printed, abs=1e-9)
        if before:
            assert CS(slope) == pytest.approx(7.581543126, abs=1e-8)
    with nn.outline():
        assert nn.EncoderBlock(512, 8, 2048).parameter_count() == 3_152_384
    small = nn.EncoderBlock(4, 2, 6, seed=0)
    data = gc.constant(S(0, 2, 3, 4).astype(np.float32))
    learns(nn.mse(small(data), gc.roll(data, 1, axis=1)), small.parameters())


@row("ATT-23", WHERE)
def test_att_23_decoder_block():
    """CS of the block and of its cross-attention alone as printed; 4,204,032 parameters, and
    44,138,496 for six blocks on each side; it learns.
    """
    feeds = symbols(x=S(0, 2, 3, 4), m=S(9, 2, 5, 4), Wq=S(10, 4, 4), Wk=S(11, 4, 4),
                    Wv=S(12, 4, 4), Wp=S(13, 4, 4))  # fmt: skip
    x, memory, *weights = feeds
    block = fixed(nn.DecoderBlock(4, 2, 6, dtype="float64"), feeds)
    block.cross = cross = nn.CrossAttention(4, 2, bias=False, dtype="float64")
    for part, w in zip((cross.query, cross.key, cross.value, cross.outputs), weights, strict=True):
        part.weight = w
    y = block(x, memory)
    (value, alone), _ = differentiated([y, cross(x, memory)], checksum(y), feeds, count=1)
    assert CS(value) == pytest.approx(-1.055097391, abs=1e-9)
    assert CS(alone) == pytest.approx(0.099683441, abs=1e-9)
    with nn.outline():
        assert nn.DecoderBlock(512, 8, 2048).parameter_count() == 4_204_032
        whole = nn.Transformer(10, 512, 8, 2048)
    assert whole.parameter_count() - 10 * 512 == 44_138_496
    small = nn.DecoderBlock(4, 2, 6, seed=0)
    data = gc.constant(S(0, 2, 3, 4).astype(np.float32))
    learns(nn.mse(small(data, data), gc.roll(data, 1, axis=1)), small.parameters())


@row("ATT-24", WHERE)
def test_att_24_transformer():
    """A model learns to reverse sequences without a mistake; what it says of a word does not depend
    on the words after it, so stepwise and teacher-forced probabilities agree.
    """
    model = nn.Transformer(5, 16, 2, 32, layers=1, before=True, seed=0)
    rng = np.random.default_rng(0)
    source = gc.placeholder("source", (32, 4), gc.int64)
    target = gc.placeholder("target", (32, 4), gc.int64)
    before = gc.concat([gc.zeros((32, 1), "int64"), target[:, :-1]], axis=1)
    logits = model(source, before)
    loss = nn.cross_entropy(logits, target)
    step = gc.compile(
        [source, target], [loss, nn.accuracy(logits, target)],
        updates=optim.Adam(optim.cosine(0.02, 300)).updates(loss, model.parameters()),
    )  # fmt: skip
    for _ in range(300):
        words = rng.integers(1, 5, (32, 4))
        _, right = step(words, words[:, ::-1].copy())
    assert right == 1
    memory = model.encode(source)
    short = model.decode(before[:, :2], memory)
    words = rng.integers(1, 5, (32, 4))
    a, b = run(
        [gc.log_softmax(logits)[:, 1], gc.log_softmax(short)[:, 1]],
        {source: words, target: words[:, ::-1].copy()},
    )
    np.testing.assert_allclose(a, b, atol=1e-5)
