"""Mistakes of those who come from elsewhere. Their lines show in golden texts: add below."""

from typing import Any

import numpy as np

import graphc as gc
from graphc import nn, optim
from tests.mistakes.given import double, image, matrix, mistake, positions, weight, zeros

# Control flow


@mistake
def a_state_that_grows() -> Any:
    rows = gc.placeholder("rows", ("n", 3))
    return gc.scan(lambda h, r: (gc.concat([h, r]), h), gc.zeros((3,)), rows)


@mistake
def a_state_that_changes_its_dtype() -> Any:
    rows = gc.placeholder("rows", ("n", 3))
    return gc.scan(lambda h, r: (gc.astype(h, gc.float64), h), gc.zeros((3,)), rows)


@mistake
def a_step_with_one_result() -> Any:
    rows = gc.placeholder("rows", ("n", 3))
    return gc.scan(lambda h, r: h + r, gc.zeros((3,)), rows)


@mistake
def branches_of_two_shapes() -> Any:
    x = image()
    return gc.cond(gc.sum(x) > 0, lambda: x, lambda: x[:, :2])


@mistake
def branches_of_two_dtypes() -> Any:
    x = image()
    return gc.cond(gc.sum(x) > 0, lambda: x, lambda: gc.astype(x, gc.int32))


@mistake
def a_loop_while_several_conditions_hold() -> Any:
    return gc.while_loop(lambda s: s > 0, lambda s: s - 1, gc.ones((3,)))


@mistake
def a_value_of_a_step_outside_of_it() -> Any:
    rows, kept = gc.placeholder("rows", ("n", 3)), list[gc.Tensor]()
    gc.scan(lambda h, r: (kept.append(r) or h + r, h), gc.zeros((3,)), rows)
    return gc.compile([rows], kept[0] * 2)


@mistake
def a_placeholder_of_another_graph() -> Any:
    return gc.compile([image()], image() * 2)


@mistake
def a_tensor_mapped() -> Any:
    return gc.vmap(image())  # type: ignore[arg-type]


# Arrays


@mistake
def a_list_with_a_word() -> Any:
    return double()([[1, 2, 3], [4, 5, "six"]])


@mistake
def a_fraction_for_an_integer() -> Any:
    k = positions()
    return gc.compile([k], k)([1.5, 2])


@mistake
def nothing_for_an_argument() -> Any:
    return double()(None)


@mistake
def a_dict_for_an_argument() -> Any:
    return double()({"image": zeros(2, 3)})


@mistake
def objects_for_an_argument() -> Any:
    return double()(np.array([[None, 1, 2]]))


@mistake
def complex_numbers_for_an_argument() -> Any:
    return double()(np.zeros((2, 3), complex))


@mistake
def a_number_for_an_image() -> Any:
    return double()(3.0)


@mistake
def a_feed_of_tensorflow() -> Any:
    return double()(feed_dict={"image": zeros(2, 3)})


# Variables


@mistake
def a_variable_of_a_tensor() -> Any:
    return gc.variable(image() * 2)


@mistake
def a_variable_of_nothing() -> Any:
    return gc.variable(None)


@mistake
def a_value_of_what_is_computed() -> Any:
    return (image() * 2).value


@mistake
def a_value_of_another_shape() -> Any:
    w = weight()
    w.value = zeros(4)


@mistake
def a_gradient_of_an_integer_loss() -> Any:
    w = gc.variable(np.zeros(3, np.int64), "w")
    return gc.grad(gc.sum(w), w)


@mistake
def a_gradient_for_a_number() -> Any:
    return gc.grad(gc.sum(image()), 3.0)


@mistake
def an_update_by_its_name() -> Any:
    return gc.compile([], None, updates={"weight": weight() + 1})  # type: ignore[dict-item]


@mistake
def a_rate_in_words() -> Any:
    w = weight()
    return optim.SGD("0.1").updates(gc.sum(w), [w])  # type: ignore[arg-type]


# Shapes


@mistake
def a_length_from_a_tensor() -> Any:
    return gc.zeros((gc.placeholder("k", (), gc.int64), 3))


@mistake
def a_slice_up_to_a_tensor() -> Any:
    return image()[: gc.placeholder("k", (), gc.int64)]


@mistake
def a_length_that_is_none() -> Any:
    return gc.placeholder("x", (None, 3))


@mistake
def a_stack_of_two_shapes() -> Any:
    return gc.stack([image(), matrix()])


@mistake
def a_number_with_decimals_of_a_tensor() -> Any:
    return f"{gc.sum(image()):.3f}"


# Layers and losses


@mistake
def images_with_channels_last() -> Any:
    return nn.conv2d(3, 8, 3)(gc.placeholder("images", ("n", 32, 32, 3)))


@mistake
def an_embedding_of_floats() -> Any:
    return nn.Embedding(10, 4)(image())


@mistake
def a_sequence_without_time() -> Any:
    return nn.LSTM(3, 4)(image())


@mistake
def labels_in_a_column() -> Any:
    return nn.cross_entropy(image(), gc.placeholder("labels", ("batch", 1), gc.int64))


@mistake
def labels_that_are_floats() -> Any:
    return nn.cross_entropy(image(), gc.placeholder("labels", ("batch",)))


@mistake
def targets_of_another_shape() -> Any:
    return nn.mse(image(), gc.placeholder("targets", ("batch", 4)))


# Export


@mistake
def an_export_of_a_plain_function() -> Any:
    return gc.export({"f": len})  # type: ignore[dict-item]


@mistake
def an_export_under_a_name_with_a_dash() -> Any:
    x = image()
    return gc.export([x], x * 2, "my-model")


@mistake
def a_library_that_there_is_not() -> Any:
    return gc.load("nowhere")
