"""Sizes, branches and loops. What is known while the file is read is decided and counted then."""

from __future__ import annotations

import numpy as np

from netglot.dialects.tensorflow.known import known
from netglot.dialects.tflite.dialect import tflite
from netglot.errors import Refusal, notimpl
from netglot.pivot.dims import Dim
from netglot.pivot.op import shape_of

_LONGEST = 2048
"""A loop of more steps is not written out."""


def _shape(x) -> tuple:
    return np.shape(x) if known(x) else shape_of(x)


@tflite.reads("SHAPE")
def shape(node, x):
    sizes = _shape(x)
    made = np.empty(len(sizes), dtype=object if any(isinstance(size, Dim) for size in sizes) else node.dtype(0))
    made[:] = sizes
    return made


@tflite.reads("RANK")
def rank(node, x):
    return np.asarray(len(_shape(x)), "int32")


@tflite.reads("IF")
def if_(node, condition, *inputs):
    if not known(condition):
        raise Refusal(notimpl("a condition on data", "choose with tf.where"))
    taken = node.number(0 if bool(np.asarray(condition)) else 1)
    return node.interpreter.call(taken, list(inputs))


@tflite.reads("WHILE")
def while_(node, *state):
    held = list(state)
    for _ in range(_LONGEST):
        (again,) = node.interpreter.call(node.number(0), held)
        if not known(again):
            raise Refusal(notimpl("a loop that ends when the data says so"))
        if not bool(np.asarray(again)):
            return held
        held = node.interpreter.call(node.number(1), held)
    raise Refusal(notimpl(f"a loop of more than {_LONGEST} steps"))


@tflite.reads("CALL_ONCE")
def call_once(node):
    return []
