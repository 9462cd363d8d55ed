"""Mistakes of those who come from other libraries."""

from typing import Any

import graphc as gc
from graphc import nn, optim
from tests.mistakes.given import image, mistake, positions, weight


@mistake
def a_row_of_ones_that_does_not_fit() -> Any:
    return image() + gc.ones((4,))


@mistake
def a_length_of_none() -> Any:
    return gc.placeholder("image", (None, 3))


@mistake
def parameters_given_to_an_optimiser() -> Any:
    return optim.Adam([weight()])  # type: ignore[arg-type]


@mistake
def a_model_given_to_an_optimiser() -> Any:
    return optim.SGD(nn.Dense(3, 2))  # type: ignore[arg-type]


@mistake
def an_optimiser_for_updates() -> Any:
    return gc.compile([image()], None, updates=optim.SGD(0.1))  # type: ignore[arg-type]


@mistake
def nothing_to_compute() -> Any:
    return gc.compile([image()])


@mistake
def a_number_for_a_result() -> Any:
    return gc.compile([image()], 1.5)


@mistake
def channels_last() -> Any:
    return nn.conv2d(3, 8, 3)(gc.placeholder("photos", ("n", 28, 28, 3)))


@mistake
def heads_that_do_not_divide() -> Any:
    return nn.SelfAttention(10, 3)


@mistake
def a_norm_of_other_channels() -> Any:
    return nn.BatchNorm(5)(image())


@mistake
def a_table_cut_to_a_length_with_a_name() -> Any:
    words, table = gc.placeholder("words", ("time", 3)), gc.zeros((64, 3))
    return words + table[: words.shape[0]]


@mistake
def a_product_with_a_matrix_cut_to_a_length_with_a_name() -> Any:
    words, table = gc.placeholder("words", (3, "time")), gc.zeros((32, 3))
    return words @ table[: words.shape[1]]


@mistake
def a_shift_that_cuts_before_it_joins() -> Any:
    words = gc.placeholder("words", ("time", 3))
    return words + gc.concatenate([gc.zeros((2, 3)), words[:-2]])


@mistake
def a_tile_by_a_float() -> Any:
    return gc.tile(image(), 2.0)  # type: ignore[arg-type]


@mistake
def a_roll_by_a_float() -> Any:
    return gc.roll(image(), 1.5, 0)  # type: ignore[arg-type]


@mistake
def a_repetition_less_than_none() -> Any:
    return gc.repeat(image(), -1)


@mistake
def a_repetition_by_a_half() -> Any:
    return gc.repeat(image(), 1.5)  # type: ignore[arg-type]


@mistake
def a_float_for_how_many_are_largest() -> Any:
    return gc.topk(image(), 2.0)  # type: ignore[arg-type]


@mistake
def operands_before_their_labels() -> Any:
    return gc.einsum(image(), [0, 1], [1])  # type: ignore[arg-type]


@mistake
def labels_without_operands() -> Any:
    return gc.einsum("ij->ji")


@mistake
def a_range_up_to_a_word() -> Any:
    return gc.arange("time")


@mistake
def a_switch_without_branches() -> Any:
    return gc.switch(positions()[0], [])


@mistake
def values_for_the_branches_of_a_switch() -> Any:
    return gc.switch(positions()[0], [image(), image() + 1])  # type: ignore[list-item]


@mistake
def a_function_named_by_a_number() -> Any:
    return gc.compile([x := image()], x * 2, name=7)  # type: ignore[arg-type]


@mistake
def a_number_of_unknown_elements() -> Any:
    return image().shape[0] * 0.5  # type: ignore[operator]


@mistake
def a_shape_to_be_worked_out_of_names() -> Any:
    return image().reshape(-1, 7)
