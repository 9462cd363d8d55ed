"""First values of parameters: functions of a shape that return NumPy arrays."""

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
