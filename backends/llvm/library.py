"""The functions of llvmlite's shared library that compiling takes, called as they are.

They are what `llvmlite.binding` calls, under the same names from release to release. Importing that
takes as long as compiling a small program, and lets one thread in at a time; LLVM itself asks only
that no two threads share a context or a machine. A function that is done in microseconds keeps
Python's lock, since threads that wait for it take turns of milliseconds; the others let it go.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_void_p
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from graphc.backends.llvm.target import Target
from graphc.ir.forks import loading

CODEGEN_LEVEL = (0, 2, 2, 3)
"""How hard instruction selection and register allocation try, by optimisation level."""
ASSEMBLY, OBJECT = 0, 1

_STRING = POINTER(c_char_p)
_SLOW: dict[str, tuple[Any, ...]] = {
    "ParseAssembly": (c_void_p, c_void_p, c_char_p, _STRING),
    "VerifyModule": (c_int, c_void_p, _STRING),
    "DisposeModule": (None, c_void_p),
    "RunNewModulePassManager": (None, c_void_p, c_void_p, c_void_p),
    "RunNewFunctionPassManager": (None, c_void_p, c_void_p, c_void_p),
    "TargetMachineEmitToMemory": (c_void_p, c_void_p, c_void_p, c_int, _STRING),
}
"""What each function returns and takes, without LLVMPY_ before its name."""
_QUICK: dict[str, tuple[Any, ...]] = {
    "ContextCreate": (c_void_p,),
    "ContextDispose": (None, c_void_p),
    "CopyStringRepOfTargetData": (None, c_void_p, _STRING),
    "CreateNewModulePassManager": (c_void_p,),
    "CreatePassBuilder": (c_void_p, c_void_p, c_void_p),
    "CreatePipelineTuningOptions": (c_void_p,),
    "CreateTargetMachine": (
        c_void_p, c_void_p, c_char_p, c_char_p, c_char_p, c_int, c_char_p, c_char_p, c_int, c_int,
        c_char_p,
    ),
    "CreateTargetMachineData": (c_void_p, c_void_p),
    "DisposeFunctionsIter": (None, c_void_p),
    "DisposeMemoryBuffer": (None, c_void_p),
    "DisposeNewFunctionPassManger": (None, c_void_p),
    "DisposeNewModulePassManger": (None, c_void_p),
    "DisposePassBuilder": (None, c_void_p),
    "DisposePipelineTuningOptions": (None, c_void_p),
    "DisposeString": (None, c_char_p),
    "DisposeTargetData": (None, c_void_p),
    "FunctionsIterNext": (c_void_p, c_void_p),
    "GetBufferSize": (c_size_t, c_void_p),
    "GetBufferStart": (c_void_p, c_void_p),
    "GetHostCPUFeatures": (c_int, _STRING),
    "GetHostCPUName": (None, _STRING),
    "GetProcessTriple": (None, _STRING),
    "GetTargetFromTriple": (c_void_p, c_char_p, _STRING),
    "InitializeAllAsmPrinters": (None,),
    "InitializeAllTargetInfos": (None,),
    "InitializeAllTargetMCs": (None,),
    "InitializeAllTargets": (None,),
    "InitializeNativeAsmParser": (c_int,),
    "InitializeNativeAsmPrinter": (c_int,),
    "InitializeNativeTarget": (c_int,),
    "IsDeclaration": (c_int, c_void_p),
    "ModuleFunctionsIter": (c_void_p, c_void_p),
    "PTOSetLoopInterleaving": (None, c_void_p, c_int),
    "PTOSetLoopUnrolling": (None, c_void_p, c_int),
    "PTOSetLoopVectorization": (None, c_void_p, c_int),
    "PTOSetSLPVectorization": (None, c_void_p, c_int),
    "PrintModuleToString": (None, c_void_p, _STRING),
    "SetDataLayout": (None, c_void_p, c_char_p),
    "SetTarget": (None, c_void_p, c_char_p),
    # An argument that a release of llvmlite does not take, its third, does no harm.
    "buildFunctionSimplificationPipeline": (c_void_p, c_void_p, c_int, c_int),
    "buildPerModuleDefaultPipeline": (c_void_p, c_void_p, c_int, c_int),
    "module_AddAlwaysInlinerPass": (None, c_void_p),
    "module_AddGlobalDCEPass": (None, c_void_p),
    "module_AddInstCombinePass": (None, c_void_p),
    "module_AddSROAPass": (None, c_void_p),
    "module_AddSimplifyCFGPass": (None, c_void_p),
}  # fmt: skip

_functions: dict[str, Callable[..., Any]] = {}


@functools.cache
def directory() -> Path:
    """Where llvmlite's library lies; nothing is loaded."""
    found = PathFinder.find_spec("llvmlite")
    assert found is not None and found.origin is not None, "llvmlite is not installed"
    return Path(found.origin).parent / "binding"


def call(name: str, *arguments: Any) -> Any:
    """What the library's function LLVMPY_NAME returns."""
    return (_functions or load())[name](*arguments)


