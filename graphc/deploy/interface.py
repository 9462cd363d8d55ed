"""What an artefact tells of itself, as JSON: its functions, their arrays, and its variables."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graphc.deploy.results import Description, output_names
from graphc.ir.dtypes import DType, as_dtype
from graphc.ir.node import Tensor
from graphc.ir.record import dataclass
from graphc.ir.types import Shape
from graphc.passes.parse import dimension

if TYPE_CHECKING:
    from graphc.backends.program import Program


@dataclass(frozen=True)
class Array:
    """An input, an output or a variable."""

    name: str
    dtype: DType
    shape: Shape


@dataclass(frozen=True)
class Function:
    """A function: the named sizes that it takes first, what it reads, what it writes, and the
    structure in which Python returns that.
    """

    sizes: tuple[str, ...]
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    results: Description


@dataclass(frozen=True)
class Interface:
    """All functions and variables of an artefact, and the CPU it was compiled for."""

    functions: Mapping[str, Function]
    variables: tuple[Array, ...]
    cpu: str


def interface_text(
    programs: Mapping[str, Program],
    results: Mapping[str, Description],
    variables: Mapping[str, Tensor],
    cpu: str,
) -> str:
    """The interface of these programs, which return such structures."""
    functions = {
        name: {
            "sizes": list(program.sizes),
            "inputs": [_array(str(x.node.attrs["name"]), x) for x in program.inputs],
            "outputs": list(map(_array, output_names(program, results[name]), program.outputs)),
            "results": results[name],
        }
        for name, program in programs.items()
    }
    held = [_array(name, x) for name, x in variables.items()]
    return json.dumps({"cpu": cpu, "functions": functions, "variables": held})


def _array(name: str, x: Tensor) -> dict[str, Any]:
    shape = [d if isinstance(d, int) else str(d) for d in x.shape]
    return {"name": name, "dtype": x.dtype.name, "shape": shape}


def read_interface(text: str) -> Interface:
    """What `interface_text` wrote."""
    found = json.loads(text)
    functions = {
        name: Function(tuple(f["sizes"]), _arrays(f["inputs"]), _arrays(f["outputs"]), f["results"])
        for name, f in found["functions"].items()
    }
    return Interface(functions, _arrays(found["variables"]), found["cpu"])


def _arrays(found: Sequence[Mapping[str, Any]]) -> tuple[Array, ...]:
    return tuple(
        Array(x["name"], as_dtype(x["dtype"]), tuple(map(_dimension, x["shape"]))) for x in found
    )


def _dimension(text: int | str) -> Any:
    return text if isinstance(text, int) else dimension(ast.parse(text, mode="eval").body)
