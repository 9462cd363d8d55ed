"""Einstein summation, as products over pairs of operands in a cheap order."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import reduce as fold
from itertools import combinations

from graphc.ir.dims import Dim
from graphc.ir.dtypes import bool_, int64
from graphc.ir.errors import GraphError, ShapeError
from graphc.ir.node import Tensor
from graphc.ir.record import dataclass
from graphc.ops.convert import TensorLike, as_operand, cast, common_dtype
from graphc.ops.layout import broadcast, reshape, transpose
from graphc.ops.linear.contraction import dot_general
from graphc.ops.located import locate_errors
from graphc.ops.reduction import sum as sum_along

Label = Hashable
Labels = tuple[Label, ...]
Letters = tuple[str, ...]
NOMINAL = 256  # what a symbolic size counts for when orders are compared
EXHAUSTIVE = 8  # up to so many operands the cheapest of all orders is found


@dataclass(frozen=True)
class Term:
    """A tensor with one distinct label for each axis."""

    x: Tensor
    labels: Labels


@locate_errors
def einsum(subscripts: str, *operands: TensorLike) -> Tensor:
    """NumPy's einsum: labels that the output lacks are summed, repeated ones take the diagonal,
    `...` broadcasts.

    More than two operands are multiplied pairwise in the order with the fewest operations (the best
    of all orders up to 8 operands, greedily beyond; a symbolic size counts as 256).
    """
    if not isinstance(subscripts, str):
        raise GraphError("the labels come first, in one string: gc.einsum('ij,jk->ik', x, y)")
    if not operands:
        raise GraphError(f"operands are needed beside {subscripts!r}")
    dtype = common_dtype("einsum", operands)
    tensors = [as_operand(x, dtype) for x in operands]
    if dtype is bool_:
        return cast(einsum(subscripts, *(cast(x, int64) for x in tensors)), bool_)
    inputs, output = parse(subscripts, [x.ndim for x in tensors])
    terms = [_diagonals(x, labels) for x, labels in zip(tensors, inputs, strict=True)]
    sizes = _sizes(terms)
    missing = [k for k in output if k not in sizes]
    if missing:
        raise ShapeError(f"output label {missing[0]!r} is in no operand")
    return contract([_without_ones(t, sizes) for t in terms], output, sizes)


def contract(terms: Sequence[Term], output: Labels, sizes: Mapping[Label, Dim]) -> Tensor:
    """The product of the terms (at least one), pairwise in a cheap order, summed over labels that
    the output lacks and repeated along those that only the output has; axes as in `output`.
    """
    return _arranged(multiplied(terms, output, sizes), output, sizes)


def multiplied(terms: Sequence[Term], output: Labels, sizes: Mapping[Label, Dim]) -> Term:
    """As `contract`, but with axes in the order in which they come about, and none repeated."""
    left = list(terms)
    for pair in _order(left, output, sizes):
        first, second = sorted((left[k] for k in pair), key=lambda t: _places(t, output))
        rest = [t for k, t in enumerate(left) if k not in pair]
        kept = set(output).union(*(t.labels for t in rest))
        left = [*rest, _product(first, second, kept)]
    return _summed(left[0], set(output))


def _places(term: Term, output: Labels) -> list[int]:
    """Where the term's labels stand in the output, from the front."""
    return sorted(output.index(k) for k in term.labels if k in output)


def parse(subscripts: str, ndims: Sequence[int]) -> tuple[list[Letters], Letters]:
    """The labels of each operand and of the output; the axes of an ellipsis are labelled "...k"
    from the right.
    """
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    parts = left.split(",")
    if len(parts) != len(ndims):
        raise ShapeError(f"{len(parts)} terms in {subscripts!r} for {len(ndims)} operands")
    inputs = [_labels(p, n, subscripts) for p, n in zip(parts, ndims, strict=True)]
    longest = max((sum(len(k) > 1 for k in labels) for labels in inputs), default=0)
    ellipsis = tuple(f"...{k}" for k in reversed(range(longest)))
    if arrow:
        if longest and "..." not in right:
            raise ShapeError(f"the output of {subscripts!r} lacks the axes of the ellipsis")
        named = len(right.replace("...", ""))
        output = _labels(right, named + longest, subscripts)
    else:
        every = [k for labels in inputs for k in labels if len(k) == 1]
        output = (*ellipsis, *sorted(k for k in set(every) if every.count(k) == 1))
    if len(set(output)) != len(output):
        raise ShapeError(f"a label is repeated in the output of {subscripts!r}")
    return inputs, output


