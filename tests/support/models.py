"""Small instances of the models made of layers that are public beside them."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from graphc import nn, probability, random
from graphc.ops.source import variable
from tests.support.layers import (
    F64,
    IMAGE,
    ROWS,
    WIDE,
    Samples,
    bits,
    drawn,
    sample,
    two_heads,
)

OPERATIONS = {
    "dense": lambda stride: nn.Dense(4, 4, nn.tanh, **F64),
    "same": lambda stride: lambda x: x,
}
DRAWN = SimpleNamespace(inputs=1, nodes=(((0, "dense"),), ((0, "same"), (1, "dense"))), ends=(2,))


def restored(model: Any, x: Any) -> Any:
    """A loss of the model on x."""
    return model.loss(x)


MODELS: dict[str, Samples] = {
    "Autoencoder": sample(
        lambda cls: cls(nn.Dense(4, 2, nn.tanh, **F64), nn.Dense(2, 4, **F64)), ROWS, call=restored
    ),
    "TiedAutoencoder": sample(lambda cls: cls(4, 2, nn.tanh, **F64), ROWS, call=restored),
    "GAN": sample(
        lambda cls: cls(nn.Dense(2, 4, nn.tanh, **F64), nn.Dense(4, 1, nn.tanh, **F64)),
        ROWS,
        (3, 2),
        call=lambda gan, x, z: gan.losses(x, z)[1],
    ),
    "AnchorHead": sample(lambda cls: cls(2, 3, **F64), IMAGE),
    "AffineCoupling": sample(lambda cls: cls(2, two_heads(2, 2)), ROWS),
    "Flow": sample(
        lambda cls: cls(
            probability.AffineCoupling(2, two_heads(2, 2)),
            probability.AffineCoupling(1, two_heads(1, 3), True),
        ),
        ROWS,
        call=lambda flow, x: flow.log_density(x),
    ),
    "VectorQuantiser": sample(
        lambda cls: cls(3, 4, **F64), ROWS, call=lambda q, x: q.loss(x, commitment=0), fixed=(0,)
    ),
    "Supergraph": sample(lambda cls: cls(1, 2, OPERATIONS, True, **WIDE), ROWS),
    "Wiring": sample(lambda cls: cls(DRAWN, OPERATIONS), ROWS),
    "Controller": sample(
        lambda cls: cls([3, 2], 2, **F64),
        np.array([[2, 0], [1, 1]]),
        call=lambda c, x: c.log_probability(x),
    ),
    "MonotoneSchedule": sample(lambda cls: cls(), drawn(3)),
    "Denoiser": sample(lambda cls: cls(4, 6, **F64), ROWS, drawn(3)),
    "GaussianHead": sample(lambda cls: cls(4, 2, **F64), ROWS),
    "FreeGaussian": sample(lambda cls: cls((3, 2), **WIDE)),
    "VAE": sample(
        lambda cls: cls(probability.GaussianHead(4, 2, **F64), nn.Dense(2, 4, **F64)),
        bits(3, 4),
        (3, 2),
        call=lambda vae, x, noise: vae.loss(x, noise),
    ),
    "HierarchicalVAE": sample(
        lambda cls: cls(
            [probability.GaussianHead(4, 3, **F64), probability.GaussianHead(3, 2, **F64)],
            [nn.Dense(3, 4, **F64), probability.GaussianHead(2, 3, **F64)],
        ),
        drawn(3, 4),
        drawn(3, 3),
        drawn(3, 2),
        call=lambda vae, x, *noises: vae.log_weights(x, noises),
    ),
    "BoltzmannMachine": sample(
        lambda cls: cls(3, 2, **WIDE), bits(4, 3), call=lambda m, v: m.nll(v)
    ),
    "RBM": sample(lambda cls: cls(3, 2, **F64), bits(4, 3), call=lambda m, v: m.nll(v)),
    "GaussianRBM": sample(lambda cls: cls(3, 2, **F64), (4, 3), call=lambda m, v: m.nll(v)),
    "DeepBeliefNet": sample(
        lambda cls: cls([3, 2, 2], **WIDE), bits(4, 3), call=lambda m, v: m.log_probability(v)
    ),
    "DeepBoltzmannMachine": sample(
        lambda cls: cls([3, 2, 2], **WIDE),
        drawn(4, 3),
        drawn(4, 2),
        drawn(2, 2)[:1],
        call=lambda m, *means: m.bound(means),
    ),
    "PersistentChains": sample(
        lambda cls: cls(bits(4, 3), **WIDE),
        bits(4, 3),
        call=lambda chains, v: chains.loss(probability.RBM(3, 2, **F64), v, random.key(0))[0],
    ),
    "SparseGP": sample(
        lambda cls: cls(drawn(3, 2)), (4, 2), call=lambda p, x: [*p.moments(x), p.kl()]
    ),
    "DeepGP": sample(
        lambda cls: cls(
            probability.SparseGP(drawn(3, 2) * 3, 2), probability.SparseGP(drawn(2, 2))
        ),
        drawn(4, 2),
        (4, 1),
        call=lambda p, x, y: p.elbo(x, y, 0.1, random.key(0)),
    ),
    "NormalWeights": sample(
        lambda cls: cls([variable(np.array([0.5, -0.2]), "w")], full=True),
        (2,),
        call=lambda law, e: [law.weights(e), law.kl()],
    ),
}
