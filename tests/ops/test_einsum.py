"""einsum against NumPy."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc.backends.reference import evaluate
from graphc.ir.errors import ShapeError
from graphc.ir.walk import topological
from graphc.ops.linear.einsum import EXHAUSTIVE, einsum
from graphc.ops.source import placeholder


def run(subscripts: str, *arrays: np.ndarray) -> np.ndarray:
    xs = [placeholder(f"x{i}", a.shape, a.dtype) for i, a in enumerate(arrays)]
    result = einsum(subscripts, *xs)
    (value,) = evaluate([result], dict(zip(xs, arrays, strict=True)))
    return value


def draw(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(s) for s in shapes]


CASES = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ba", (2, 3)),
    ("ij->ji", (2, 3)),
    ("ij->", (2, 3)),
    ("ij->j", (2, 3)),
    ("ii", (3, 3)),
    ("ii->i", (3, 3)),
    ("iji->j", (3, 2, 3)),
    ("iii->i", (3, 3, 3)),
    ("i,j->ij", (2,), (3,)),
    ("i,i->i", (3,), (3,)),
    ("i,i->", (3,), (3,)),
    ("ij,ij->j", (2, 3), (2, 3)),
    ("bij,bjk->bik", (5, 2, 3), (5, 3, 4)),
    ("bij,bjk->kib", (5, 2, 3), (5, 3, 4)),
    ("...ij,...jk->...ik", (5, 2, 3), (5, 3, 4)),
    ("...ij,jk", (6, 5, 2, 3), (3, 4)),
    ("i...,i...->...", (2, 3), (2, 3)),
    ("...i,...i->...", (4, 2, 3), (2, 3)),
    ("...i,...i->...", (4, 1, 3), (2, 3)),
    ("ijk,kl,l->i", (2, 3, 4), (4, 5), (5,)),
    ("ab,bc,cd,de->ae", (2, 3), (3, 4), (4, 5), (5, 6)),
    ("i,j,k->kij", (2,), (3,), (4,)),
    ("ij,kl->", (2, 3), (4, 5)),
    ("ij,j", (2, 3), (1,)),
    ("ijk,jil->kl", (2, 3, 4), (3, 2, 5)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_einsum_is_numpys(case: tuple[Any, ...]) -> None:
    subscripts, *shapes = case
    arrays = draw(*shapes)
    expected = np.einsum(subscripts, *arrays)
    result = run(subscripts, *arrays)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, atol=1e-12)


@given(st.data())
def test_random_subscripts_are_numpys(data: st.DataObject) -> None:
    lengths = {"a": 2, "b": 3, "c": 1, "d": 4, "e": 2}
    terms = data.draw(
        st.lists(st.lists(st.sampled_from("abcde"), max_size=4), min_size=1, max_size=4)
    )
    used = sorted({k for t in terms for k in t})
    output = data.draw(st.permutations(used)) if used else []
    output = output[: data.draw(st.integers(0, len(output)))]
    subscripts = ",".join("".join(t) for t in terms) + "->" + "".join(output)
    arrays = draw(*(tuple(lengths[k] for k in t) for t in terms))
    np.testing.assert_allclose(run(subscripts, *arrays), np.einsum(subscripts, *arrays), atol=1e-12)


def test_long_products_go_greedily() -> None:
    count = EXHAUSTIVE + 2
    labels = [f"{chr(97 + k)}{chr(98 + k)}" for k in range(count)]
    subscripts = ",".join(labels) + f"->a{chr(97 + count)}"
    arrays = draw(*((2 + k % 3, 2 + (k + 1) % 3) for k in range(count)))
    np.testing.assert_allclose(
        run(subscripts, *arrays), np.einsum(subscripts, *arrays, optimize=True)
    )


def test_a_chain_is_multiplied_from_its_thin_end() -> None:
    a, b = placeholder("a", (100, 100)), placeholder("b", (100, 100))
    v = placeholder("v", (100,))
    products = [
        n for n in topological([einsum("ij,jk,k->i", a, b, v)]) if n.op.name == "dot_general"
    ]
    assert [n.types[0].ndim for n in products] == [1, 1]


def test_symbolic_sizes_pass_through() -> None:
    x, w = placeholder("x", ("batch", 3)), placeholder("w", (3, "out"))
    assert [str(d) for d in einsum("bi,io->ob", x, w).shape] == ["out", "batch"]


@pytest.mark.parametrize(
    ("subscripts", "message"),
    [
        ("ij,jk->il", "output label 'l' is in no operand"),
        ("ij->", "1 terms in 'ij->' for 2 operands"),
        ("ijk,jk->i", "'ijk' labels 3 axes of an operand with 2"),
        ("ij,ij->j", "label 'i' is both 2 and 3"),
        ("ij,jk->ii", "a label is repeated in the output"),
        ("i1,jk->i", "'1' in 'i1,jk->i' is not a label"),
    ],
)
def test_errors_name_the_label(subscripts: str, message: str) -> None:
    x, y = placeholder("x", (2, 3)), placeholder("y", (3, 4))
    with pytest.raises(ShapeError, match=message):
        einsum(subscripts, x, y)


def test_dropping_the_ellipsis_is_an_error() -> None:
    with pytest.raises(ShapeError, match="the output"):
        einsum("...i->i", placeholder("x", (2, 3)))
