"""The errors that a user can meet: what came, what was expected, and where it was written."""

import importlib


class GraphError(Exception):
    """A mistake in how a graph is written, compiled or called."""


class ShapeError(GraphError, ValueError):
    """Shapes that do not fit each other."""


class DTypeError(GraphError, TypeError):
    """Element types that an operation does not take."""


class GradientError(GraphError, ValueError):
    """A gradient that does not exist: a non-scalar loss, an integer input, an op without one."""


class ArgumentError(GraphError, ValueError):
    """An argument of a compiled function that does not fit its declaration."""


class IndexRangeError(GraphError, IndexError):
    """An index outside its axis, found while a compiled function ran."""


class MissingExtraError(GraphError, ImportError):
    """An optional package that is not installed; the message names the extra to install."""


class UnsupportedError(GraphError, NotImplementedError):
    """Something that a backend cannot do; the message names the op and the backend."""


def no_such(what: str, name: str, of: str) -> str:
    """The text of an AttributeError: `what` has no `name`, and what to write instead, by a table of
    the names that things `of` this kind have elsewhere. That is loaded here, when it is needed.
    """
    if name.startswith("__"):
        return f"{what} has no {name!r}"
    text: str = importlib.import_module("graphc.ir.elsewhere").unknown(what, name, of)
    return text
