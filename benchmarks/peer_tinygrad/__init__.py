"""tinygrad: TinyJit on the CPU device, which needs clang (run.py names it in TINYGRAD_CC)."""

from peer_tinygrad import core, language, recurrent, scientific, vision

WORKLOADS = {
    **core.WORKLOADS,
    **vision.CORE,
    **vision.WORKLOADS,
    **language.WORKLOADS,
    **recurrent.WORKLOADS,
    **scientific.WORKLOADS,
}


def build(name, data):
    if name == "gp_likelihood":
        raise NotImplementedError("tinygrad has no Cholesky factor")
    if name not in WORKLOADS:
        raise NotImplementedError("not attempted with tinygrad")
    return WORKLOADS[name](data)