def _labels(part: str, ndim: int, subscripts: str) -> Letters:
    before, dots, after = part.partition("...")
    for k in before + after:
        if not k.isalpha():
            raise ShapeError(f"{k!r} in {subscripts!r} is not a label: use letters")
    extra = ndim - len(before) - len(after)
    if extra < 0 or (extra > 0 and not dots):
        raise ShapeError(f"{part!r} labels {len(before + after)} axes of an operand with {ndim}")
    return (*before, *(f"...{k}" for k in reversed(range(extra))), *after)


def _diagonals(x: Tensor, labels: Labels) -> Term:
    """x with each repeated label taken along its diagonal."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            i = labels.index(label)
            j = labels.index(label, i + 1)
            if x.shape[i] != x.shape[j]:
                raise ShapeError(f"label {label!r} is both {x.shape[i]} and {x.shape[j]}")
            x, labels = _diagonal(x, i, j), labels[:j] + labels[j + 1 :]
    return Term(x, labels)


def _diagonal(x: Tensor, i: int, j: int) -> Tensor:
    """x where its axes i and j agree, without axis j."""
    from graphc.ops.diagonal import diagonal

    rest = [k for k in range(x.ndim) if k not in (i, j)]
    taken = diagonal(x, 0, i, j)  # puts the diagonal last
    order = [*rest, i]
    return transpose(taken, tuple(order.index(k) for k in range(x.ndim) if k != j))


def _sizes(terms: Sequence[Term]) -> dict[Label, Dim]:
    """The length of each label; 1 gives way to any other length."""
    sizes: dict[Label, Dim] = {}
    for term in terms:
        for label, d in zip(term.labels, term.x.shape, strict=True):
            known = sizes.setdefault(label, d)
            if known == 1:
                sizes[label] = d
            elif d not in (1, known):
                raise ShapeError(f"label {label!r} is both {known} and {d}")
    return sizes


def _without_ones(term: Term, sizes: dict[Label, Dim]) -> Term:
    """The term without axes of length 1 that broadcast against a longer axis of another term."""
    pairs = zip(term.labels, term.x.shape, strict=True)
    kept = tuple(k for k, d in pairs if d != 1 or sizes[k] == 1)
    shape = tuple(sizes[k] for k in kept)
    return Term(reshape(term.x, shape), kept)


def _summed(term: Term, kept: set[Label]) -> Term:
    """The term summed over labels that nothing else needs."""
    axes = tuple(i for i, k in enumerate(term.labels) if k not in kept)
    if not axes:
        return term
    labels = tuple(k for k in term.labels if k in kept)
    return Term(sum_along(term.x, axes, dtype=term.x.dtype), labels)


def _product(a: Term, b: Term, kept: set[Label]) -> Term:
    """The product of two terms, summed over every label not in `kept`."""
    a, b = _summed(a, kept | set(b.labels)), _summed(b, kept | set(a.labels))
    shared = [k for k in a.labels if k in b.labels]
    batch = [k for k in shared if k in kept]
    summed = [k for k in shared if k not in kept]
    axes = [
        (tuple(a.labels.index(k) for k in group), tuple(b.labels.index(k) for k in group))
        for group in (batch, summed)
    ]
    free = [k for t in (a, b) for k in t.labels if k not in shared]
    return Term(dot_general(a.x, b.x, axes[0], axes[1]), (*batch, *free))


def _arranged(term: Term, output: Labels, sizes: Mapping[Label, Dim]) -> Tensor:
    """The term's tensor with its axes in the order of the output."""
    present = tuple(k for k in output if k in term.labels)
    x = transpose(term.x, tuple(term.labels.index(k) for k in present))
    return broadcast(x, tuple(sizes[k] for k in output), tuple(output.index(k) for k in present))


