"""Mistakes in compiling and calling. Their lines show in golden texts: add below."""

from typing import Any

import numpy as np

import graphc as gc
from graphc import nn
from tests.mistakes.given import double, image, mistake, positions, weight, zeros

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


@mistake
def an_instruction_set_of_other_machines() -> Any:
    return gc.compile([], weight(), isa="wasm32")


@mistake
def a_feature_that_such_processors_do_not_have() -> Any:
    return gc.compile([], weight(), isa="x86-64-v3+neon")


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


@mistake
def swapped_bytes_for_an_argument() -> Any:
    return double()(zeros(2, 3).astype(">f4"))


@mistake
def a_number_beyond_an_argument() -> Any:
    return double()([[1, 2, 1e39]])


@mistake
def a_path_for_the_name_of_a_library() -> Any:
    return gc.export([x := image()], x, "my-model.so")


@mistake
def a_library_that_hides_graphc() -> Any:
    return gc.export([x := image()], x, "graphc")
