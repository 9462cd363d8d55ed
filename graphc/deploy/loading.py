"""`load`: the functions of an exported library, called from Python. Nothing is compiled."""

from __future__ import annotations

import ctypes
import os
import platform
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from graphc.arguments import Signature
from graphc.deploy.interface import Array, Function, read_interface
from graphc.deploy.object_file import architecture_of
from graphc.deploy.results import structured
from graphc.ir.dim_values import evaluate
from graphc.ir.errors import ArgumentError, GraphError, IndexRangeError, UnsupportedError
from graphc.ir.node import Tensor
from graphc.ops.source import placeholder
from graphc.results import Binding

Call = Callable[..., Any]


class Loaded:
    """An exported model in this process, with variables of its own.

    Its functions are attributes, `model.predict(x)`, and in `functions` by name. They take what
    the compiled functions take, by position or by name, with the same errors for what does not
    fit, and return the same structure of arrays (of a named tuple, a tuple); `out=` takes such a
    structure to write to. `variables` are the arrays of the variables themselves, by name:
    what is written into them is used from then on.

    Calls run one at a time. A check that fails is an IndexRangeError and changes no variable. A
    copy shares the variables.
    """

    functions: Mapping[str, Call]
    variables: Mapping[str, np.ndarray[Any, Any]]

    def __init__(self, library: ctypes.CDLL, name: str):
        self._state = state = _State(library, name)
        interface = read_interface(state.text("interface"))
        if code := state.function("check")():
            raise UnsupportedError(
                f"{name}: {state.text('error', code)} ({interface.cpu})\n"
                "  hint: export with isa= for older CPUs, such as 'x86-64-v2'"
            )
        state.create()
        self.functions = MappingProxyType(
            {f: _call(state, f, function) for f, function in interface.functions.items()}
        )
        self.variables = MappingProxyType(
            {x.name: _variable(state, k, x) for k, x in enumerate(interface.variables)}
        )

    def __repr__(self) -> str:
        calls = ", ".join(f.__doc__ or "" for f in self.functions.values())
        return f"<Loaded {self._state.name}: {calls}>"

    def __getattr__(self, name: str) -> Call:
        functions = self.__dict__.get("functions")
        if functions is None:  # a copy in the making, which has nothing yet
            raise AttributeError(name)
        if name not in functions:
            known = ", ".join(functions)
            raise AttributeError(f"{self._state.name} has no function {name!r}; it has {known}")
        found: Call = functions[name]
        return found

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.functions]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the variables to a safetensors file; raises OSError where that cannot be."""
        self._file("save", path)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Reads a file of exactly these variables, or raises GraphError and changes nothing.

        `variables` and `graphc.nn.Layer.load` take what fits in other ways.
        """
        self._file("load", path)

    def set_threads(self, count: int) -> None:
        """How many threads a call may use."""
        self._state.function("set_threads", None)(ctypes.c_int(count))

    def _file(self, what: str, path: str | os.PathLike[str]) -> None:
        state = self._state
        with state.lock:
            code = state.function(what)(state.pointer, os.fsencode(path))
        if code:
            kind = GraphError if what == "load" else OSError
            raise kind(f"{os.fspath(path)}: {state.text('error', code)}")


class _State:
    """The memory of variables and the C functions over it, which lives as long as a model, one of
    its functions or an array of a variable. It refers to none of these: Python's garbage collector
    does not look into arrays, so a reference cycle through one would never be freed.
    """

    def __init__(self, library: ctypes.CDLL, name: str):
        self.library, self.name = library, name
        self.lock = threading.Lock()
        self.pointer = ctypes.c_void_p()
        self.places: dict[str, tuple[int, int]] = {}  # of variables: address and bytes

    def create(self) -> None:
        """Takes the memory."""
        self.pointer = ctypes.c_void_p(self.function("create", ctypes.c_void_p)())
        if not self.pointer:
            raise MemoryError(f"{self.name}: no memory for the variables")

    def __del__(self) -> None:
        if self.pointer:
            self.function("destroy", None)(self.pointer)

    def function(self, what: str, result: Any = ctypes.c_int) -> Any:
        """The C function NAME_what."""
        function = self.library[f"{self.name}_{what}"]
        function.restype = result
        return function

    def text(self, what: str, *arguments: int) -> str:
        """What a C function says."""
        return str(self.function(what, ctypes.c_char_p)(*arguments).decode())

    def shared(self, array: np.ndarray[Any, Any]) -> str | None:
        """The name of a variable that a contiguous array shares memory with."""
        begin, end = array.ctypes.data, array.ctypes.data + array.nbytes
        overlapping = (x for x, (at, n) in self.places.items() if begin < at + n and at < end)
        return next(overlapping, None)

    def fail(self, code: int) -> None:
        """Raises the error of a call."""
        text = f"{self.name}: {self.text('error', code)}"
        if code > 0:
            raise IndexRangeError(text)
        raise MemoryError(text) if code == -1 else GraphError(text)


