"""Loops and branches of `keras.ops`: written out, or refused with the reason."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from keras_reading import compare, randomise, read

from netglot.errors import NetglotError, UserCodeError


class Calling(keras.Model):
    """A dense layer, and a function of what it makes."""

    def __init__(self, function):
        super().__init__()
        self.dense = layers.Dense(4)
        self.function = function

    def call(self, x):
        return self.function(self, self.dense(x))


def rnn(model, x):
    kernel = model.dense.kernel[:4]

    def step(state, given):
        state = ops.tanh(ops.matmul(state, kernel) + given)
        return state, state * 2

    state, made = ops.scan(step, ops.zeros_like(x[:, 0]), ops.transpose(x, (1, 0, 2)))
    return ops.transpose(made, (1, 0, 2)) + state[:, None]


def reversed_scan(_, x):
    last, made = ops.scan(lambda s, g: (s * 0.5 + g["a"], s), x[:, 0], {"a": ops.moveaxis(x, 1, 0)}, reverse=True)
    return ops.concatenate([last, made[0], made[-1]])


def counted_scan(_, x):
    last, nothing = ops.scan(lambda state, _: (ops.tanh(state) * 1.5, None), x, length=3)
    return last + nothing[0]


def paired_scan(_, x):
    rows = ops.moveaxis(x, 1, 0)
    (total, most), (totals, _) = ops.scan(
        lambda s, row: ((s[0] + row, ops.maximum(s[1], row)), (s[0] * 2, row)), (x[:, 0], x[:, 1]), rows
    )
    return total + most + totals[-1]


def mapped(_, x):
    return ops.map(lambda one: ops.cumsum(one, axis=0) * 2, ops.moveaxis(x, 1, 0))


def mapped_pairs(_, x):
    rows = ops.moveaxis(x, 1, 0)
    return ops.vectorized_map(lambda pair: pair[0] + pair[0] * pair[1], (rows, rows + 1))


def counted(model, x):
    def turn(i, state):
        return ops.tanh(model.dense(state)) + ops.cast(i, state.dtype) * x[:, i, None]

    return ops.fori_loop(1, 4, turn, x)


def counted_while(_, x):
    def turn(i, state):
        return i + 2, ops.sin(state) + ops.cast(i, state.dtype)

    return ops.while_loop(lambda i, _: i < 5, turn, (0, x))[1]


def bounded_while(_, x):
    return ops.while_loop(lambda one: ops.sum(ops.abs(one)) > 40.0, lambda one: one * 0.7, x, maximum_iterations=6)


def branch_of_data(_, x):
    return ops.cond(ops.mean(x) > 0, lambda: ops.exp(x), lambda: x - 1)


def branch_known(model, x):
    return ops.cond(np.bool_(True), lambda: model.dense(x), lambda: x)


def switched(_, x):
    index = ops.cast(ops.mean(x) * 20, "int32")
    return ops.switch(index, [ops.sin, ops.cos, lambda one: one * 2], x) + ops.switch(7, [ops.sin, ops.cos], x)


def combine(left, right):
    return left[0] * right[0], right[0] * left[1] + right[1]


def recurrence(_, x):
    return ops.associative_scan(combine, (ops.sigmoid(x), x), axis=1)[1]


def backwards(_, x):
    return ops.associative_scan(combine, (ops.sigmoid(x), x), axis=-2, reverse=True)[1]


FOLLOWED = [rnn, reversed_scan, counted_scan, paired_scan, mapped, mapped_pairs, counted, counted_while, bounded_while,
            branch_of_data, branch_known, switched, recurrence, backwards]  # fmt: skip


@pytest.mark.parametrize("function", FOLLOWED, ids=lambda one: one.__name__)
def test_control_flow_is_followed(function):
    model = Calling(function)
    model(np.zeros((2, 5, 4), "float32"))
    randomise(model)
    compare(model, read(model, inputs="B,5,4"))


def while_data(_, x):
    return ops.while_loop(lambda one: ops.sum(one) > 1.0, lambda one: one * 0.5, x)


def over_batch(_, x):
    return ops.vectorized_map(lambda one: one * 2, x)


def counted_by_data(_, x):
    return ops.fori_loop(0, ops.cast(ops.sum(x), "int32"), lambda _, state: state * 2, x)


def shapes_differ(_, x):
    return ops.cond(ops.mean(x) > 0, lambda: x, lambda: x[:, :1])


REFUSED = {
    while_data: "how often a keras.ops.while_loop turns is computed from data",
    over_batch: "a keras.ops.vectorized_map turns as often as a size says that is not known",
    counted_by_data: "how often a keras.ops.fori_loop turns is computed from data",
    shapes_differ: "a keras.ops.cond chooses by data between tensors of other shapes",
}


@pytest.mark.parametrize("function", REFUSED, ids=lambda one: one.__name__)
def test_what_cannot_be_followed_is_refused(function):
    model = Calling(function)
    model.dense.build((None, 5, 4))
    with pytest.raises(NetglotError) as found:
        read(model, inputs="B,5,4")
    assert REFUSED[function] in str(found.value) and not isinstance(found.value, UserCodeError), str(found.value)
