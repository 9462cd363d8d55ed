"""LLVM IR text in, object code out, and object code into this process.

Nothing here knows of graphs or kernels. Arithmetic is IEEE as written: no fast-math flag is ever
added, and a multiply followed by an add is fused only where the IR says `llvm.fma`.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Any

import llvmlite.binding as llvm
from llvmlite.binding import ffi

from graphc.backends.llvm.halves import half_functions
from graphc.backends.llvm.loading import LinkError, keep_for_ever
from graphc.backends.llvm.target import LEVELS, Target, host_target, named_target

__all__ = [
    "LEVELS", "Compilation", "Library", "LinkError", "Target", "assembly", "compile_object",
    "host_target", "load_object", "load_objects", "named_target", "optimised_ir",
]  # fmt: skip

CODEGEN_LEVEL = (0, 2, 2, 3)
"""How hard instruction selection and register allocation try, by optimisation level."""


class Compilation:
    """Makes objects of texts on several threads, from the first text on while others are written.

    A context, at whose end no thread is left.
    """

    def __init__(self, target: Target, threads: int):
        self._target, self._threads = target, threads
        self._texts: list[tuple[str, int]] = []
        self._codes: dict[int, bytes] = {}
        self._left: SimpleQueue[int | None] = SimpleQueue()
        self._helpers: list[threading.Thread] = []

    def __enter__(self) -> Compilation:
        return self

    def __exit__(self, *_: object) -> None:
        for _helper in self._helpers:
            self._left.put(None)
        self._join()

    def _join(self) -> None:
        for helper in self._helpers:
            helper.join()
        self._helpers = []

    def add(self, ir_text: str, level: int = 1, last: bool = False) -> None:
        """Another text for `compile_object`; the last one waits for a thread that is there."""
        self._texts.append((ir_text, level))
        self._left.put(len(self._texts) - 1)
        if not last and len(self._helpers) < self._threads - 1:
            self._helpers.append(threading.Thread(target=self._work))
            self._helpers[-1].start()

    def objects(self) -> list[bytes]:
        """The object of each text; the calling thread helps until there are all."""
        for _ in range(len(self._helpers) + 1):
            self._left.put(None)
        self._work()
        self._join()
        return [self._codes.get(k) or self._compiled(k) for k in range(len(self._texts))]

    def _work(self) -> None:
        while (k := self._left.get()) is not None:
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
        return _emit(machine, module)


def assembly(ir_text: str, target: Target, *, level: int = 1) -> str:
    """The assembly text of what `compile_object` makes."""
    with _optimised(ir_text, target, True, level) as (module, machine):
        return str(machine.emit_assembly(module))


def optimised_ir(ir_text: str, target: Target, *, level: int = 1) -> str:
    """The IR just before instruction selection."""
    with _optimised(ir_text, target, True, level) as (module, _):
        return str(module)


@contextmanager
def _optimised(
    ir_text: str, target: Target, pic: bool, level: int
) -> Iterator[tuple[llvm.ModuleRef, llvm.TargetMachine]]:
    if level not in (0, 1, 2, 3):
        raise ValueError(f"optimisation level must be 0, 1, 2 or 3, not {level}")
    machine = _machine(target, pic, level)
    if not target.converts_halves:
        ir_text += half_functions(ir_text)
    with llvm.create_context() as context, llvm.parse_assembly(ir_text, context) as module:
        module.triple = target.triple
        module.data_layout = str(machine.target_data)
        module.verify()
        _run_passes(module, machine, level)
        yield module, machine


def _run_passes(module: llvm.ModuleRef, machine: llvm.TargetMachine, level: int) -> None:
    options = llvm.create_pipeline_tuning_options(speed_level=level)
    options.loop_vectorization = options.slp_vectorization = level == 3
    options.loop_interleaving = options.loop_unrolling = level == 3
    builder = llvm.create_pass_builder(machine, options)
    if level == 3:
        builder.getModulePassManager().run(module, builder)
        return
    inline = llvm.create_new_module_pass_manager()
    inline.add_always_inliner_pass()
    inline.add_global_dead_code_eliminate_pass()
    inline.run(module, builder)
    if level:
        simplify = builder.getFunctionPassManager() if level == 2 else _short_pipeline()
        for function in module.functions:
            if not function.is_declaration:
                _unlocked("LLVMPY_RunNewFunctionPassManager")(simplify, function, builder)


def _emit(machine: llvm.TargetMachine, module: llvm.ModuleRef) -> bytes:
    """What `machine.emit_object` gives."""
    with ffi.OutputString() as error:
        buffer = _unlocked("LLVMPY_TargetMachineEmitToMemory")(machine, module, 1, error)
        if not buffer:
            raise RuntimeError(str(error))
    try:
        begin, size = ffi.lib.LLVMPY_GetBufferStart(buffer), ffi.lib.LLVMPY_GetBufferSize(buffer)
        return ctypes.string_at(begin, size)
    finally:
        ffi.lib.LLVMPY_DisposeMemoryBuffer(buffer)


def _unlocked(name: str) -> Callable[..., Any]:
    """A function of llvmlite's library for use by several threads at once, where llvmlite allows
    for one. LLVM asks only that no two of them share a context or a machine.
    """
    function: Callable[..., Any] = getattr(ffi.lib, name)
    unlocked: Callable[..., Any] = getattr(function, "_cfn", function)
    return unlocked


def _short_pipeline() -> llvm.FunctionPassManager:
    """Leaves kernels as small as LLVM's -O1 does, in a third of its time."""
    passes = llvm.create_new_function_pass_manager()
    passes.add_sroa_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    return passes