def _variable(state: _State, number: int, x: Array) -> np.ndarray[Any, Any]:
    address = state.function("variable", ctypes.c_void_p)(state.pointer, number)
    shape = [d for d in x.shape if isinstance(d, int)]
    size = int(np.prod(shape)) * x.dtype.bytes
    state.places[x.name] = address, size
    array = _Held(ctypes.c_uint8 * size, address, state)
    return np.asarray(array).view(x.dtype.numpy).reshape(shape)


def _call(state: _State, name: str, function: Function) -> Call:
    signature = Signature(name, _placeholders(function.inputs))
    outputs = structured(function.results, _placeholders(function.outputs, "out"))
    binding = Binding(signature, outputs)
    run = state.function(name)

    def call(*args: Any, **kwargs: Any) -> Any:
        arrays, out = binding.split(args, kwargs)
        sizes = signature.sizes(arrays)
        arrays = tuple(x.copy() if state.shared(x) else x for x in arrays)
        for y in out:
            if variable := state.shared(y):
                raise ArgumentError(f"out shares memory with the variable {variable}")
        results = out or tuple(_empty(y, sizes) for y in function.outputs)
        places = [ctypes.c_void_p(a.ctypes.data) for a in (*arrays, *results)]
        lengths = [ctypes.c_int64(sizes[n]) for n in function.sizes]
        with state.lock:
            code = run(state.pointer, *lengths, *places, None)
        if code:
            state.fail(code)
        return structured(function.results, results)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = str(signature)
    return call


def _placeholders(arrays: Sequence[Array], called: str | None = None) -> tuple[Tensor, ...]:
    return tuple(placeholder(called or x.name, x.shape, x.dtype) for x in arrays)


def _empty(x: Array, sizes: Mapping[str, int]) -> np.ndarray[Any, Any]:
    return np.empty([evaluate(d, sizes) for d in x.shape], x.dtype.numpy)


class _Held:
    """Memory of a state as NumPy takes it; the array keeps the state alive."""

    def __init__(self, kind: Any, address: int, owner: _State):
        self.owner = owner
        self.__array_interface__ = {
            "shape": (ctypes.sizeof(kind),),
            "typestr": "|u1",
            "data": (address, False),
            "version": 3,
        }


def load(path: str | os.PathLike[str], name: str | None = None) -> Loaded:
    """The functions of a library that `export` made; no compiler is needed or loaded.

    path: the library, or without `.so` what was given to `export`.
    name: what the model was called at export, where the file is called otherwise now.

    The variables begin as they were at export. Raises GraphError for a file that is no such
    library, UnsupportedError where it is for other machines, or this CPU lacks instructions that it
    was compiled for.
    """
    file = Path(path)
    if file.suffix != ".so":
        file = file.with_name(f"{file.name}.so")
    if not file.exists():
        is_file = Path(path).is_file()
        hint = "\n  hint: gc.load is for libraries, layer.load for weights" if is_file else ""
        raise GraphError(f"there is no file {file}{hint}")
    own = name or file.name.split(".")[0]
    # The system's loader takes a name that it knows for the library it knows, were it made anew.
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / file.name
        link.symlink_to(file.resolve())
        try:
            library = ctypes.CDLL(str(link))
        except OSError as error:
            _refuse_foreign(file)
            text = str(error).replace(str(link), str(file))
            raise GraphError(f"{file} cannot be loaded: {text}") from None
    if not hasattr(library, f"{own}_interface"):
        raise GraphError(
            f"{file} is no library of a model called {own!r}\n"
            "  hint: if the file was renamed, give load the name= that export was given"
        )
    return Loaded(library, own)


def _refuse_foreign(file: Path) -> None:
    """UnsupportedError for a library that is known to be for machines of another architecture."""
    with file.open("rb") as opened:
        architecture = architecture_of(opened.read(20))
    if architecture not in (None, platform.machine()):
        raise UnsupportedError(
            f"{file} was made for {architecture}, and this machine is {platform.machine()}\n"
            "  hint: export without isa= makes a library for the machine that does it"
        )