def load() -> dict[str, Callable[..., Any]]:
    """The library's functions, ready for this machine."""
    with loading:
        if not _functions:
            names = {"darwin": "libllvmlite.dylib", "win32": "llvmlite.dll"}
            path = str(directory() / names.get(sys.platform, "libllvmlite.so"))
            _open(path)
            slow, quick = ctypes.CDLL(path), ctypes.PyDLL(path)
            functions = _declared(slow, _SLOW) | _declared(quick, _QUICK)
            for part in ("Target", "AsmPrinter", "AsmParser"):
                functions[f"InitializeNative{part}"]()
            _functions.update(functions)
    return _functions


def _open(path: str) -> None:
    """Brings a library into memory while other threads go on: ctypes would have them wait."""
    if os.name == "posix":
        dlopen = ctypes.CDLL(None).dlopen
        dlopen.argtypes, dlopen.restype = (c_char_p, c_int), c_void_p
        dlopen(os.fsencode(path), os.RTLD_NOW | os.RTLD_LOCAL)


def _declared(
    loaded: ctypes.CDLL, signatures: dict[str, tuple[Any, ...]]
) -> dict[str, Callable[..., Any]]:
    functions = {}
    for name, (result, *arguments) in signatures.items():
        function = functions[name] = getattr(loaded, f"LLVMPY_{name}")
        function.restype, function.argtypes = result, arguments
    return functions


def text(name: str, *arguments: Any) -> str:
    """The text that a function leaves behind its last argument."""
    return _telling(name, *arguments)[1]


def _telling(name: str, *arguments: Any) -> tuple[Any, str]:
    """What a function returns, and the text that it leaves behind its last argument."""
    told = c_char_p()
    result = call(name, *arguments, ctypes.byref(told))
    message = (told.value or b"").decode()
    if told:
        call("DisposeString", told)
    return result, message


@contextmanager
def parsed(ir_text: str) -> Iterator[int]:
    """The module of a text, in a context of its own; RuntimeError for one that is none."""
    context = call("ContextCreate")
    try:
        module, message = _telling("ParseAssembly", context, ir_text.encode())
        if not module:
            raise RuntimeError(f"LLVM IR parsing error\n{message}")
        try:
            yield module
        finally:
            call("DisposeModule", module)
    finally:
        call("ContextDispose", context)


def verify(module: int) -> None:
    """RuntimeError for a module that breaks a rule of LLVM IR."""
    broken, message = _telling("VerifyModule", module)
    if broken:
        raise RuntimeError(message)


_idle: dict[tuple[Target, bool, int], list[int]] = {}


@contextmanager
def machine(target: Target, pic: bool, level: int) -> Iterator[int]:
    """A machine for these settings that nobody else uses; making one costs a millisecond."""
    idle = _idle.setdefault((target, pic, level), [])
    try:
        taken = idle.pop()
    except IndexError:
        taken = _new_machine(target, pic, level)
    try:
        yield taken
    finally:
        idle.append(taken)


def _new_machine(target: Target, pic: bool, level: int) -> int:
    triple = target.triple.encode()
    kind, message = _telling("GetTargetFromTriple", triple)
    if not kind:  # of another architecture
        for part in ("TargetInfos", "Targets", "TargetMCs", "AsmPrinters"):
            call(f"InitializeAll{part}")
        kind, message = _telling("GetTargetFromTriple", triple)
    if not kind:
        raise RuntimeError(message)
    made = call(
        "CreateTargetMachine", kind, triple, target.cpu.encode(), target.features.encode(),
        CODEGEN_LEVEL[level], b"pic" if pic else b"static", b"default", 0, 0,
        target.architecture.abi.encode(),
    )  # fmt: skip
    if not made:
        raise RuntimeError(f"there is no machine for {target}")
    return int(made)


def settle(module: int, machine: int, triple: str) -> None:
    """Lays the module out for the machine."""
    data = call("CreateTargetMachineData", machine)
    layout = text("CopyStringRepOfTargetData", data)
    call("DisposeTargetData", data)
    call("SetTarget", module, triple.encode())
    call("SetDataLayout", module, layout.encode())


@contextmanager
def pass_builder(machine: int, level: int) -> Iterator[int]:
    """What runs passes; loops are vectorised and unrolled at level 3 only."""
    options = call("CreatePipelineTuningOptions")
    for transformation in ("LoopInterleaving", "LoopVectorization", "SLPVectorization"):
        call(f"PTOSet{transformation}", options, level == 3)
    call("PTOSetLoopUnrolling", options, level == 3)
    builder = call("CreatePassBuilder", machine, options)
    try:
        yield builder
    finally:
        call("DisposePassBuilder", builder)
        call("DisposePipelineTuningOptions", options)


def emitted(machine: int, module: int, kind: int) -> bytes:
    """The module as ASSEMBLY or as OBJECT."""
    buffer, message = _telling("TargetMachineEmitToMemory", machine, module, kind)
    if not buffer:
        raise RuntimeError(message)
    try:
        return ctypes.string_at(call("GetBufferStart", buffer), call("GetBufferSize", buffer))
    finally:
        call("DisposeMemoryBuffer", buffer)


def functions_of(module: int) -> Iterator[int]:
    """The functions that a module defines."""
    every = call("ModuleFunctionsIter", module)
    try:
        while function := call("FunctionsIterNext", every):
            if not call("IsDeclaration", function):
                yield function
    finally:
        call("DisposeFunctionsIter", every)
