"""Rules that break IEEE arithmetic: for those who allow it, `relaxed` graphs only.

They round otherwise, or drop a NaN, an infinity or the sign of a zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc.ir.dtypes import FLOATS, float64
from graphc.ir.node import Node, Tensor, apply
from graphc.ir.types import Shape
from graphc.ops.arithmetic import reciprocal
from graphc.ops.cast import astype
from graphc.ops.comparison import equal
from graphc.ops.exponential import exp, log
from graphc.ops.indexing.gather import filler, gather
from graphc.ops.layout import broadcast
from graphc.ops.linear.contraction import matmul
from graphc.ops.powers import power, rsqrt, sqrt, square
from graphc.ops.reduction import sum
from graphc.ops.source import constant, iota, placeholder
from graphc.passes.pattern import literal
from graphc.passes.rule import Equation, Example, Scalar, Sides, procedure, rule
from graphc.passes.rules.facts import full, made_by, number
from graphc.passes.rules.indexing import marked_position


def loose(
    op: str, examples: Sequence[Example] = (), when: Callable[..., bool] | None = None
) -> Callable[[Callable[..., Sides]], Equation]:
    """Makes a relaxed rule of floats; see `graphc.passes.rule.rule`."""
    return rule(
        op, examples=examples, when=when, dtypes=FLOATS, exact=False, relaxed=True, domain=(0.2, 3)
    )


REPEATED = {"x": (3, 5), "y": (3,), "shape": (3, 5), "axes": (0,)}


@loose("multiply")
def any_product_with_numbers(x: Tensor, a: Scalar, b: Scalar) -> Sides:
    """One product instead of two."""
    return x * a * b, x * (a * b)


@loose("add")
def any_sum_with_numbers(x: Tensor, a: Scalar, b: Scalar) -> Sides:
    """One sum instead of two."""
    return x + a + b, x + (a + b)


@loose("subtract")
def any_difference_with_numbers(x: Tensor, a: Scalar, b: Scalar) -> Sides:
    """One difference instead of two."""
    return x - a - b, x - (a + b)


@loose("divide", when=lambda c: number(c) != 0)
def divided_by_number(x: Tensor, c: Scalar) -> Sides:
    """Multiplying is quicker than dividing."""
    return x / c, x * reciprocal(c)


@loose("divide", examples=[REPEATED])
def divided_by_repeated(x: Tensor, y: Tensor, shape: Shape, axes: tuple[int, ...]) -> Sides:
    """One division for each that is repeated, and products for the rest."""
    return x / broadcast(y, shape, axes), x * broadcast(reciprocal(y), shape, axes)


@loose("divide")
def divided_twice(x: Tensor, y: Tensor, z: Tensor) -> Sides:
    """One division instead of two."""
    return x / y / z, x / (y * z)


@loose("add")
def common_factor(x: Tensor, y: Tensor, z: Tensor) -> Sides:
    """One product instead of two."""
    return x * y + x * z, x * (y + z)


@loose("subtract")
def common_factor_of_difference(x: Tensor, y: Tensor, z: Tensor) -> Sides:
    """One product instead of two."""
    return x * y - x * z, x * (y - z)


@loose("add")
def common_divisor(x: Tensor, y: Tensor, z: Tensor) -> Sides:
    """One division instead of two."""
    return y / x + z / x, (y + z) / x


@loose("add")
def zero_added(x: Tensor) -> Sides:
    """Adding zero changes only -0."""
    return x + 0, x


@loose("multiply")
def times_zero_of_float(x: Tensor) -> Sides:
    """Nothing is left but of infinities and NaN."""
    return x * 0, full(0, x)


@loose("subtract")
def float_less_itself(x: Tensor) -> Sides:
    """Nothing is left but of infinities and NaN."""
    return x - x, full(0, x)


@loose("divide")
def float_over_itself(x: Tensor) -> Sides:
    """It is 1 but for zeros, infinities and NaN."""
    return x / x, full(1, x)


@loose("exp")
def exp_of_log(x: Tensor) -> Sides:
    """One undoes the other, but for negative numbers."""
    return exp(log(x)), x


@loose("multiply")
def product_of_exps(x: Tensor, y: Tensor) -> Sides:
    """One exponential instead of two; the sum of large operands loses digits."""
    return exp(x) * exp(y), exp(x + y)


@loose("divide")
def quotient_of_exps(x: Tensor, y: Tensor) -> Sides:
    """One exponential instead of two; the difference of large operands loses digits."""
    return exp(x) / exp(y), exp(x - y)


@loose("square")
def square_of_root(x: Tensor) -> Sides:
    """One undoes the other, but for negative numbers."""
    return square(sqrt(x)), x


@loose("square")
def square_of_inverse_root(x: Tensor) -> Sides:
    """A reciprocal is cheaper; negative numbers have one too."""
    return square(rsqrt(x)), reciprocal(x)


@loose("power")
def power_of_half(x: Tensor) -> Sides:
    """A root is cheaper than a power; of -inf and -0 they differ."""
    return power(x, constant(0.5, x.dtype)), sqrt(x)


@loose("power")
def power_of_minus_half(x: Tensor) -> Sides:
    """A root is cheaper than a power; of -inf and -0 they differ."""
    return power(x, constant(-0.5, x.dtype)), rsqrt(x)


@loose("sum", examples=[{"x": (3, 5), "axes": (1,)}])
def sum_of_multiples(x: Tensor, c: Scalar, axes: tuple[int, ...]) -> Sides:
    """One product instead of many; the sum may overflow where that of small multiples does not."""
    return sum(x * c, axes, x.dtype), sum(x, axes, x.dtype) * c


def _is_spread_along(x: Tensor, y: Tensor, kept: tuple[int, ...], axes: tuple[int, ...]) -> bool:
    return sorted((*kept, *axes)) == list(range(x.ndim)) and y.ndim == len(kept)


ROWS = {"x": (3, 5), "y": (3,), "shape": (3, 5), "kept": (0,), "axes": (1,)}


@loose("sum", examples=[ROWS], when=_is_spread_along)
def sum_of_products_with_repeated(
    x: Tensor, y: Tensor, shape: Shape, kept: tuple[int, ...], axes: tuple[int, ...]
) -> Sides:
    """One product instead of many."""
    left = sum(x * broadcast(y, shape, kept), axes, x.dtype)
    return left, sum(x, axes, x.dtype) * y


@loose("sum", examples=[ROWS], when=_is_spread_along)
def sum_of_quotients_by_repeated(
    x: Tensor, y: Tensor, shape: Shape, kept: tuple[int, ...], axes: tuple[int, ...]
) -> Sides:
    """One division instead of many."""
    left = sum(x / broadcast(y, shape, kept), axes, x.dtype)
    return left, sum(x, axes, x.dtype) / y


def _matrix(name: str, rows: int, columns: int) -> Tensor:
    return placeholder(name, (rows, columns), float64)


@procedure(
    "dot_general",
    exact=False,
    relaxed=True,
    domain=(0.2, 3),
    examples=[
        lambda: matmul(_matrix("a", 3, 4) * 2.5, _matrix("b", 4, 5)),
        lambda: matmul(_matrix("a", 3, 4), -_matrix("b", 4, 5)),
    ],
)
def product_of_multiple(node: Node) -> Tensor | None:
    """An operand that lies in memory is taken as it is, and the result multiplied."""
    operands = list(node.inputs)
    for k, x in enumerate(operands):
        if not made_by(x, "multiply", "negative"):
            continue
        source, *more = x.node.inputs
        c = literal(more[0]) if more else constant(-1, x.dtype)
        if c is not None and source.node.op.lowering == "source":
            operands[k] = source
            return apply(node.op, *operands, **node.attrs).outputs[0] * c
    return None


def _one_hot_rows() -> Tensor:
    t = broadcast(placeholder("t", (3,), "int64"), (3, 4), (0,))
    hot = equal(t, broadcast(iota((4,)), (3, 4), (1,)))
    return matmul(astype(hot, float64), _matrix("b", 4, 5))


@procedure("dot_general", exact=False, relaxed=True, examples=[_one_hot_rows])
def product_with_one_hot(node: Node) -> Tensor | None:
    """A product with rows of which one element is 1 takes rows; the others' NaN play no part."""
    a, b = node.inputs
    (_, batch_b), (contract_a, contract_b) = node.attrs["batch"], node.attrs["contract"]
    if batch_b or len(contract_a) != 1 or not made_by(a, "cast"):
        return None
    (axis,) = contract_a
    t = marked_position(a.node.inputs[0], axis)
    if t is None:
        return None
    return gather(b, [t], contract_b, 0, "fill", filler(0, b.dtype))
