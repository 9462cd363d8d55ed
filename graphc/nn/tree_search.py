"""Looking ahead in a game for two, guided by a policy and a value: on the host, around a compiled
network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import field
from typing import Generic, Protocol, TypeVar

import numpy as np

from graphc.ir.record import dataclass

State = TypeVar("State")
Move = Hashable


class Game(Protocol[State]):
    """What a search must know of a game."""

    def moves(self, state: State) -> Sequence[Move]:
        """What who is to move may do."""

    def play(self, state: State, move: Move) -> State:
        """The state after a move."""

    def outcome(self, state: State) -> float | None:
        """-1, 0 or 1 for who is to move where the game is over, else None."""


Prediction = Callable[[State], tuple[Sequence[float], float]]


@dataclass
class _Place(Generic[State]):
    """A state, the share that the policy gave the move to it, and what was found below it."""

    state: State
    prior: float
    visits: int = 0
    total: float = 0.0
    below: dict[Move, _Place[State]] = field(default_factory=dict)


def tree_search(
    game: Game[State],
    state: State,
    predict: Prediction[State],
    visits: int,
    exploration: float = 1.5,
) -> dict[Move, int]:
    """How often each move was tried in so many visits: the most tried one is the one to make.

    predict(state): the logits of its moves, in their order, and its value for who is to move. Each
    visit goes down the tree by the largest mean value + exploration * share * sqrt(visits of all) /
    (1 + visits), asks about one new state, and tells all above it (Rosin, 2011; Silver et al.,
    2017).
    """
    root = _Place(state, 1.0)
    for _ in range(visits + 1):
        path = [root]
        while path[-1].below:
            path.append(_best(path[-1], exploration))
        value = _grow(game, path[-1], predict)
        for place in reversed(path):
            place.visits += 1
            place.total += value
            value = -value
    return {move: place.visits for move, place in root.below.items()}


def _best(place: _Place[State], exploration: float) -> _Place[State]:
    """The most promising place below; the values there are those of the other player."""
    scale = exploration * math.sqrt(place.visits)

    def promise(child: _Place[State]) -> float:
        mean = -child.total / child.visits if child.visits else 0.0
        return mean + scale * child.prior / (1 + child.visits)

    return max(place.below.values(), key=promise)


def _grow(game: Game[State], place: _Place[State], predict: Prediction[State]) -> float:
    """The value of a place for who is to move there, whose moves are now below it."""
    outcome = game.outcome(place.state)
    if outcome is not None:
        return outcome
    logits, value = predict(place.state)
    shares = np.exp(np.asarray(logits) - np.max(logits))
    shares /= shares.sum()
    for move, share in zip(game.moves(place.state), shares, strict=True):
        place.below[move] = _Place(game.play(place.state, move), float(share))
    return float(value)
