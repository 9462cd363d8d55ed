"""Losses and activations beside PyTorch's."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn
from tests.support.peer import agree, both_precisions, torch

F = torch.nn.functional
cases = pytest.mark.parametrize("case", range(12))
REDUCTIONS = ("mean", "sum", "none")


def draw(*seed):
    return np.random.default_rng(seed)


def some_shape(rng, most=3):
    return tuple(int(d) for d in rng.integers(1, 6, int(rng.integers(1, most + 1))))


def opened(rng, shape):
    """The shape, with its first size symbolic half of the time."""
    return ("n", *shape[1:]) if rng.integers(2) else shape


def probabilities(rng, *shape):
    p = rng.random(shape) + 0.05
    return p / p.sum(1, keepdims=True)


@both_precisions
@cases
def test_cross_entropy_of_labels(case, dtype):
    """With smoothing, and labels that are ignored."""
    rng = draw(1, case)
    count, classes, *places = (int(d) for d in rng.integers(2, 6, int(rng.integers(2, 5))))
    logits = rng.standard_normal((count, classes, *places)) * 3
    labels = rng.integers(0, classes, (count, *places))
    smoothing = float(rng.choice([0, 0.1, 0.5]))
    ignore = None if case % 3 == 0 else int(rng.choice([-100, 0]))
    if ignore is not None:
        labels[0] = ignore
        labels.flat[-1] = classes - 1

    def ours(logits, labels):
        return [nn.cross_entropy(logits, labels, 1, smoothing, r, ignore) for r in REDUCTIONS]

    def theirs(logits, labels):
        options = {"label_smoothing": smoothing, "ignore_index": -7 if ignore is None else ignore}
        return [F.cross_entropy(logits, labels, reduction=r, **options) for r in REDUCTIONS]

    first = opened(rng, logits.shape)
    shapes = {"logits": first, "labels": (first[0], *labels.shape[1:])}
    agree(ours, theirs, dtype, shapes, logits=logits, labels=labels)


@both_precisions
@cases
def test_cross_entropy_of_probabilities(case, dtype):
    rng = draw(2, case)
    shape = (int(rng.integers(1, 5)), int(rng.integers(2, 5)), *some_shape(rng, 2))
    smoothing = float(rng.choice([0, 0.2]))
    agree(
        lambda x, p: [nn.cross_entropy(x, p, 1, smoothing, r) for r in ("sum", "none")],
        lambda x, p: [
            F.cross_entropy(x, p, reduction=r, label_smoothing=smoothing) for r in ("sum", "none")
        ],
        dtype,
        x=rng.standard_normal(shape) * 3,
        p=probabilities(rng, *shape),
    )


@both_precisions
@cases
def test_losses_of_pairs_of_numbers(case, dtype):
    """Squared and absolute errors, Huber's and the smooth absolute error."""
    rng = draw(3, case)
    shape, delta = some_shape(rng), float(rng.choice([0.3, 1, 2]))
    x, t = rng.standard_normal((2, *shape)) * 2

    def ours(x, t):
        found = []
        for r in REDUCTIONS:
            found += [nn.mse(x, t, r), nn.mae(x, t, r), nn.huber(x, t, delta, r)]
            found.append(nn.huber(x, t, delta, r) / delta)
        return found

    def theirs(x, t):
        found = []
        for r in REDUCTIONS:
            found += [F.mse_loss(x, t, reduction=r), F.l1_loss(x, t, reduction=r)]
            found.append(F.huber_loss(x, t, reduction=r, delta=delta))
            found.append(F.smooth_l1_loss(x, t, reduction=r, beta=delta))
        return found

    sizes = opened(rng, shape)
    agree(ours, theirs, dtype, {"x": sizes, "t": sizes}, x=x, t=t)


@both_precisions
@cases
def test_losses_of_two_classes(case, dtype):
    """The cross-entropy of a coin, the hinge and the logistic loss of signs, the margin between two
    scores.
    """
    rng = draw(4, case)
    shape, margin = some_shape(rng), float(rng.choice([0.5, 1, 2]))
    x, other = rng.standard_normal((2, *shape)) * 4
    signs = rng.choice([-1, 1], shape)

    def ours(x, other, p, signs):
        found = []
        for r in REDUCTIONS:
            found.append(nn.binary_cross_entropy(x, p, r))
            found.append(nn.hinge(x - other, signs, margin, r))
        return [*found, nn.binary_cross_entropy(x, (signs + 1) / 2)]

    def theirs(x, other, p, signs):
        found = []
        for r in REDUCTIONS:
            found.append(F.binary_cross_entropy_with_logits(x, p, reduction=r))
            found.append(F.margin_ranking_loss(x, other, signs, margin, reduction=r))
        return [*found, F.soft_margin_loss(x, signs)]

    agree(ours, theirs, dtype, x=x, other=other, p=rng.random(shape), signs=signs)


