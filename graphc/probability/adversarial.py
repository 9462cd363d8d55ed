"""Generators trained against discriminators. A discriminator gives logits: large for real data."""

from __future__ import annotations

from collections.abc import Callable

from graphc.ir.node import Tensor
from graphc.nn.layer import Layer
from graphc.nn.losses import mae
from graphc.ops.custom import stop_gradient
from graphc.ops.exponential import exp, expm1, log1p, softplus
from graphc.ops.statistics import mean

Network = Callable[..., Tensor]


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-mean log D(x) - mean log(1 - D(G(z))) with D = sigmoid(logits): what the discriminator
    minimises (Goodfellow et al., 2014).
    """
    return mean(softplus(-real_logits)) + mean(softplus(fake_logits))


def generator_loss(fake_logits: Tensor, saturating: bool = False) -> Tensor:
    """-mean log D(G(z)): what the generator minimises. With `saturating` it is the other side of
    the minimax game, mean log(1 - D(G(z))), whose gradient is small where D is sure.
    """
    return -mean(softplus(fake_logits)) if saturating else mean(softplus(-fake_logits))


class GAN(Layer):
    """A generator of (z) and a discriminator of (x), or of (z, y) and (x, y) if there is a
    condition y. `losses` gives what each minimises, by its own parameters:

        d_loss, g_loss = gan.losses(x, z)
        d_updates = optim.Adam(1e-3).updates(d_loss, discriminator.parameters())
        g_updates = optim.Adam(1e-3).updates(g_loss, generator.parameters())
    """

    def __init__(self, generator: Network, discriminator: Network):
        self.generator, self.discriminator = generator, discriminator

    def losses(
        self, x: Tensor, z: Tensor, condition: Tensor | None = None, saturating: bool = False
    ) -> tuple[Tensor, Tensor]:
        """(the discriminator's loss, through which no gradient reaches the generator, and the
        generator's) for real data x and noise z.
        """
        more = () if condition is None else (condition,)
        fake = self.generator(z, *more)
        blind = self.discriminator(stop_gradient(fake), *more)
        of_discriminator = discriminator_loss(self.discriminator(x, *more), blind)
        return of_discriminator, generator_loss(self.discriminator(fake, *more), saturating)


def cycle_loss(x: Tensor, y: Tensor, forth: Network, back: Network) -> Tensor:
    """mean |back(forth(x)) - x| + mean |forth(back(y)) - y|: what two translators between domains
    add to their adversarial losses (Zhu et al., 2017).
    """
    return mae(back(forth(x)), x) + mae(forth(back(y)), y)


def divergence_bound(
    real_scores: Tensor, fake_scores: Tensor, conjugate: Callable[[Tensor], Tensor]
) -> Tensor:
    """mean T(x) - mean f*(T(G(z))): a lower bound of the f-divergence of real from generated data,
    for scores T and the convex conjugate f* (Nowozin et al., 2016).
    """
    return mean(real_scores) - mean(conjugate(fake_scores))


def kl_conjugate(t: Tensor) -> Tensor:
    """e^(t - 1), for the divergence of Kullback and Leibler."""
    return exp(t - 1)


def jensen_shannon_conjugate(t: Tensor) -> Tensor:
    """-log(2 - e^t), for t < log 2 and twice the Jensen-Shannon divergence."""
    return -log1p(-expm1(t))


def fade_in(old: Tensor, new: Tensor, share: Tensor | float) -> Tensor:
    """share · new + (1 - share) · old: how an added layer comes in (Karras et al., 2018)."""
    return new * share + old * (1 - share)
