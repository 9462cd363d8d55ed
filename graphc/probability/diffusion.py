"""Diffusion models: a chain that turns data into noise, and what is learnt to turn it back.

Times are integers from 1 to T, as tensors (N,) with one for each sample; 0 is the data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.control import scan
from graphc.init import Seed
from graphc.ir.dtypes import as_dtype, float64, int64
from graphc.ir.node import Tensor
from graphc.nn.layer import Layer
from graphc.nn.layers import Activation, Dense
from graphc.nn.transformer import sinusoids
from graphc.ops.activations import silu
from graphc.ops.convert import TensorLike, as_operand, cast
from graphc.ops.creation import arange, zeros
from graphc.ops.cumulative import cumprod
from graphc.ops.indexing.gather import take
from graphc.ops.joining import concat
from graphc.ops.layout import broadcast_to, reshape
from graphc.ops.powers import sqrt
from graphc.ops.randomness.distributions import normal
from graphc.ops.randomness.generator import KeyLike, draw_key, fold_in
from graphc.ops.reduction import sum as total
from graphc.ops.statistics import mean

Model = Callable[[Tensor, Tensor], Tensor]


class NoiseSchedule:
    """The chain z_t = √(1 - β_t) z_{t-1} + √β_t ε from data z₀ = x (Sohl-Dickstein et al., 2015;
    Ho et al., 2020), for β of shape (T,), which may be a tensor to differentiate by.

    Entry t of `betas` and of `kept` is for time t: `kept` is ᾱ_t, the product of 1 - β up to t, and
    1 at 0. They are computed in float64 and used in `dtype`.
    """

    def __init__(self, betas: TensorLike, dtype: Any = "float32"):
        wide = concat([zeros((1,), "float64"), as_operand(betas, float64)])
        kept = cumprod(1 - wide)
        self.steps = wide.shape[0] - 1
        self.betas, self.kept = (cast(v, as_dtype(dtype)) for v in (wide, kept))
        before = concat([kept[:1], kept[:-1]])
        late = concat([kept[:1], 1 - kept[1:]])
        self.posterior_variances = cast(wide * (1 - before) / late, as_dtype(dtype))

    def at(self, table: Tensor, t: Tensor, x: Tensor) -> Tensor:
        """The entries of a table for times t (N,), shaped to go with x (N, ...)."""
        return reshape(take(table, t, axis=0), (t.shape[0], *(1 for _ in x.shape[1:])))

    def step(self, z: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """z_t from z_{t-1} and standard normal noise."""
        beta = self.at(self.betas, t, z)
        return sqrt(1 - beta) * z + sqrt(beta) * noise

    def diffuse(self, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """z_t from the data at once: √ᾱ_t x + √(1 - ᾱ_t) noise."""
        kept = self.at(self.kept, t, x)
        return sqrt(kept) * x + sqrt(1 - kept) * noise

    def posterior(self, x: Tensor, z: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and the variance of z_{t-1}, given z_t and the data."""
        beta, kept = self.at(self.betas, t, x), self.at(self.kept, t, x)
        before = self.at(self.kept, t - 1, x)
        of_data = sqrt(before) * beta / (1 - kept)
        of_chain = sqrt(1 - beta) * (1 - before) / (1 - kept)
        return of_data * x + of_chain * z, self.at(self.posterior_variances, t, x)

    def reverse_mean(self, z: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """The mean of z_{t-1} given z_t and (a prediction of) the noise that is in it."""
        beta, kept = self.at(self.betas, t, z), self.at(self.kept, t, z)
        return (z - beta / sqrt(1 - kept) * noise) / sqrt(1 - beta)

    def noise_weights(self, variances: Tensor) -> Tensor:
        """β² / (2 s² (1 - β) (1 - ᾱ)) for reverse variances s² (T + 1,), with an entry 0 to skip:
        the weights with which noise prediction is the bound on log p.
        """
        b, kept = self.betas[1:], self.kept[1:]
        weights = b * b / (2 * variances[1:] * (1 - b) * (1 - kept))
        return concat([zeros((1,), weights.dtype), weights])

    def noise_loss(
        self, model: Model, x: Tensor, noise: Tensor, t: Tensor, weights: Tensor | None = None
    ) -> Tensor:
        """|noise - model(z_t, t)|², summed over a sample, times the weight (T + 1,) of its time if
        there are any; the mean over samples.
        """
        error = noise - model(self.diffuse(x, noise, t), t)
        each = total(error * error, tuple(range(1, error.ndim)))
        return mean(each if weights is None else each * take(weights, t, axis=0))

    def path_loss(self, mean_of: Model, x: Tensor, noises: Tensor, variances: Tensor) -> Tensor:
        """|x - μ(z₁, 1)|² / 2s₁² + Σ_{t>1} |μ̂_t - μ(z_t, t)|² / 2s_t² of each sample (N,), for
        noises (T, N, ...), μ = mean_of and s² (T + 1,): minus the ELBO but for what does not depend
        on μ. μ̂ is the mean of `posterior`, for t = 1 the data.
        """

        def add(loss: Tensor, at: tuple[Tensor, Tensor]) -> tuple[Tensor, None]:
            now, noise = at
            t = broadcast_to(now, x.shape[:1])
            z = self.diffuse(x, noise, t)
            error = self.posterior(x, z, t)[0] - mean_of(z, t)
            square = total(error * error, tuple(range(1, error.ndim)))
            return loss + square / (2 * take(variances, t, axis=0)), None

        times = arange(1, self.steps + 1, dtype="int64")
        loss: Tensor = scan(add, zeros(x.shape[:1], x.dtype), (times, noises))[0]
        return loss

    def sample(
        self, model: Model, key: KeyLike, shape: Any, variances: Tensor | None = None
    ) -> Tensor:
        """Data (N, ...) from noise: z_{t-1} = `reverse_mean` + s_t n, from T down to 1, one loop
        with a key for each step; s² (T + 1,) is `posterior_variances` unless given.
        """
        key, dtype = draw_key(key), self.betas.dtype
        spread = sqrt(self.posterior_variances if variances is None else variances)

        def back(z: Tensor, now: Tensor) -> tuple[Tensor, None]:
            t = broadcast_to(now, z.shape[:1])
            n = normal(fold_in(key, now), z.shape, dtype=dtype)
            return self.reverse_mean(z, model(z, t), t) + self.at(spread, t, z) * n, None

        start = normal(fold_in(key, 0), shape, dtype=dtype)
        times = arange(1, self.steps + 1, dtype=int64)
        data: Tensor = scan(back, start, times, reverse=True)[0]
        return data


class Denoiser(Layer):
    """A network of z (N, size) and t (N,) that gives the shape of z: sinusoids of the time are
    added to the first hidden layer, and weights are shared by all times.
    """

    def __init__(
        self,
        size: int,
        hidden: int,
        activation: Activation = silu,
        seed: Seed = None,
        dtype: Any = "float32",
    ):
        self.into = Dense(size, hidden, seed=seed, dtype=dtype)
        self.within = Dense(hidden, hidden, activation, seed=seed, dtype=dtype)
        self.out = Dense(hidden, size, seed=seed, dtype=dtype)
        self.activation = activation

    def __call__(self, z: Tensor, t: Tensor) -> Tensor:  # type: ignore[override]
        times = sinusoids(t, self.into.weight.shape[1], z.dtype)  # type: ignore[arg-type]
        return self.out(self.within(self.activation(self.into(z) + times)))
