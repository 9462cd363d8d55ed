"""A population that trains at once: bad members go on from good ones' weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from graphc.ir.record import dataclass
from graphc.search.spaces import Space, Values


class Trainable(Protocol):
    """What can be copied from one member to another; layers and optimisers are such."""

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Copies of its arrays by name."""

    def load_state_dict(self, arrays: Mapping[str, Any]) -> None:
        """Takes such arrays."""


@dataclass
class Member:
    """What is trained (a model, its optimiser, ...), its hyper-parameters, and its last error."""

    parts: Sequence[Trainable]
    values: Values
    error: float = float("inf")


def exploit_and_explore(
    members: Sequence[Member], space: Space, rng: np.random.Generator, share: float = 0.25
) -> list[tuple[int, int]]:
    """(to, from) of the copies made: each of the worst `share` of the members takes all arrays of
    one of the best, and its hyper-parameters moved a little (Jaderberg et al., 2017).
    """
    order = sorted(range(len(members)), key=lambda k: members[k].error)
    count = max(1, int(share * len(members)))
    copies = []
    for loser in order[-count:]:
        winner = order[int(rng.integers(count))]
        if winner == loser:
            continue
        for to, source in zip(members[loser].parts, members[winner].parts, strict=True):
            to.load_state_dict(source.state_dict())
        members[loser].values = space.near(members[winner].values, rng)
        copies.append((loser, winner))
    return copies


def train_population(
    members: Sequence[Member],
    space: Space,
    train: Callable[[Member], float],
    rounds: int,
    seed: int,
    share: float = 0.25,
) -> Member:
    """The best member after so many rounds of train(member), which gives its error, each but the
    last followed by `exploit_and_explore`.
    """
    rng = np.random.default_rng(seed)
    for k in range(rounds):
        for member in members:
            member.error = float(train(member))
        if k < rounds - 1:
            exploit_and_explore(members, space, rng, share)
    return min(members, key=lambda member: member.error)
