"""First values of parameters: functions of a shape that return NumPy arrays."""

from typing import TYPE_CHECKING

from graphc.init.initialisers import (
    Seed,
    constant,
    fans,
    generator,
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    lecun_normal,
    lecun_uniform,
    normal,
    ones,
    orthogonal,
    seed,
    truncated_normal,
    uniform,
    zeros,
)
from graphc.init.scaling import (
    fan_in_uniform,
    gain_squared,
    log_prior,
    lsuv,
    mean_square,
    variance_scaling,
)

xavier_normal, xavier_uniform = glorot_normal, glorot_uniform
kaiming_normal, kaiming_uniform = he_normal, he_uniform

__all__ = [
    "Seed",
    "constant",
    "fan_in_uniform",
    "fans",
    "generator",
    "gain_squared",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "log_prior",
    "lsuv",
    "mean_square",
    "normal",
    "ones",
    "orthogonal",
    "seed",
    "truncated_normal",
    "uniform",
    "variance_scaling",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> None:
        from graphc.ir.errors import no_such

        raise AttributeError(no_such("graphc.init", name, "init"))

    def __dir__() -> list[str]:
        return sorted(__all__)
