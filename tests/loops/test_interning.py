"""Equal expressions are one object for as long as something has it."""

from graphc.backends.loops import expression
from graphc.ir.dtypes import float32


def test_equal_expressions_are_one_object() -> None:
    x = expression.var("x", float32)
    assert x * 2.0 + x is x * 2.0 + x
    assert x * 0.0 is not x * -0.0


def test_what_is_gone_is_forgotten_and_nothing_else() -> None:
    x = expression.var("x", float32)
    kept = [x + float(k) for k in range(100)]
    for k in range(4 * expression.FEW):
        x * float(k)
    limit = max(expression.FEW, expression._enough)
    assert len(expression._interned) <= limit + 1
    assert all(x + float(k) is y for k, y in enumerate(kept))