@both_precisions
@cases
def test_divergences_and_likelihoods(case, dtype):
    """Kullback and Leibler's divergence, entropy, negative logarithms of picked probabilities, and
    of a normal density.
    """
    rng = draw(5, case)
    count, classes = (int(d) for d in rng.integers(2, 6, 2))
    labels = rng.integers(0, classes, count)
    mean, target, spread = rng.standard_normal((3, count, classes))

    def ours(p, q, labels, mean, target, spread):
        logs = gc.log_softmax(mean, 1)
        picked = -gc.take_along_axis(logs, labels[:, None], 1)
        likelihoods = [nn.gaussian_nll(mean, target, spread, r) for r in REDUCTIONS]
        return [nn.kl_divergence(p, q), nn.entropy(p), gc.mean(picked), *likelihoods]

    def theirs(p, q, labels, mean, target, spread):
        likelihoods = [
            F.gaussian_nll_loss(mean, target, spread.exp(), full=True, reduction=r)
            for r in REDUCTIONS
        ]
        divergence = F.kl_div(q.log(), p, reduction="none").sum(1)
        entropy = torch.special.entr(p).sum(1)
        return [divergence, entropy, F.nll_loss(F.log_softmax(mean, 1), labels), *likelihoods]

    values = {"p": probabilities(rng, count, classes), "q": probabilities(rng, count, classes)}
    agree(
        ours, theirs, dtype, **values, labels=labels, mean=mean, target=target, spread=spread
    )  # fmt: skip


@both_precisions
@cases
def test_losses_of_pairs_of_vectors(case, dtype):
    """Similarities of all pairs, the losses of pairs that are alike or not, of triplets, and of
    images and texts.
    """
    rng = draw(6, case)
    count, size = (int(d) for d in rng.integers(2, 6, 2))
    x, y, z = rng.standard_normal((3, count, size))
    signs, margin = rng.choice([-1, 1], count), float(rng.choice([0, 0.3]))

    def ours(x, y, z, signs):
        similar = gc.diagonal(nn.cosine_similarities(x, y))
        alike = gc.where(signs == 1, 1 - similar, gc.maximum(similar - margin, 0))
        lengths = [gc.sqrt(gc.diagonal(nn.square_distances(x, v))) for v in (y, z)]
        triplet = gc.mean(gc.maximum(lengths[0] - lengths[1] + 1, 0))
        return [nn.cosine_similarities(x, y), gc.mean(alike), triplet, nn.pair_loss(x, y, 3.0)]

    def theirs(x, y, z, signs):
        logits = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist") ** 2 * -1.5
        both = [F.cross_entropy(side, torch.arange(count)) for side in (logits, logits.T)]
        return [
            F.cosine_similarity(x[:, None], y[None], -1),
            F.cosine_embedding_loss(x, y, signs, margin),
            F.triplet_margin_loss(x, y, z, eps=0),
            (both[0] + both[1]) / 2,
        ]

    agree(ours, theirs, dtype, x=x, y=y, z=z, signs=signs)


@both_precisions
@cases
def test_activations(case, dtype):
    rng = draw(7, case)
    shape, a = some_shape(rng), float(rng.uniform(0.1, 2))
    axis = int(rng.integers(len(shape)))
    x = rng.standard_normal(shape) * float(rng.choice([1, 6]))

    def ours(x):
        return [
            gc.relu(x), gc.leaky_relu(x, a), gc.elu(x, a), gc.gelu(x), gc.gelu(x, True),
            gc.silu(x), gc.sigmoid(x), gc.tanh(x), gc.softplus(x), gc.log_sigmoid(x),
            nn.selu(x), nn.soft_threshold(x, a), gc.softmax(x, axis), gc.log_softmax(x, axis),
            gc.logsumexp(x, axis),
        ]  # fmt: skip

    def theirs(x):
        return [
            F.relu(x), F.leaky_relu(x, a), F.elu(x, a), F.gelu(x), F.gelu(x, approximate="tanh"),
            F.silu(x), x.sigmoid(), x.tanh(), F.softplus(x, threshold=1e3), F.logsigmoid(x),
            F.selu(x), F.softshrink(x, a), x.softmax(axis), x.log_softmax(axis), x.logsumexp(axis),
        ]  # fmt: skip

    agree(ours, theirs, dtype, {"x": opened(rng, shape)}, x=x)
