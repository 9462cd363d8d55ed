"""What errors advise where two lengths differ of which one has a name."""

from graphc.ir.dims import Dim, DimExpr, terms_of

_SAME_NAME = "give both placeholders the same dimension name if the sizes always agree"
_CLIPPED = (
    "\n  hint: x[:{0}] ends where the axis does, if that is earlier"
    "; gc.take(x, gc.arange({0}), axis=0) has {0} elements or fails"
)


def advice(a: Dim, b: Dim) -> str:
    """A line with a hint for two lengths that should be equal; nothing where both are numbers."""
    for clipped, full in ((a, b), (b, a)):
        if _clips(clipped, full):
            return _CLIPPED.format(full)
    named = isinstance(a, DimExpr) or isinstance(b, DimExpr)
    return f"\n  hint: {_SAME_NAME}" if named else ""


def _clips(d: Dim, full: Dim) -> bool:
    """Whether d is the smaller of `full` and something else."""
    terms = list(terms_of(d))
    if len(terms) != 1 or terms[0][1] != 1 or len(terms[0][0]) != 1:
        return False
    (atom,) = terms[0][0]
    return atom.kind == "min" and full in atom.args
