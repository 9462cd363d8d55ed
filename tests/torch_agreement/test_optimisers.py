"""Optimisers beside PyTorch's: the parameters after every one of some steps."""

import numpy as np
import pytest

import graphc as gc
from graphc import nn, optim
from tests.support.peer import both_precisions, equal, torch

CLIP = 0.3  # smaller than the norms of most gradients here

KINDS = {
    "sgd": (lambda: optim.SGD(0.1), "SGD", {"lr": 0.1}),
    "momentum": (
        lambda: optim.SGD(0.05, 0.8, weight_decay=0.1),
        "SGD",
        {"lr": 0.05, "momentum": 0.8, "weight_decay": 0.1},
    ),
    "nesterov": (
        lambda: optim.SGD(0.05, 0.9, nesterov=True),
        "SGD",
        {"lr": 0.05, "momentum": 0.9, "nesterov": True},
    ),
    "clipped": (lambda: optim.SGD(0.1, 0.9, clip_norm=CLIP), "SGD", {"lr": 0.1, "momentum": 0.9}),
    "adam": (
        lambda: optim.Adam(0.02, (0.8, 0.95), 1e-7),
        "Adam",
        {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-7},
    ),
    "adam with decay": (
        lambda: optim.Adam(0.02, weight_decay=0.1),
        "Adam",
        {"lr": 0.02, "weight_decay": 0.1},
    ),
    "adamw": (
        lambda: optim.AdamW(0.02, weight_decay=0.2),
        "AdamW",
        {"lr": 0.02, "weight_decay": 0.2},
    ),
    "adamax": (lambda: optim.AdaMax(0.02), "Adamax", {"lr": 0.02, "eps": 0}),
    "rmsprop": (lambda: optim.RMSprop(0.01, 0.8), "RMSprop", {"lr": 0.01, "alpha": 0.8}),
    "adagrad": (lambda: optim.AdaGrad(0.1), "Adagrad", {"lr": 0.1, "eps": 1e-8}),
    "adadelta": (lambda: optim.Adadelta(0.5), "Adadelta", {"lr": 0.5}),
}


@both_precisions
@pytest.mark.parametrize("kind", list(KINDS))
def test_optimisers(kind, dtype):
    make, name, options = KINDS[kind]
    rng = np.random.default_rng(0)
    first = [rng.standard_normal(s).astype(dtype) for s in ((3, 2), (2,))]
    data = rng.standard_normal((8, 5, 5)).astype(dtype)

    x, t = gc.placeholder("x", (5, 3), dtype), gc.placeholder("t", (5, 2), dtype)
    w, b = (gc.variable(a.copy(), k) for a, k in zip(first, "wb", strict=True))
    loss = nn.mse(gc.tanh(x @ w + b), t)
    step = gc.compile([x, t], loss, updates=make().updates(loss, [w, b]))

    theirs = [torch.tensor(a, requires_grad=True) for a in first]
    optimiser = getattr(torch.optim, name)(theirs, **options)
    for rows in data:
        found = step(rows[:, :3].copy(), rows[:, 3:].copy())
        optimiser.zero_grad()
        z = torch.tensor(rows)
        expected = ((z[:, :3] @ theirs[0] + theirs[1]).tanh() - z[:, 3:]).square().mean()
        expected.backward()
        if kind == "clipped":
            # clip_grad_norm_ adds 1e-6 to the norm
            norm = torch.nn.utils.get_total_norm([p.grad for p in theirs])
            for p in theirs:
                p.grad *= (CLIP / norm).clamp(max=1)
        optimiser.step()
        equal(found, expected.detach().numpy(), dtype, "loss")
        for mine, other in zip((w, b), theirs, strict=True):
            equal(mine.value, other.detach().numpy(), dtype, mine.name)
