"""Constants that are others laid out anew by functions that have names, so that how such a constant
is made can be kept instead of its bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from graphc.ir.node import Tensor
from graphc.ir.record import dataclass
from graphc.ops.convolutions import packed as packed_convolution
from graphc.ops.convolutions import winograd, word_kernels
from graphc.ops.linear import packed as packed_product
from graphc.ops.literal import Laid, Literal, Made, aligned_copy
from graphc.ops.source import constant_of

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Recipe:
    """What an array and more arguments become, in memory that begins on a 64-byte boundary; `shape`
    tells its shape by that of the array. `undo` makes the array of what it became, its shape and
    the arguments, where no bit of it is lost. `dtype`: what it has, if not the array's.
    """

    make: Callable[..., np.ndarray]
    shape: Callable[..., Shape]
    undo: Callable[..., np.ndarray] | None = None
    dtype: np.dtype[Any] | None = None


def _arranged(value: np.ndarray, order: Shape) -> np.ndarray:
    """The array with its axes in this order."""
    return aligned_copy(value.transpose(order))


def _rearranged(value: np.ndarray, shape: Shape, order: Shape) -> np.ndarray:
    """The array whose axes were brought into this order."""
    return aligned_copy(value.transpose([order.index(k) for k in range(len(shape))]))


def _arranged_shape(shape: Shape, order: Shape) -> Shape:
    return tuple(shape[k] for k in order)


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "arranged": Recipe(_arranged, _arranged_shape, _rearranged),
        "kernels": Recipe(
            packed_convolution.packed,
            packed_convolution.packed_shape,
            packed_convolution.kernels_of,
        ),
        "panels": Recipe(
            packed_product.panels, packed_product.panels_shape, packed_product.matrix_of
        ),
        "offsets": Recipe(
            word_kernels.offsets, word_kernels.offsets_shape, dtype=np.dtype(np.int32)
        ),
        "transformed": Recipe(winograd.transformed, winograd.transformed_shape),
        "words": Recipe(
            word_kernels.word_kernels, word_kernels.words_shape, word_kernels.kernels_of_words
        ),
    }
)


def made(name: str, x: Tensor, *more: Any) -> Tensor:
    """The constant that a recipe makes of the constant x and more arguments."""
    source: Literal = x.node.attrs["value"]
    recipe = RECIPES[name]
    shape = recipe.shape(source.shape, *more)
    return constant_of(Made(name, source, more, shape, recipe.make, recipe.dtype))


def keep_only(name: str, source: Literal, more: tuple[Any, ...], array: np.ndarray) -> None:
    """Has a literal keep its array only as `array`, which this recipe made of it, if that can be
    undone.
    """
    undo = RECIPES[name].undo
    if undo is not None:
        source.give_up(Laid(name, more, array, undo))
