"""Makes a compiled function callable from Python at the price of a builtin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.backends.cpu.callspec import CallSpec, InputSpec, OutputSpec
from graphc.backends.cpu.native_call import native_caller

__all__ = ["CallSpec", "InputSpec", "OutputSpec", "make_caller"]


def make_caller(spec: CallSpec) -> Callable[..., Any]:
    """A function taking the spec's inputs and returning its outputs as new arrays.

    It keeps `spec` alive, and so the code behind `plan` and `run` where that is among its owners,
    but nothing else: what is dropped frees its memory. Arguments that are exactly as specified are
    passed as they are; all others go through `spec.prepare`. Safe under concurrent calls and calls
    from within `prepare`.
    """
    native = native_caller()
    if native:
        return native.make(spec)
    from graphc.backends.cpu.python_call import python_caller

    return python_caller(spec)
