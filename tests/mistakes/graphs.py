"""Mistakes in writing a graph. Their lines show in golden texts: add below."""

from typing import Any

import numpy as np

import graphc as gc
from graphc import nn, optim
from tests.mistakes.given import image, matrix, mistake, positions, weight, zeros

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


# Branches


@mistake
def a_condition_for_each_element() -> Any:
    return gc.cond((x := image()) > 0, lambda: x, lambda: -x)


@mistake
def branches_of_two_types() -> Any:
    x = image()
    return gc.cond(gc.sum(x) > 0, lambda: x, lambda: gc.sum(x, axis=1))


@mistake
def branches_of_two_structures() -> Any:
    return gc.cond(gc.sum(x := image()) > 0, lambda: x, lambda: (x, x))


@mistake
def a_test_of_an_unknown_length() -> Any:
    return image().shape[0] > 2


@mistake
def a_range_of_an_unknown_length() -> Any:
    return range(image().shape[0])


@mistake
def an_axis_by_name() -> Any:
    return gc.sum(image(), axis="batch")


@mistake
def a_shape_before_the_name() -> Any:
    return gc.placeholder(("batch", 3), "image")


@mistake
def a_name_before_the_value() -> Any:
    return gc.variable("weight", np.zeros(3))


@mistake
def a_tensor_for_a_branch() -> Any:
    x = image()
    return gc.cond(gc.sum(x) > 0, x, -x)