def _order(
    terms: Sequence[Term], output: Labels, sizes: Mapping[Label, Dim]
) -> list[tuple[int, int]]:
    """Pairs of positions to multiply; each product goes to the end of the list of those left."""
    if len(terms) <= 2:
        return [(0, 1)] if len(terms) == 2 else []
    lengths = {k: d if isinstance(d, int) else NOMINAL for k, d in sizes.items()}
    sets = [frozenset(t.labels) for t in terms]
    find = _cheapest if len(terms) <= EXHAUSTIVE else _greedy
    return find(sets, frozenset(output), lengths)


def _volume(labels: frozenset[Label], lengths: dict[Label, int]) -> int:
    return fold(lambda n, k: n * lengths[k], labels, 1)


def _remaining(
    part: frozenset[int], sets: Sequence[frozenset[Label]], output: frozenset[Label]
) -> frozenset[Label]:
    """The labels of the product of the terms in `part`: those that the output or another term
    needs.
    """
    others = [s for k, s in enumerate(sets) if k not in part]
    return frozenset().union(*(sets[k] for k in part)) & output.union(*others)


def _cheapest(
    sets: Sequence[frozenset[Label]], output: frozenset[Label], lengths: dict[Label, int]
) -> list[tuple[int, int]]:
    """The order with the fewest multiplications, by dynamic programming over sets of terms."""
    whole = frozenset(range(len(sets)))
    best: dict[frozenset[int], tuple[int, tuple[frozenset[int], ...]]] = {
        frozenset([k]): (0, ()) for k in whole
    }
    for count in range(2, len(sets) + 1):
        for chosen in combinations(sorted(whole), count):
            part = frozenset(chosen)
            options = []
            for left_count in range(1, count // 2 + 1):
                for some in combinations(chosen, left_count):
                    left = frozenset(some)
                    right = part - left
                    labels = _remaining(left, sets, output) | _remaining(right, sets, output)
                    cost = best[left][0] + best[right][0] + _volume(labels, lengths)
                    options.append((cost, sorted(left), left, right))
            cost, _, left, right = min(options, key=lambda o: (o[0], o[1]))
            best[part] = (cost, (left, right))
    pairs: list[tuple[frozenset[int], frozenset[int]]] = []
    stack = [whole]
    while stack:
        split = best[stack.pop()][1]
        if split:
            pairs.append((split[0], split[1]))
            stack.extend(split)
    return _positions(pairs[::-1], len(sets))


def _greedy(
    sets: Sequence[frozenset[Label]], output: frozenset[Label], lengths: dict[Label, int]
) -> list[tuple[int, int]]:
    """Each time the pair whose product needs the least memory beyond its operands."""
    parts = [frozenset([k]) for k in range(len(sets))]
    pairs = []
    while len(parts) > 1:

        def growth(pair: tuple[frozenset[int], frozenset[int]]) -> int:
            after = _volume(_remaining(pair[0] | pair[1], sets, output), lengths)
            return after - sum(_volume(_remaining(p, sets, output), lengths) for p in pair)

        a, b = min(combinations(parts, 2), key=growth)
        pairs.append((a, b))
        parts = [p for p in parts if p not in (a, b)] + [a | b]
    return _positions(pairs, len(sets))


def _positions(
    pairs: Sequence[tuple[frozenset[int], frozenset[int]]], count: int
) -> list[tuple[int, int]]:
    """Pairs of sets of terms as positions in the list of parts left at each step."""
    parts = [frozenset([k]) for k in range(count)]
    result = []
    for a, b in pairs:
        result.append((parts.index(a), parts.index(b)))
        parts = [p for p in parts if p not in (a, b)] + [a | b]
    return result
