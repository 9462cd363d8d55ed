"""JAX: jax.jit on the CPU backend, state donated; convolutions in NHWC, XLA's faster layout."""

import jax.numpy as jnp

from peer_jax import core, language, recurrent, scientific, vision

WORKLOADS = {
    **core.WORKLOADS,
    **vision.WORKLOADS,
    **language.WORKLOADS,
    **recurrent.WORKLOADS,
    **scientific.WORKLOADS,
}


def build(name, data):
    d = {k: jnp.array(v) for k, v in data.items()}
    return WORKLOADS[name](d)
