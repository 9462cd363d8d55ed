"""A symbolic computational-graph compiler: define a graph of typed arrays, then run it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# One name a line would take three hundred lines.
# isort: off
from numpy import e, inf, nan, newaxis, pi

from graphc.compile import compile
from graphc.control import cond, scan, switch, while_loop
from graphc.dump import dump
from graphc.executable import Executable
from graphc.gradients import (
    checkpoint, custom_gradient, grad, hessian, hvp, jacobian, jvp, stop_gradient, vjp, vmap,
)  # fmt: skip
from graphc.ir.dtypes import (
    as_dtype, bfloat16, bool_, float16, float32, float64, int16, int32, int64, int8,
    promote, uint16, uint32, uint64, uint8,
)  # fmt: skip
from graphc.ir.errors import (
    ArgumentError, DTypeError, GradientError, GraphError, IndexRangeError,
    MissingExtraError, ShapeError, UnsupportedError,
)  # fmt: skip
from graphc.ir.forks import hold_at_forks as _hold_at_forks
from graphc.ir.late_imports import wait_at_forks as _wait_at_forks
from graphc.ir.node import Tensor
from graphc.ops.activations import elu, gelu, leaky_relu, relu, silu
from graphc.ops.arithmetic import (
    absolute, add, divide, fmax, fmin, maximum, minimum, multiply, negative, positive,
    reciprocal, sign, subtract,
)  # fmt: skip
from graphc.ops.axes import (
    atleast_1d, atleast_2d, atleast_3d, broadcast_arrays, flatten, matrix_transpose,
    moveaxis, permute_dims, ravel, swapaxes,
)  # fmt: skip
from graphc.ops.cast import astype
from graphc.ops.classify import copysign, isfinite, isinf, isnan, signbit
from graphc.ops.closeness import allclose, isclose, isin
from graphc.ops.comparison import equal, greater, greater_equal, less, less_equal, not_equal
from graphc.ops.linear.contraction import (
    dot, dot_general, inner, kron, matmul, outer, tensordot, vdot, vecdot,
)  # fmt: skip
from graphc.ops.convert import as_tensor
from graphc.ops.convolutions.convolving import convolve
from graphc.ops.creation import (
    arange, empty, empty_like, full, full_like, linspace, meshgrid, one_hot, ones,
    ones_like, zeros, zeros_like,
)  # fmt: skip
from graphc.ops.covariance import corrcoef, cov
from graphc.ops.linear.cross import cross
from graphc.ops.cumulative import cumlogsumexp, cummax, cummin, cumprod, cumsum, diff, trace
from graphc.ops.diagonal import diag, diagflat, diagonal, eye, identity, tri, tril, triu
from graphc.ops.division import floor_divide, fmod, remainder
from graphc.ops.indexing.dynamic_slicing import dynamic_slice, dynamic_update_slice
from graphc.ops.linear.einsum import einsum
from graphc.ops.exponential import (
    exp, exp2, expm1, log, log10, log1p, log2, log_sigmoid, logaddexp, sigmoid, softplus,
)  # fmt: skip
from graphc.ops.indexing.gather import take, take_along_axis
from graphc.ops.joining import concat, concatenate, hstack, repeat, roll, stack, tile, vstack
from graphc.ops.layout import (
    broadcast_shapes, broadcast_to, expand_dims, reshape, squeeze, transpose,
)  # fmt: skip
from graphc.ops.logic import (
    bitwise_and, bitwise_or, bitwise_xor, invert, left_shift, logical_and, logical_not,
    logical_or, logical_xor, right_shift,
)  # fmt: skip
from graphc.ops.padding import pad
from graphc.ops.powers import cbrt, hypot, power, rsqrt, sqrt, square
from graphc.ops.present import nanmax, nanmean, nanmin, nansum
from graphc.ops.quantiles import percentile, quantile
from graphc.ops.reduction import all, any, argmax, argmin, max, min, prod, sum
from graphc.ops.rounding import ceil, floor, rint, round, trunc
from graphc.ops.indexing.scatter import put_along_axis
from graphc.ops.indexing.searching import bincount, digitize, nonzero, searchsorted, unravel_index
from graphc.ops.select import clip, heaviside, nan_to_num, select, where
from graphc.ops.indexing.slicing import flip, split, unstack
from graphc.ops.sorting.sort import argsort, sort
from graphc.ops.source import constant, iota, placeholder, variable
from graphc.ops.special import digamma, erf, erfc, erfinv, lgamma, polygamma
from graphc.ops.statistics import (
    average, count_nonzero, log_softmax, logsumexp, mean, median, norm, ptp, softmax, std,
    var,
)  # fmt: skip
from graphc.ops.sorting.topk import topk
from graphc.ops.tabulated import interp, trapezoid
from graphc.ops.trigonometric import (
    arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh, cos, cosh, deg2rad, rad2deg,
    sin, sinh, tan, tanh,
)  # fmt: skip
from graphc.tuning import Tuning, load_tuning, tune

# isort: on
# The names of the Python Array API where they are not NumPy's.
abs = absolute
acos = arccos
acosh = arccosh
asin = arcsin
asinh = arcsinh
atan = arctan
atan2 = arctan2
atanh = arctanh
bitwise_invert = invert
bitwise_left_shift = left_shift
bitwise_not = invert
bitwise_right_shift = right_shift
bool = bool_
mod = remainder
pow = power
true_divide = divide

if TYPE_CHECKING:
    from graphc import fft, init, nn, optim, probability, random, search, vision
    from graphc.backends.cpu.pool import get_num_threads, set_num_threads
    from graphc.deploy.export import Artefact, export
    from graphc.deploy.loading import Loaded, load
    from graphc.nan_search import find_nan

_LATE = {
    "Artefact": "graphc.deploy.export",
    "Loaded": "graphc.deploy.loading",
    "export": "graphc.deploy.export",
    "find_nan": "graphc.nan_search",
    "get_num_threads": "graphc.backends.cpu.pool",
    "load": "graphc.deploy.loading",
    "set_num_threads": "graphc.backends.cpu.pool",
}
_SUBMODULES = (
    "fft", "init", "linalg", "nn", "optim", "probability", "random", "search", "vision",
)  # fmt: skip


_wait_at_forks()
_hold_at_forks()


def __getattr__(name: str) -> Any:
    """What is loaded when first asked for: submodules, and names that need code generators."""
    if name in _SUBMODULES:
        return importlib.import_module(f"graphc.{name}")
    if name in _LATE:
        return getattr(importlib.import_module(_LATE[name]), name)
    from graphc.ir.errors import no_such

    raise AttributeError(no_such("graphc", name, "gc"))


def __dir__() -> list[str]:
    """The public names, those that are loaded late among them."""
    return sorted(__all__)


__all__ = [
    # Symbols and types
    "Tensor", "as_dtype", "as_tensor", "bfloat16", "bool_", "constant", "float16", "float32",
    "float64", "int16", "int32", "int64", "int8", "iota", "placeholder", "promote", "uint16",
    "uint32", "uint64", "uint8", "variable",
    # Compilation
    "Artefact", "Executable", "Loaded", "Tuning", "compile", "dump", "export", "find_nan",
    "get_num_threads", "load", "load_tuning", "set_num_threads", "tune",
    # Control flow
    "cond", "scan", "switch", "while_loop",
    # Layers, optimisers, initialisers, random numbers
    "fft", "init", "linalg", "nn", "optim", "probability", "random", "search", "vision",
    # Gradients
    "checkpoint", "custom_gradient", "grad", "hessian", "hvp", "jacobian", "jvp",
    "stop_gradient", "vjp", "vmap",
    # Errors
    "ArgumentError", "DTypeError", "GradientError", "GraphError", "IndexRangeError",
    "MissingExtraError", "ShapeError", "UnsupportedError",
    # Elementwise functions
    "absolute", "add", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh",
    "astype", "bitwise_and", "bitwise_or", "bitwise_xor", "cbrt", "ceil", "clip", "copysign",
    "cos", "cosh", "deg2rad", "digamma", "divide", "equal", "erf", "erfc", "erfinv", "exp",
    "exp2", "expm1", "floor", "floor_divide", "fmax", "fmin", "fmod", "greater",
    "greater_equal", "heaviside", "hypot", "invert", "isclose", "isfinite", "isin", "isinf",
    "isnan", "left_shift", "less", "less_equal", "lgamma", "log", "log10", "log1p", "log2",
    "log_sigmoid", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor",
    "maximum", "minimum", "multiply", "nan_to_num", "negative", "not_equal", "polygamma",
    "positive", "power", "rad2deg",
    "reciprocal", "remainder", "right_shift", "rint", "round", "rsqrt", "sigmoid", "sign",
    "signbit", "sin", "sinh", "softplus", "sqrt", "square", "subtract", "tan", "tanh", "trunc",
    "interp", "select", "where",
    # Activations
    "elu", "gelu", "leaky_relu", "relu", "silu",
    # Layout and indexing
    "arange", "argsort", "atleast_1d", "atleast_2d", "atleast_3d", "bincount",
    "broadcast_arrays", "broadcast_shapes", "broadcast_to", "concat", "concatenate", "diag",
    "diagflat", "diagonal", "digitize", "dynamic_slice", "dynamic_update_slice", "empty",
    "empty_like", "expand_dims", "eye", "flatten", "flip", "full", "full_like", "hstack",
    "identity", "linspace", "matrix_transpose", "meshgrid", "moveaxis", "nonzero", "one_hot",
    "ones", "ones_like", "pad", "permute_dims", "put_along_axis", "ravel", "repeat", "reshape",
    "roll", "searchsorted", "sort", "split", "squeeze", "stack", "swapaxes", "take",
    "take_along_axis", "tile", "topk", "transpose", "tri", "tril", "triu", "unravel_index",
    "unstack", "vstack", "zeros", "zeros_like",
    # Reductions and products
    "all", "allclose", "any", "argmax", "argmin", "average", "convolve", "corrcoef",
    "count_nonzero", "cov", "cross", "cumlogsumexp", "cummax", "cummin", "cumprod", "cumsum",
    "diff", "dot", "dot_general", "einsum", "inner", "kron", "log_softmax", "logsumexp",
    "matmul", "max", "mean", "median", "min", "nanmax", "nanmean", "nanmin", "nansum", "norm",
    "outer", "percentile", "prod", "ptp", "quantile", "softmax", "std", "sum", "tensordot",
    "trace", "trapezoid", "var", "vdot", "vecdot",
    # Other names of the above, and constants
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_invert",
    "bitwise_left_shift", "bitwise_not", "bitwise_right_shift", "bool", "e", "inf", "mod",
    "nan", "newaxis", "pi", "pow", "true_divide",
]  # fmt: skip
