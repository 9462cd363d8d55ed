"""Learning from rewards: losses whose gradients improve a policy or an estimate of what it earns.

Logits and values are f[..., actions], actions integers [...], rewards f[...].
"""

from __future__ import annotations

from graphc.control import scan
from graphc.ir.errors import GraphError
from graphc.ir.node import Tensor
from graphc.nn.layer import Layer
from graphc.nn.losses import cross_entropy, mse
from graphc.ops.convert import TensorLike
from graphc.ops.custom import stop_gradient
from graphc.ops.indexing.gather import take_along_axis
from graphc.ops.layout import expand_dims, squeeze
from graphc.ops.reduction import max as largest
from graphc.probability.variational import score_surrogate


def chosen(values: Tensor, actions: Tensor) -> Tensor:
    """values[..., actions]: what belongs to the action taken, f[...]."""
    return squeeze(take_along_axis(values, expand_dims(actions, -1), axis=-1), -1)


def policy_loss(
    logits: Tensor, actions: Tensor, returns: Tensor, baseline: TensorLike = 0.0
) -> Tensor:
    """The mean of -(return - baseline) log softmax(logits)[action], whose gradient is an unbiased
    estimate of that of minus the expected return (Williams, 1992). Returns and baseline count as
    constants; a baseline that does not depend on the action changes the variance alone.
    """
    log_policy = -cross_entropy(logits, actions, reduction="none")
    return -score_surrogate(returns, log_policy, baseline)


def discounted(rewards: Tensor, gamma: float | Tensor) -> Tensor:
    """What is earned from each step on: rewards f[time, ...] as r_t + gamma r_t+1 + gamma^2 r_t+2
    + ...
    """

    def step(later: Tensor, reward: Tensor) -> tuple[Tensor, Tensor]:
        now = reward + later * gamma
        return now, now

    return scan(step, 0 * rewards[0], rewards, reverse=True)[1]  # type: ignore[no-any-return]


def q_learning_loss(
    values: Tensor,
    actions: Tensor,
    rewards: Tensor,
    next_values: Tensor,
    gamma: float | Tensor,
    going_on: TensorLike = 1.0,
) -> Tensor:
    """The mean of (r + gamma max_a next_values[a] - values[action])^2: Watkins (1989), by a network
    as Mnih et al. (2015). The target counts as a constant; `next_values` come from a copy of the
    network that stays the same for a while. `going_on` is 0 where an episode ends.
    """
    target = rewards + largest(next_values, axis=-1) * gamma * going_on
    return mse(chosen(values, actions), stop_gradient(target))


def copy_updates(source: Layer, target: Layer, share: float | Tensor = 1.0) -> dict[Tensor, Tensor]:
    """Updates that make a second network of the same variables equal to the first, or move it by
    that share of the way.
    """
    new, old = source.variables(), target.variables()
    if new.keys() != old.keys():
        raise GraphError(f"{sorted(new)} cannot be copied to {sorted(old)}")
    return {old[name]: old[name] + (new[name] - old[name]) * share for name in new}
