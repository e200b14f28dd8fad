"""Recurrent layers. Sequences are time-major, with a second bottom that says where each continues."""

from __future__ import annotations

from netglot.dialects.caffe.dialect import caffe
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.graph import Part
from netglot.pivot.op import shape_of


def _sequence(layer, x, cont, rest):
    """The input as (time, batch, features). The continuation must be an input of the network: it is left out."""
    if rest:
        raise Refusal(notimpl("a recurrent layer with a static input or with states handed in"))
    if cont not in layer.assembly.inputs:
        raise Refusal(notimpl("a recurrent layer whose sequences' ends are computed"))
    note = "sequences are taken to begin with the first step and to go on: the continuation markers are no input"
    if note not in layer.assembly.notes:
        layer.assembly.notes.append(note)
    shape = shape_of(x)
    features = product(shape[2:])
    if len(shape) < 2 or not isinstance(features, int):
        raise InputError(f"layer {layer.spec.name}: a sequence of {len(shape)} axes")
    return (ops.Reshape(x, (*shape[:2], features)) if len(shape) != 3 else x), features


@caffe.reads("LSTM")
def lstm(layer, x, cont, *rest):
    x, features = _sequence(layer, x, cont, rest)
    hidden = layer.options("recurrent_param").integer("num_output")
    w_x = layer.weight(0, "weight_ih", (4 * hidden, features))
    b = layer.weight(1, "bias", (4 * hidden,))
    w_h = layer.weight(2, "weight_hh", (4 * hidden, hidden))

    def ordered(weight):  # input, forget, output, cell to input, forget, cell, output
        parts = ops.Split(weight, (hidden,) * 4, 0)
        return ops.Concat(tuple(Part(parts, i) for i in (0, 1, 3, 2)), 0)

    made = ops.Lstm(x, (), (), (ordered(w_x),), (ordered(w_h),), (ordered(b),), (), "forward", 0, None, False)
    return Part(made, 0)


@caffe.reads("RNN")
def rnn(layer, x, cont, *rest):
    x, features = _sequence(layer, x, cont, rest)
    hidden = layer.options("recurrent_param").integer("num_output")
    w_x, b = layer.weight(0, "weight_ih", (hidden, features)), layer.weight(1, "bias_ih", (hidden,))
    w_h = layer.weight(2, "weight_hh", (hidden, hidden))
    w_o, b_o = layer.weight(3, "weight_ho", (hidden, hidden)), layer.weight(4, "bias_ho", (hidden,))
    made = ops.Rnn(x, (), (w_x,), (w_h,), (b,), (), "tanh", "forward", 0, None, False)
    return ops.Tanh(ops.Linear(Part(made, 0), w_o, b_o))
