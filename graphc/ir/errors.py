"""The errors that a user can meet: what came, what was expected, and where it was written."""


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
