"""What errors advise where two lengths differ of which one has a name."""

from graphc.ir.dim_values import atoms, evaluate, sizes
from graphc.ir.dims import Dim, DimExpr, terms_of

_SAME_NAME = "give both placeholders the same dimension name if the sizes always agree"
_CLIPPED = (
    "\n  hint: x[:{0}] ends where the axis does, if that is earlier"
    "; gc.take(x, gc.arange({0}), axis=0) has {0} elements or fails"
)
_SHORT = (
    "\n  hint: these are equal only if {0} >= {1}"
    "; what is joined first and sliced to [:{2}] after that has {2} elements always"
)
_FEW, _MANY = 17, 64  # the most elements that a shift is looked for by, and a length beyond


def advice(a: Dim, b: Dim) -> str:
    """A line with a hint for two lengths that should be equal; nothing where both are numbers."""
    for clipped, full in ((a, b), (b, a)):
        if _clips(clipped, full):
            return _CLIPPED.format(full)
        if least := _least_size(clipped, full):
            return _SHORT.format(*sizes(full), least, full)
    named = isinstance(a, DimExpr) or isinstance(b, DimExpr)
    return f"\n  hint: {_SAME_NAME}" if named else ""


def _clips(d: Dim, full: Dim) -> bool:
    """Whether d is the smaller of `full` and something else."""
    terms = list(terms_of(d))
    if len(terms) != 1 or terms[0][1] != 1 or len(terms[0][0]) != 1:
        return False
    (atom,) = terms[0][0]
    return atom.kind == "min" and full in atom.args


def _least_size(shifted: Dim, full: Dim) -> int | None:
    """From which size on `shifted`, where something was cut off, is `full`: None if never."""
    names = sizes(full)
    extremes = any(a.kind in ("min", "max") for a in atoms(shifted))
    if not extremes or len(names) != 1 or sizes(shifted) != names:
        return None
    (name,) = names
    equal = [evaluate(shifted, {name: k}) == evaluate(full, {name: k}) for k in range(_MANY)]
    unequal = equal.count(False)
    return unequal if unequal < _FEW and all(equal[unequal:]) else None
