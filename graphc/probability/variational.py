"""Latent variables: bounds of log p(x) by an approximate posterior q(z|x), and their gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from graphc import init
from graphc.init import Seed
from graphc.ir.node import Tensor
from graphc.nn.layer import Layer
from graphc.nn.layers import Activation, Dense
from graphc.nn.losses import Reduction, reduced
from graphc.ops.convert import TensorLike
from graphc.ops.creation import linspace
from graphc.ops.custom import stop_gradient
from graphc.ops.exponential import exp, log
from graphc.ops.extent import extent
from graphc.ops.joining import concat
from graphc.ops.layout import reshape
from graphc.ops.reduction import sum as total
from graphc.ops.source import variable
from graphc.ops.statistics import logsumexp, mean
from graphc.probability.distributions import (
    bernoulli_log_probability,
    gaussian_kl,
    normal_log_density,
)

Gaussian = tuple[Tensor, Tensor]
Likelihood = Callable[[Tensor, Tensor], Tensor]


def reparameterised(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """mean + exp(log_variance / 2) * noise: a normal sample through which gradients reach both
    parameters (Kingma and Welling, 2014).
    """
    return mean + exp(0.5 * log_variance) * noise


def score_surrogate(
    values: Tensor, log_q: Tensor, baseline: TensorLike = 0.0, weights: TensorLike = 1.0
) -> Tensor:
    """A scalar whose gradient is the mean of weights (values - baseline) ∇log q: the score-function
    estimate of ∇E[values] (Williams, 1992). Values, baseline and importance weights count as
    constants.
    """
    return mean(stop_gradient((values - baseline) * weights) * log_q)


def importance_bound(log_weights: Tensor, axis: int = 0) -> Tensor:
    """log of the mean of k weights p(x, z) / q(z) along an axis: a bound of log p(x) that grows
    with k on average, the ELBO at k = 1 (Burda et al., 2016).
    """
    count = extent(log_weights.shape[axis], log_weights.dtype)
    return logsumexp(log_weights, axis) - log(count)


def interpolated(start: Tensor, end: Tensor, count: int) -> Tensor:
    """`count` points (count, ...) on the straight line from one latent to another, both included
    exactly.
    """
    share = reshape(
        linspace(0.0, 1.0, count, dtype=start.dtype), (count, *(1 for _ in start.shape))
    )
    return (1 - share) * start + share * end


class GaussianHead(Layer):
    """The mean and the log variance, (..., size) each, that two dense layers make of features; in
    front of them a `body` if there is one.
    """

    def __init__(
        self,
        features: int,
        size: int,
        body: Activation | None = None,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        self.body = body
        self.mean = Dense(features, size, seed=seed, dtype=dtype)
        self.log_variance = Dense(features, size, seed=seed, dtype=dtype)

    def __call__(self, x: Tensor) -> Gaussian:  # type: ignore[override]
        h = x if self.body is None else self.body(x)
        return self.mean(h), self.log_variance(h)


class FreeGaussian(Layer):
    """A mean and a log variance that are variables of this shape, from 0 on: a learnt prior, or a
    q for each sample that no encoder ties to others.
    """

    def __init__(self, shape: tuple[int, ...], dtype: Any = "float32"):
        self.mean = variable(init.zeros(shape, dtype), "mean")
        self.log_variance = variable(init.zeros(shape, dtype), "log_variance")

    def __call__(self, x: Tensor | None = None) -> Gaussian:  # type: ignore[override]
        return self.mean, self.log_variance


class VAE(Layer):
    """A variational autoencoder: q(z|x) is normal with the mean and log variance that the encoder
    gives, p(z) standard normal, and log p(x|z) the sum over the last axes of
    `likelihood(x, decoder(z))`; bits whose logits the decoder gives, unless told otherwise.

    With `condition` y, encoder, decoder and prior see y next to their argument; `prior` gives mean
    and log variance of p(z|y), or of a learnt p(z) if there is no y.
    """

    def __init__(
        self,
        encoder: Callable[[Tensor], Gaussian],
        decoder: Activation,
        likelihood: Likelihood = bernoulli_log_probability,
        prior: Callable[[Tensor | None], Gaussian] | None = None,
    ):
        self.encoder, self.decoder = encoder, decoder
        self.likelihood, self.prior = likelihood, prior

    def encode(self, x: Tensor, condition: Tensor | None = None) -> Gaussian:
        """The mean and the log variance of q(z|x)."""
        return self.encoder(_beside(x, condition))

    def decode(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """The parameters of p(x|z)."""
        return self.decoder(_beside(z, condition))

    def terms(
        self, x: Tensor, noise: Tensor, condition: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(KL(q(z|x) || p(z)), -log p(x|z) at one z) of each sample of x (N, ...); noise (N, Z) is
        standard normal. They are the rate and the distortion of a code.
        """
        mean, log_variance = self.encode(x, condition)
        rate = gaussian_kl(mean, log_variance, *self._prior(condition))
        z = reparameterised(mean, log_variance, noise)
        return total(rate, -1), -self._log_likelihood(x, z, condition)

    def loss(
        self,
        x: Tensor,
        noise: Tensor,
        condition: Tensor | None = None,
        beta: TensorLike = 1.0,
        reduction: Reduction = "mean",
    ) -> Tensor:
        """beta KL - log p(x|z): minus the ELBO for beta = 1 (Higgins et al., 2017 for others);
        summed over pixels and latents, and reduced over samples as told.
        """
        rate, distortion = self.terms(x, noise, condition)
        return reduced(rate * beta + distortion, reduction)

    def log_weights(self, x: Tensor, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """log p(x, z) - log q(z|x) of each z from noise (..., N, Z), for `importance_bound`."""
        mean, log_variance = self.encode(x, condition)
        z = reparameterised(mean, log_variance, noise)
        before = normal_log_density(z, *self._prior(condition))
        after = normal_log_density(z, mean, log_variance)
        return total(before - after, -1) + self._log_likelihood(x, z, condition)

    def _prior(self, condition: Tensor | None) -> tuple[TensorLike, TensorLike]:
        return (0.0, 0.0) if self.prior is None else self.prior(condition)

    def _log_likelihood(self, x: Tensor, z: Tensor, condition: Tensor | None) -> Tensor:
        each = self.likelihood(x, self.decode(z, condition))
        return total(each, tuple(range(z.ndim - 1, each.ndim)))


def _beside(x: Tensor, condition: Tensor | None) -> Tensor:
    return x if condition is None else concat([x, condition], axis=-1)


def normal_likelihood(variance: float) -> Likelihood:
    """log N(x; decoder(z), variance), for `VAE`."""
    return lambda x, y: normal_log_density(x, y, math.log(variance))


class HierarchicalVAE(Layer):
    """Latents z₁ ... z_T, each above the one before: encoder t gives q(z_t|z_{t-1}) with z₀ = x,
    decoder t > 0 gives p(z_t|z_{t+1}), each as mean and log variance; decoder 0 gives the
    parameters of p(x|z₁). The last z is standard normal.
    """

    def __init__(
        self,
        encoders: Sequence[Callable[[Tensor], Gaussian]],
        decoders: Sequence[Callable[[Tensor], Any]],
        likelihood: Likelihood = bernoulli_log_probability,
    ):
        self.encoders, self.decoders = list(encoders), list(decoders)
        self.likelihood = likelihood

    def log_weights(self, x: Tensor, noises: Sequence[Tensor]) -> Tensor:
        """log p(x|z₁) - Σ_t log q(z_t|z_{t-1}) / p(z_t|z_{t+1}) at the z of standard normal noises
        (..., N, Z_t), one for each level: its mean is the ELBO.
        """
        z, latents, after = x, [], []
        for encode, noise in zip(self.encoders, noises, strict=True):
            q = encode(z)
            z = reparameterised(*q, noise)
            latents.append(z)
            after.append(total(normal_log_density(z, *q), -1))
        each = self.likelihood(x, self.decoders[0](latents[0]))
        before = [total(normal_log_density(z), -1)]
        for decode, low, high in zip(self.decoders[1:], latents, latents[1:], strict=False):
            before.append(total(normal_log_density(low, *decode(high)), -1))
        given = total(each, tuple(range(latents[0].ndim - 1, each.ndim)))
        return given + sum(before[1:], before[0]) - sum(after[1:], after[0])