_machines = threading.local()


def _machine(target: Target, pic: bool, level: int) -> llvm.TargetMachine:
    """The calling thread's machine for these settings: making one costs a millisecond."""
    known: dict[tuple[Target, bool, int], llvm.TargetMachine]
    known = _machines.__dict__.setdefault("known", {})
    key = (target, pic, level)
    if key not in known:
        _initialise()
        known[key] = llvm.Target.from_triple(target.triple).create_target_machine(
            cpu=target.cpu,
            features=target.features,
            opt=CODEGEN_LEVEL[level],
            reloc="pic" if pic else "static",
            codemodel="default",
        )
    return known[key]


@functools.cache
def _initialise() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


class Library:
    """Loaded object code; its functions and data live as long as this object does."""

    def __init__(self, name: str, tracker: llvm.orcjit.ResourceTracker) -> None:
        self._name = name
        self._trackers = {"": tracker}

    def address(self, name: str) -> int:
        """Where the exported function or datum `name` lies; LinkError if it cannot be had."""
        if name not in self._trackers:
            try:
                self._trackers[name] = _jit().lookup(self._name, name)
            except RuntimeError as error:
                raise LinkError(f"cannot link {name!r}: {error}") from error
        return int(self._trackers[name][name])


_serial = itertools.count()


def load_object(data: bytes, symbols: Mapping[str, int], *, keep: bool = False) -> Library:
    """Link `data` into this process; see `load_objects`."""
    return load_objects([data], symbols, keep=keep)


def load_objects(
    parts: Sequence[bytes], symbols: Mapping[str, int], *, keep: bool = False
) -> Library:
    """Link objects into this process.

    Undefined names are looked up in `symbols` (name -> address), then in the process (libc, libm,
    pthread). With `keep` the code stays until the process ends, whatever becomes of the result.
    """
    builder = llvm.JITLibraryBuilder().add_current_process()
    for part in parts:
        builder.add_object_img(part)
    for name, address in symbols.items():
        builder.import_symbol(name, address)
    name = f"graphc.{next(_serial)}"
    library = Library(name, builder.link(_jit(), name))
    if keep:
        keep_for_ever(library)
    return library


@functools.cache
def _jit() -> llvm.LLJIT:
    _initialise()
    jit = llvm.create_lljit_compiler(
        llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
            cpu=llvm.get_host_cpu_name(), reloc="pic", codemodel="default"
        ),
        use_jit_link=True,
        suppress_errors=True,
    )
    keep_for_ever(jit)
    return jit
