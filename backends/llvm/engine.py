"""LLVM IR text in, object code out.

Nothing here knows of graphs or kernels. Arithmetic is IEEE as written: no fast-math flag is ever
added, and a multiply followed by an add is fused only where the IR says `llvm.fma`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from graphc.backends.llvm import library
from graphc.backends.llvm.architectures import LEVELS, WASM
from graphc.backends.llvm.halves import half_functions
from graphc.backends.llvm.lacking import with_lacking
from graphc.backends.llvm.tables import table_functions
from graphc.backends.llvm.target import Target, host_target, named_target

__all__ = [
    "LEVELS", "Compilation", "Target", "assembly", "compile_object", "host_target", "named_target",
    "optimised_ir",
]  # fmt: skip

INLINING = ("AlwaysInliner", "GlobalDCE")
SHORT_PIPELINE = ("SROA", "InstCombine", "SimplifyCFG")
"""What leaves kernels as small as LLVM's -O1 does, in a third of its time."""


class Compilation:
    """Makes objects of texts on several threads, from the first text on while others are written.

    A context, at whose end no thread is left.
    """

    def __init__(self, target: Target, threads: int):
        self._target, self._threads = target, threads
        self._texts: list[tuple[str, int]] = []
        self._codes: dict[int, bytes] = {}
        self._left: deque[int | None] = deque()
        self._given = threading.Semaphore(0)
        self._helpers: list[threading.Thread] = []

    def __enter__(self) -> Compilation:
        return self

    def __exit__(self, *_: object) -> None:
        for _helper in self._helpers:
            self._give(None)
        self._join()

    def _join(self) -> None:
        for helper in self._helpers:
            helper.join()
        self._helpers = []

    def add(self, ir_text: str, level: int = 1, last: bool = False) -> None:
        """Another text for `compile_object`; the last one waits for a thread that is there."""
        self._texts.append((ir_text, level))
        self._give(len(self._texts) - 1)
        if not last and len(self._helpers) < self._threads - 1:
            helper = threading.Thread(target=self._work)
            with suppress(RuntimeError):  # the system or an interpreter that ends gives no more
                helper.start()
                self._helpers.append(helper)

    def objects(self) -> list[bytes]:
        """The object of each text; the calling thread helps until there are all."""
        for _ in range(len(self._helpers) + 1):
            self._give(None)
        self._work()
        self._join()
        return [self._codes.get(k) or self._compiled(k) for k in range(len(self._texts))]

    def _give(self, k: int | None) -> None:
        self._left.append(k)
        self._given.release()

    def _taken(self) -> int | None:
        self._given.acquire()
        return self._left.popleft()

    def _work(self) -> None:
        while (k := self._taken()) is not None:
            with suppress(RuntimeError):  # which `objects` raises
                self._codes[k] = self._compiled(k)

    def _compiled(self, k: int) -> bytes:
        text, level = self._texts[k]
        return compile_object(text, self._target, level=level)


def compile_object(ir_text: str, target: Target, *, pic: bool = True, level: int = 1) -> bytes:
    """Relocatable object code of `ir_text`.

    Level 0 only inlines what says `alwaysinline`; 1 adds the three passes that gain something on
    code already vectorised and free of common subexpressions; 2 is LLVM's own -O2 for functions;
    3 its -O3 with vectorisers. Code that `load_object` shall load must be `pic`.
    """
    with _optimised(ir_text, target, pic, level) as (module, machine):
        return library.emitted(machine, module, library.OBJECT)


def assembly(ir_text: str, target: Target, *, level: int = 1) -> str:
    """The assembly text of what `compile_object` makes."""
    with _optimised(ir_text, target, True, level) as (module, machine):
        return library.emitted(machine, module, library.ASSEMBLY).decode()


def optimised_ir(ir_text: str, target: Target, *, level: int = 1) -> str:
    """The IR just before instruction selection."""
    with _optimised(ir_text, target, True, level) as (module, _):
        return library.text("PrintModuleToString", module)


@contextmanager
def _optimised(ir_text: str, target: Target, pic: bool, level: int) -> Iterator[tuple[int, int]]:
    """Module and machine, after the passes."""
    if level not in (0, 1, 2, 3):
        raise ValueError(f"optimisation level must be 0, 1, 2 or 3, not {level}")
    if not target.converts_halves:
        ir_text += half_functions(ir_text, integers=target.architecture is WASM)
    ir_text += table_functions(ir_text, target)
    ir_text = with_lacking(ir_text, target)
    with library.machine(target, pic, level) as machine, library.parsed(ir_text) as module:
        library.settle(module, machine, target.triple)
        library.verify(module)
        _run_passes(module, machine, level)
        yield module, machine


def _run_passes(module: int, machine: int, level: int) -> None:
    with library.pass_builder(machine, level) as builder:
        if level == 3:
            _run(library.call("buildPerModuleDefaultPipeline", builder, 3, 0), module, builder)
            return
        passes = library.call("CreateNewModulePassManager")
        for name in (*INLINING, *(SHORT_PIPELINE if level == 1 else ())):
            library.call(f"module_Add{name}Pass", passes)
        _run(passes, module, builder)
        if level == 2:
            _run_on_functions(module, builder)


def _run(passes: int, module: int, builder: int) -> None:
    library.call("RunNewModulePassManager", passes, module, builder)
    library.call("DisposeNewModulePassManger", passes)


def _run_on_functions(module: int, builder: int) -> None:
    passes = library.call("buildFunctionSimplificationPipeline", builder, 2, 0)
    for function in library.functions_of(module):
        library.call("RunNewFunctionPassManager", passes, function, builder)
    library.call("DisposeNewFunctionPassManger", passes)
