"""tinygrad: TinyJit on the CPU device, which needs clang (run.py names it in TINYGRAD_CC)."""

from peer_tinygrad import core

WORKLOADS = {**core.WORKLOADS}


def build(name, data):
    if name not in WORKLOADS:
        raise NotImplementedError("not attempted with tinygrad")
    return WORKLOADS[name](data)
