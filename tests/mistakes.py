"""Mistakes that users make. Their lines show in golden texts: add below, not between."""

from collections.abc import Callable
from typing import Any

import numpy as np

import graphc as gc
from graphc import nn, optim

MISTAKES: dict[str, Callable[[], Any]] = {}


def mistake(function: Callable[[], Any]) -> Callable[[], Any]:
    MISTAKES[function.__name__.replace("_", " ")] = function
    return function


def image() -> gc.Tensor:
    return gc.placeholder("image", ("batch", 3))


def matrix() -> gc.Tensor:
    return gc.placeholder("matrix", (4, 5))


def positions() -> gc.Tensor:
    return gc.placeholder("positions", ("n",), gc.int64)


def weight() -> gc.Tensor:
    return gc.variable(np.zeros(3, np.float32), "weight")


def double() -> Any:
    return gc.compile([x := image()], x * 2, name="double")


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


# Shapes


@mistake
def unequal_lengths() -> Any:
    return image() + matrix()


@mistake
def a_product_that_does_not_fit() -> Any:
    return image() @ matrix()


@mistake
def a_product_with_a_scalar() -> Any:
    return image() @ gc.placeholder("scale")


@mistake
def a_reshape_to_another_size() -> Any:
    return gc.reshape(matrix(), (5, 3))


@mistake
def a_reshape_that_does_not_divide() -> Any:
    return gc.reshape(matrix(), (3, -1))


@mistake
def a_concatenation_of_unequal_rows() -> Any:
    return gc.concat([matrix(), gc.placeholder("other", (4, 2))], axis=0)


@mistake
def a_concatenation_of_unequal_ranks() -> Any:
    return gc.concat([matrix(), gc.placeholder("row", (5,))], axis=0)


@mistake
def an_axis_that_there_is_not() -> Any:
    return gc.sum(matrix(), axis=2)


@mistake
def an_axis_named_twice() -> Any:
    return gc.max(matrix(), axis=(0, -2))


@mistake
def an_order_that_is_none() -> Any:
    return gc.transpose(matrix(), (0, 0))


@mistake
def a_split_into_unequal_parts() -> Any:
    return gc.split(matrix(), 3, axis=0)


@mistake
def a_squeeze_of_what_is_long() -> Any:
    return gc.squeeze(matrix(), axis=1)


@mistake
def an_einsum_of_two_lengths() -> Any:
    return gc.einsum("ij,ik->jk", matrix(), gc.placeholder("rows", (6, 5)))


@mistake
def a_layer_of_another_width() -> Any:
    return nn.Dense(8, 2)(image())


@mistake
def a_negative_dimension() -> Any:
    return gc.placeholder("x", (-1, 3))


@mistake
def a_dimension_that_is_a_fraction() -> Any:
    return gc.placeholder("x", (1.5,))


# Dtypes


@mistake
def bits_of_a_float() -> Any:
    return positions() & gc.placeholder("mask", ("n",))


@mistake
def a_dtype_that_there_is_not() -> Any:
    return gc.placeholder("x", (), "float31")


@mistake
def a_number_that_does_not_fit() -> Any:
    return gc.placeholder("pixel", (), gc.uint8) + 300


@mistake
def a_word_in_arithmetic() -> Any:
    return image() + "one"


@mistake
def a_fraction_as_index() -> Any:
    return matrix()[1.5]


@mistake
def an_index_outside() -> Any:
    return matrix()[4]


@mistake
def too_many_indices() -> Any:
    return matrix()[0, 1, 2]


# Python


@mistake
def a_branch_on_a_tensor() -> Any:
    return 1 if gc.sum(image()) > 0 else 2


@mistake
def a_loop_over_an_unknown_length() -> Any:
    return list(image())


@mistake
def a_number_of_a_tensor() -> Any:
    return float(gc.sum(image()))


@mistake
def an_array_of_a_tensor() -> Any:
    return np.asarray(image())


# Gradients


@mistake
def a_loss_that_is_no_scalar() -> Any:
    return gc.grad(image(), weight())


@mistake
def a_gradient_for_integers() -> Any:
    x = positions()
    return gc.grad(gc.sum(x * 0.5), x)


@mistake
def an_optimiser_of_what_is_no_variable() -> Any:
    x = image()
    return optim.Adam(1e-3).updates(gc.sum(x), [x])


# Compilation


@mistake
def an_input_left_out() -> Any:
    return gc.compile([image()], gc.placeholder("scale") * 2)


@mistake
def an_input_that_is_computed() -> Any:
    return gc.compile([image() * 2], image())


@mistake
def two_inputs_of_one_name() -> Any:
    return gc.compile([image(), image()], 1)


@mistake
def an_update_of_an_input() -> Any:
    x = image()
    return gc.compile([x], x, updates={x: x + 1})


@mistake
def an_update_of_another_shape() -> Any:
    return gc.compile([], [], updates={weight(): gc.zeros((4,))})


@mistake
def an_update_of_another_dtype() -> Any:
    w = weight()
    return gc.compile([], [], updates={w: gc.astype(w, gc.float64)})


@mistake
def a_target_that_there_is_not() -> Any:
    return gc.compile([], weight(), target="tpu")


@mistake
def an_instruction_set_that_there_is_not() -> Any:
    return gc.compile([], weight(), isa="pentium")


