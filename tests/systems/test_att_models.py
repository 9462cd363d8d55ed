"""Language and image models made of attention (catalogue 4, C)."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from tests.systems.catalogue import CS, S, both, row, run
from tests.systems.sequences import checksum, differentiated, learns
from tests.systems.test_att_blocks import fixed

TOKENS = np.array([[1, 4, 2, 0, 3]])
LANGUAGE, VISION = "graphc/nn/language.py", "graphc/nn/vision_transformer.py"


def tiny(words, **options):
    """The one-block model of the catalogue: feeds (the embeddings first) and the model."""
    model = nn.GPT(words, 4, 2, 6, 1, dtype="float64", **options)
    model.table = gc.placeholder("E", (words, 4), gc.float64)
    feeds = {model.table: S(0, words, 4)}
    fixed(model.blocks[0], feeds)
    return feeds, model


@row("ATT-25", VISION)
def test_att_25_vision_transformer():
    """86,567,656 and 304,326,632 parameters; CS of the patches' products as printed, equal to a
    convolution of stride 2; a small one learns.
    """
    with nn.outline():
        base = nn.VisionTransformer(224, 16, 1000, 768, 12, 3072, 12)
        large = nn.VisionTransformer(224, 16, 1000, 1024, 16, 4096, 24)
    assert base.parameter_count() == 86_567_656
    assert large.parameter_count() == 304_326_632
    image = gc.placeholder("image", (1, 3, 4, 4), gc.float64)
    W = gc.constant(S(1, 12, 5))
    y = nn.patches(image, 2) @ W
    kernel = gc.reshape(W.T, (5, 3, 2, 2))
    convolved = nn.conv(image, kernel, stride=2)
    feeds = {image: S(0, 1, 3, 4, 4)}
    (a, b), _ = differentiated([y, convolved], checksum(y), feeds)
    assert CS(a) == pytest.approx(0.388652966, abs=1e-9)
    np.testing.assert_allclose(a[0].T, b.reshape(5, 4), atol=1e-14)
    small = nn.VisionTransformer(4, 2, 3, 4, 2, 6, 1, seed=0)
    data = gc.constant(S(0, 3, 3, 4, 4).astype(np.float32))
    learns(nn.cross_entropy(small(data), gc.arange(3)), small.parameters())


@row("ATT-26", LANGUAGE)
def test_att_26_masked_prediction():
    """The loss of the tiny model as printed, with gradients of zero for the logits of words that
    are not hidden; 109,482,240 parameters of the base model; a fresh model's loss is near ln V, and
    falls.
    """
    feeds, model = tiny(6, before=False, causal=False)
    mask = gc.constant(np.array([[False, True, False, True, False]]))
    tokens = gc.constant(TOKENS)
    logits = model(nn.hide_tokens(tokens, mask, 5))
    loss = nn.masked_loss(logits, tokens, mask, "mean")
    (value, slope), _ = differentiated([loss, gc.grad(loss, logits)], loss, feeds, count=1)
    assert value == pytest.approx(3.619160342, abs=1e-9)
    assert np.all(slope[0, [0, 2, 4]] == 0) and np.all(slope[0, [1, 3]] != 0)
    with nn.outline():
        assert nn.BERT(30522, 768, 12, 3072, 12).parameter_count() == 109_482_240
    small, head = nn.BERT(8, 16, 2, 16, 1, length=5, seed=0), nn.Dense(16, 8, seed=1)
    for layer in (small.words, head):
        layer.variables()["table" if layer is not head else "weight"].value *= 0.1
    loss = nn.masked_loss(head(small(nn.hide_tokens(tokens, mask, 7))), tokens, mask, "mean")
    losses = learns(loss, small.parameters() + head.parameters())
    assert losses[0] == pytest.approx(np.log(8), abs=0.5)


@row("ATT-27", LANGUAGE)
def test_att_27_sentence_order():
    """A binary cross-entropy on the pooled first token, added to the prediction of hidden words:
    both fall together.
    """
    model = nn.BERT(8, 8, 2, 12, 1, length=6, seed=0)
    order, head = nn.Dense(8, 1, seed=1), nn.Dense(8, 8, seed=2)
    tokens = gc.constant(np.array([[0, 1, 2, 3, 4, 5], [0, 4, 5, 3, 1, 2]]))
    segments = gc.constant(np.array([[0, 0, 0, 1, 1, 1]] * 2))
    mask = gc.constant(np.array([[0, 0, 1, 0, 1, 0]] * 2, bool))
    features = model(nn.hide_tokens(tokens, mask, 7), segments)
    logit = order(model.pooled(features))[:, 0]
    second = nn.binary_cross_entropy(logit, gc.constant(np.array([1.0, 0.0], np.float32)))
    first = nn.masked_loss(head(features), tokens, mask, "mean")
    parts = [p for part in (model, order, head) for p in part.parameters()]
    z, loss = run([logit, second])
    np.testing.assert_allclose(
        loss, np.mean([np.log1p(np.exp(-z[0])), np.log1p(np.exp(z[1]))]), rtol=1e-5
    )
    learns(first + second, parts, part=0.3)


@row("ATT-28", LANGUAGE)
def test_att_28_classification_and_tagging():
    """A head on the first token sends gradients to that position of the last layer alone, one on
    each token to all; both learn.
    """
    model = nn.BERT(8, 8, 2, 12, 1, length=5, seed=0)
    first, each = nn.Dense(8, 3, seed=1), nn.Dense(8, 3, seed=2)
    features = model(gc.constant(TOKENS))
    one = nn.cross_entropy(first(features[:, 0]), gc.constant(np.array([2])))
    all_ = nn.cross_entropy(each(features), gc.constant(np.array([[0, 1, 2, 1, 0]])))
    a, b = both([gc.grad(one, features), gc.grad(all_, features)])
    assert np.any(a[0, 0] != 0) and np.all(a[0, 1:] == 0)
    assert np.all(np.abs(b[0]).max(axis=1) > 0)
    parts = [p for part in (model, first, each) for p in part.parameters()]
    learns(one + all_, parts)


@row("ATT-29", LANGUAGE)
def test_att_29_span_corruption():
    """A run of words becomes one sentinel, and the target is the run; a run of one word is the
    target of masked prediction; a padded batch of them is learnt by encoder and decoder.
    """
    assert nn.hide_spans([5, 6, 7, 8], 1, 2, 20, 1) == ([5, 20, 8], [20, 6, 7, 1])
    source, target = nn.hide_spans([5, 6, 7, 8], 2, 1, 20, 1)
    assert source == [5, 6, 20, 8] and target == [20, 7, 1]
    rng, END, PAD = np.random.default_rng(0), 1, 0
    texts = [[2, 3, 4, 5, 6], [6, 5, 4, 3, 2]]
    pairs = []
    for text in texts:
        count = int(rng.integers(1, 4))
        pairs.append(nn.hide_spans(text, int(rng.integers(0, 6 - count)), count, 7, END))

    def pad(words):
        return words + [PAD] * (5 - len(words))

    sources = gc.constant(np.array([pad(s) for s, _ in pairs]))
    targets = gc.constant(np.array([pad(t) for _, t in pairs]))
    model = nn.Transformer(8, 8, 2, 12, layers=1, before=True, seed=0)
    logits = model(sources, targets[:, :-1])
    counted = gc.not_equal(targets[:, 1:], PAD)
    loss = nn.masked_loss(logits, targets[:, 1:], counted, "mean")
    slope = run(gc.grad(loss, logits))
    assert np.all(slope[~run(counted)] == 0)
    learns(loss, model.parameters())


@row("ATT-30", LANGUAGE)
def test_att_30_cbow():
    """Loss and CS(dE) as printed; the order of neighbours does not matter; words of one class end
    up more alike than others on a toy corpus.
    """
    model = nn.CBOW(7, 3, dtype="float64")
    E, U = gc.placeholder("E", (7, 3), gc.float64), gc.placeholder("U", (3, 7), gc.float64)
    model.embedding.table, model.output = E, U
    near = np.array([[1, 2, 4, 5], [0, 1, 3, 3]])
    loss = nn.cross_entropy(model(gc.constant(near)), gc.constant(np.array([3, 2])))
    turned = nn.cross_entropy(model(gc.constant(near[:, ::-1])), gc.constant(np.array([3, 2])))
    (a, b), (slope, _) = differentiated(
        [loss, turned], loss, {E: S(0, 7, 3), U: S(1, 3, 7)}, count=6
    )
    assert a == pytest.approx(1.654537827, abs=1e-9)
    assert CS(slope) == pytest.approx(-0.065107394, abs=1e-9)
    assert b == pytest.approx(a, rel=1e-14)
    # Words 0 and 1 are used alike, 2 and 3 too: [0 or 1] follows 4, [2 or 3] follows 5.
    corpus = [(4, 0, 6), (4, 1, 6), (5, 2, 5), (5, 3, 5)] * 2
    small = nn.CBOW(7, 3, seed=0)
    contexts = gc.constant(np.array([[left, word] for left, word, _ in corpus]))
    loss = nn.cross_entropy(small(contexts), gc.constant(np.array([w for *_, w in corpus])))
    learns(loss, small.parameters(), steps=150)
    words = small.embedding.table[:4] @ small.output
    alike = run(nn.cosine_similarities(words, words))
    assert alike[0, 1] > alike[0, 2] and alike[2, 3] > alike[1, 3]


@row("ATT-31", LANGUAGE)
def test_att_31_gpt():
    """Loss and CS(dE) as printed; 116,534,784 and 124,439,808 parameters; later words leave earlier
    outputs alone; a model learns a text.
    """
    feeds, model = tiny(5)
    logits = model(gc.constant(TOKENS))
    loss = nn.next_token_loss(logits, gc.constant(TOKENS))
    other = model(gc.constant(TOKENS[:, [0, 1, 4, 2, 3]]))
    (value, a, b), (slope, *_) = differentiated([loss, logits, other], loss, feeds, count=1)
    assert value == pytest.approx(2.823059536, abs=1e-9)
    assert CS(slope) == pytest.approx(-0.773607727, abs=1e-8)
    np.testing.assert_array_equal(a[:, :2], b[:, :2])
    with nn.outline():
        first = nn.GPT(40478, 768, 12, 3072, 12, length=512, before=False)
        second = nn.GPT(50257, 768, 12, 3072, 12, length=1024)
    assert first.parameter_count() == 116_534_784
    assert second.parameter_count() == 124_439_808
    small = nn.GPT(5, 8, 2, 12, 1, length=5, seed=0)
    learns(nn.next_token_loss(small(gc.constant(TOKENS)), gc.constant(TOKENS)), small.parameters())


@row("ATT-32", LANGUAGE)
def test_att_32_gpt_3_scale():
    """96 layers of 12,288 have 174,604,259,328 parameters, counted without memory for them; a model
    of the same kind runs and has finite gradients.
    """
    with nn.outline():
        model = nn.GPT(50257, 12288, 96, 4 * 12288, 96, length=2048)
    assert model.parameter_count() == 174_604_259_328
    small = nn.GPT(5, 8, 4, 32, 2, length=8, seed=0)
    loss = nn.next_token_loss(small(gc.constant(TOKENS)), gc.constant(TOKENS))
    assert all(np.isfinite(g).all() for g in run(gc.grad(loss, small.parameters())))


@row("ATT-34", "graphc/ops/exponential.py")
def test_att_34_size_of_sequence_space():
    """10,000 words in sequences of 15: 10^60, in logarithms; 10^600 has no float64 of its own."""
    V, T = gc.placeholder("V", (), gc.float64), gc.placeholder("T", (), gc.float64)
    size = T * gc.log10(V)
    assert both(size, {V: 1e4, T: 15.0}) == pytest.approx(60, rel=1e-14)
    power = gc.compile([V, T], [size, V**T])
    assert float(power(1e4, 150.0)[0]) == pytest.approx(600, rel=1e-14)
    assert np.isinf(power(1e4, 150.0)[1])
