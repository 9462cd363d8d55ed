"""Declarative rewrites: pattern and replacement, one rule a function.

How to write one. A rule is a function whose parameters stand for parts of a graph and that gives
both sides, written with the functions that users call:

    @rule("log", dtypes=FLOATS, exact=False, domain=(-0.9, 3))
    def log_of_one_plus(x: Tensor) -> Sides:
        \"\"\"log(1 + x) rounds a small x away; log1p keeps it.\"\"\"
        return log(x + 1), log1p(x)

Its name is a sentence, its docstring says why; "log" is the op that it replaces, the outermost on
the left side. A parameter is
- a `Tensor`: any tensor;
- a `Scalar`: a number (a scalar constant; the graph may repeat it to any shape);
- anything else (`tuple[int, ...]`, `Shape`, `DType`, ...): an attribute of an op on the left side.

The left side must contain every parameter. Operands of commutative ops match in either order.
`examples` gives the shape of tensors where not every shape does (or a TensorType), the value of
scalars where it matters, and the value of attributes: attributes are recognised by that value, so
distinct ones must differ from each other and from other attributes on the left side. `dtypes`
restricts the dtypes of all tensors but those whose type an example gives.
`when` is a condition on parameters (by their names), asked before the sides are built; a left side
that then cannot be built is a mistake.

A rule is `exact` unless it says otherwise: the same bits for every input, NaN, infinities and
signed zeros included. An inexact one needs a reason (a rounding saved), and must be accurate on
`domain`. One that breaks IEEE arithmetic is `relaxed`: it applies only where the user allowed that.

Where two sides cannot say it (a variable number of inputs, arithmetic on attributes that matters to
whether the rule applies), `@procedure("op", examples=[...])` makes a rule of a function of a node.

`RULES` are all of them; tests/passes/test_rules.py holds each to its promise by itself.
"""

from types import ModuleType

from graphc.passes.rule import Rule
from graphc.passes.rules import (
    algebra,
    bits,
    casts,
    choices,
    exponential_sums,
    extremes,
    hoisting,
    indexing,
    layout,
    moved_logs,
    numbers,
    padded,
    powers,
    products,
    reductions,
    relaxed,
    signs,
    slices,
    stability,
    truths,
)


def rules_of(*modules: ModuleType) -> tuple[Rule, ...]:
    """The rules defined in the modules, in the order they are written."""
    return tuple(
        value for module in modules for value in vars(module).values() if isinstance(value, Rule)
    )


RULES = rules_of(
    layout,
    hoisting,
    slices,
    padded,
    products,
    indexing,
    casts,
    reductions,
    signs,
    algebra,
    numbers,
    powers,
    extremes,
    choices,
    truths,
    bits,
    stability,
    exponential_sums,
    moved_logs,
    relaxed,
)
