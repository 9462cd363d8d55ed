"""graphc: gc.compile for the CPU; state in variables; every shape static.

peer_graphc_symbolic.py runs the same definitions with the number of rows left open.
"""

from types import ModuleType

import graphc as gc
from peer_graphc import core, language, recurrent, scientific, vision
from peer_graphc.steps import Inputs

NOT_WRITTEN = "no graph of it is written for graphc yet"
WORKLOADS = {
    **core.WORKLOADS,
    **vision.WORKLOADS,
    **language.WORKLOADS,
    **recurrent.WORKLOADS,
    **scientific.WORKLOADS,
}


def build(name, data, symbolic=False):
    """The step of a workload; NotImplementedError names what graphc lacks for it."""
    if name not in WORKLOADS:
        raise NotImplementedError(NOT_WRITTEN)
    try:
        return WORKLOADS[name](Inputs(data, symbolic))
    except AttributeError as error:
        if isinstance(error.obj, ModuleType) and error.obj.__name__.startswith(gc.__name__):
            raise NotImplementedError(f"{error.obj.__name__} has no {error.name}") from error
        raise