# Calls


@mistake
def an_argument_left_out() -> Any:
    return double()()


@mistake
def an_argument_too_many() -> Any:
    return double()(zeros(2, 3), zeros(2, 3))


@mistake
def an_argument_of_another_name() -> Any:
    return double()(picture=zeros(2, 3))


@mistake
def an_argument_given_twice() -> Any:
    return double()(zeros(2, 3), image=zeros(2, 3))


@mistake
def an_argument_of_another_dtype() -> Any:
    return double()(np.zeros((2, 3)))


@mistake
def an_argument_of_another_rank() -> Any:
    return double()(zeros(3))


@mistake
def an_argument_of_another_size() -> Any:
    return double()(zeros(2, 4))


@mistake
def a_ragged_argument() -> Any:
    return double()([[1, 2, 3], [4, 5]])


@mistake
def a_word_for_an_argument() -> Any:
    return double()("image")


@mistake
def a_tensor_for_an_argument() -> Any:
    return double()(image())


@mistake
def integers_too_large_for_an_argument() -> Any:
    x = gc.placeholder("x", (2,), gc.int8)
    return gc.compile([x], x + 1)([1, 300])


@mistake
def sizes_that_disagree() -> Any:
    a, b = gc.placeholder("a", ("n",)), gc.placeholder("b", (2, "n"))
    return gc.compile([a, b], a + b, name="add")(zeros(3), zeros(2, 4))


@mistake
def an_index_out_of_range_in_a_call() -> Any:
    rows = gc.take(gc.placeholder("table", (4, 2)), k := positions(), axis=0)
    f = gc.compile([rows.node.inputs[0], k], rows)
    return f(zeros(4, 2), np.array([1, 7]))


@mistake
def a_class_that_there_is_not() -> Any:
    scores, labels = gc.placeholder("scores", ("n", 5)), positions()
    f = gc.compile([scores, labels], nn.cross_entropy(scores, labels))
    return f(zeros(2, 5), np.array([1, 5]))


@mistake
def a_masked_array_for_an_argument() -> Any:
    return double()(np.ma.masked_array(zeros(2, 3), zeros(2, 3) == 0))


# What is not what it should be


@mistake
def an_array_for_a_loss() -> Any:
    return gc.grad(np.ones(()), weight())


@mistake
def an_array_for_an_output() -> Any:
    return gc.compile([image()], zeros(100, 100))


@mistake
def a_number_for_a_key() -> Any:
    return gc.random.normal(0, (3,))


@mistake
def a_shape_for_a_name() -> Any:
    return gc.placeholder(("batch", 3))


@mistake
def a_ragged_variable() -> Any:
    return gc.variable([[1, 2], [3]])


@mistake
def a_concatenation_of_no_list() -> Any:
    return gc.concat(image(), matrix())


@mistake
def a_condition_alone() -> Any:
    return gc.where(image() > 0)


@mistake
def a_list_of_updates() -> Any:
    w = weight()
    return gc.compile([], w, updates=[(w, w + 1)])


@mistake
def an_argument_renamed() -> Any:
    return gc.compile({"picture": (x := image())}, x)


@mistake
def a_size_that_no_input_has() -> Any:
    return gc.compile([x := image()], [x, gc.ones(("rows", 1))])


# Layers


@mistake
def a_word_for_an_activation() -> Any:
    return nn.Dense(3, 4, "relu")


@mistake
def a_size_of_a_layer_that_is_not_known() -> Any:
    return nn.Dense(image().shape[0], 4)


@mistake
def a_list_of_layers() -> Any:
    return nn.Sequential([nn.Dense(3, 4)])


@mistake
def a_class_for_a_layer() -> Any:
    return nn.Sequential(nn.Dense(3, 4), nn.LayerNorm)


@mistake
def a_layer_with_two_results_in_a_row() -> Any:
    model = nn.Sequential(nn.LSTM(3, 4), nn.Dense(4, 2))
    return model(gc.placeholder("x", ("time", "batch", 3)))


@mistake
def taps_for_no_axis() -> Any:
    return nn.Conv(3, 8, 3)


@mistake
def a_number_for_a_generator() -> Any:
    return nn.Dropout(0.5, 0)(image())


# NumPy's ways


@mistake
def a_ufunc_of_numpy() -> Any:
    return np.exp(image())


@mistake
def a_function_of_numpy() -> Any:
    return np.linalg.inv(matrix())


@mistake
def an_array_that_takes_in_a_tensor() -> Any:
    array = zeros(4, 5)
    array += matrix()
    return array


@mistake
def an_assignment_to_an_element() -> Any:
    x = image()
    x[0] = 1
    return x


# Optimisers


@mistake
def one_tensor_for_parameters() -> Any:
    w = weight()
    return optim.SGD(0.1).updates(gc.sum(w), w)


@mistake
def a_layer_for_parameters() -> Any:
    layer = nn.Dense(3, 4)
    return optim.SGD(0.1).updates(gc.sum(layer(image())), layer)


# Branches


@mistake
def a_condition_for_each_element() -> Any:
    return gc.cond((x := image()) > 0, lambda: x, lambda: -x)


@mistake
def a_tensor_for_a_branch() -> Any:
    x = image()
    return gc.cond(gc.sum(x) > 0, x, -x)
