"""Mistakes with layers, optimisers and other objects. Lines show in golden texts: add below."""

from typing import Any

import numpy as np

import graphc as gc
from graphc import nn, optim
from tests.mistakes.given import image, matrix, mistake, weight, zeros

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
    return gc.compile([x := image()], [x, gc.ones(("rows", 17))])


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


# Optimisers


@mistake
def one_tensor_for_parameters() -> Any:
    w = weight()
    return optim.SGD(0.1).updates(gc.sum(w), w)


@mistake
def a_layer_for_parameters() -> Any:
    layer = nn.Dense(3, 4)
    return optim.SGD(0.1).updates(gc.sum(layer(image())), layer)


@mistake
def an_optimiser_for_two_models() -> Any:
    adam = optim.Adam(0.1)
    return [adam.updates(gc.sum(w * w), {"weight": w}) for w in (weight(), weight())]


# Layers of one's own


class Torchlike(nn.Layer):
    def __init__(self) -> None:
        self.conv, self.head = nn.conv2d(3, 4, 3), nn.Dense(4, 2)

    def forward(self, x: gc.Tensor) -> gc.Tensor:
        return self.head(x)


@mistake
def forward_for_call() -> Any:
    return Torchlike()(image())


@mistake
def a_fraction_for_a_seed() -> Any:
    return gc.random.key(1.5)  # type: ignore[arg-type]


@mistake
def a_word_for_a_seed() -> Any:
    gc.init.seed("zero")  # type: ignore[arg-type]


@mistake
def a_layer_to_differentiate_by() -> Any:
    layer = nn.Dense(3, 4)
    return gc.grad(gc.sum(layer(image())), layer)


@mistake
def a_name_for_an_output() -> Any:
    return gc.compile([image()], "image")


@mistake
def a_shape_before_the_bounds() -> Any:
    return gc.random.randint(gc.random.key(0), (3,), 0, 5)  # type: ignore[arg-type]
