"""Steps of several players at once, each with a loss and parameters of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphc.ir.node import Tensor
from graphc.ops.reduction import sum as total
from graphc.passes.derivatives.differentiate import grad


def game_updates(
    players: Sequence[tuple[Tensor, Iterable[Tensor]]], lr: float, consensus: float = 0.0
) -> dict[Tensor, Tensor]:
    """Simultaneous gradient steps: each player's parameters descend its loss. With `consensus` γ
    all descend ½ γ |v|² besides, where v is the joint gradient of all players (Mescheder et al.,
    2017): games that circle then converge.
    """
    pairs = [(loss, list(own)) for loss, own in players]
    parameters = [p for _, own in pairs for p in own]
    slopes = [g for loss, own in pairs for g in grad(loss, own)]
    if consensus:
        squares = [total(g * g) for g in slopes]
        joint = grad(0.5 * sum(squares[1:], squares[0]), parameters)
        slopes = [g + consensus * more for g, more in zip(slopes, joint, strict=True)]
    return {p: p - lr * g for p, g in zip(parameters, slopes, strict=True)}
