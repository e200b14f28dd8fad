"""Recurrent layers. Sequences are (time, batch, features), with two more axes of one element where shapes are exact.

In networks for pictures the first axis is the sequence, and there is one of them. A GRU resets the state before its
product with the weights.
"""

from __future__ import annotations

from netglot.dialects.coreml.dialect import coreml
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.graph import Part
from netglot.pivot.op import TensorType, shape_of

_CLIPPED = 50.0
"""From here on neither a sigmoid nor a tanh tells the difference."""


class _Gates:
    """The weights of one direction, gate below gate."""

    def __init__(self, layer, record, names: tuple[str, ...], features: int, hidden: int, biased: bool, side: str):
        from netglot.formats.coreml import weights

        def joined(role: str, parts: list[str], shape: tuple[int, ...]):
            loads = [weights(record.record(one), shape, f"{layer.name}, {one}") for one in parts]
            whole = (shape[0] * len(loads), *shape[1:])

            def load():
                import numpy as np

                return np.concatenate([one() for one in loads])

            return layer.assembly.parameter(f"{layer.path}.{role}{side}", load, TensorType("float32", whole))

        self.w_ih = joined("weight_ih", [f"{one}WeightMatrix" for one in names], (hidden, features))
        self.w_hh = joined("weight_hh", [f"{one}RecursionMatrix" for one in names], (hidden, hidden))
        self.bias = (joined("bias", [f"{one}BiasVector" for one in names], (hidden,)),) if biased else ()


def _sizes(layer) -> tuple[int, int]:
    options = layer.options
    features, hidden = options.integer("inputVectorSize"), options.integer("outputVectorSize")
    if min(features, hidden) < 1:
        raise InputError(f"{layer.name}: {features} features and {hidden} of the state")
    return features, hidden


def _activations(layer, field: str, wanted: tuple[str, ...]) -> None:
    found = tuple(next(iter(one), "") for one in layer.options.records(field))
    if found and found != wanted:
        raise Refusal(notimpl(f"a recurrence with {', '.join(found)}"))


def _sequence(layer, x, features: int):
    """The input as (time, batch, features)."""
    shape = shape_of(x)
    if layer.exact:
        if len(shape) < 3:
            raise InputError(f"{layer.name}: a sequence of shape {list(shape)}")
        return ops.Reshape(x, (*shape[:2], features))
    return ops.Reshape(x, (shape[0], 1, features))


def _start(layer, x, state, hidden: int):
    """An initial state as (batch, hidden)."""
    shape = shape_of(state)
    if layer.exact and len(shape) > 2 and shape[1] != shape_of(x)[1]:
        raise Refusal(notimpl(f"a state of a batch of {shape[1]} for one of {shape_of(x)[1]}"))
    return ops.Reshape(state, (shape[1] if layer.exact and len(shape) > 2 else 1, hidden))


def _results(layer, x, sequence, finals: list, width: int) -> list:
    """The results as Core ML lays them out: the sequence or its last step, then the last states."""
    time, batch = shape_of(x)[:2] if layer.exact else (shape_of(x)[0], 1)
    whole = layer.options.flag("sequenceOutput") or layer.options.record("params").flag("sequenceOutput")
    found = []
    for place, one in enumerate([sequence, *finals]):
        size = width if place == 0 else None
        steps = time if place == 0 and whole else 1
        size = size or layer.options.integer("outputVectorSize")
        shape = (steps, batch, size, 1, 1) if layer.exact else (steps, size)
        found.append(ops.Reshape(one, shape))
    return found[: max(layer.results, 1)]


def _last(layer, made, outputs: list[Part], joined):
    """The sequence that a layer gives, or what it ends with."""
    whole = layer.options.flag("sequenceOutput") or layer.options.record("params").flag("sequenceOutput")
    return made if whole else joined


def _lstm_options(layer):
    held = layer.options.record("params")
    for name, said in (("hasPeepholeVectors", "peepholes"), ("coupledInputAndForgetGate", "coupled gates")):
        if held.flag(name):
            raise Refusal(notimpl(f"an LSTM with {said}"))
    clip = held.number("cellClipThreshold", 0.0)
    if 0 < clip < _CLIPPED:
        raise Refusal(notimpl(f"an LSTM whose cell is clipped at {clip:g}"))
    return held.flag("hasBiasVectors"), held.flag("forgetBias")


def _forget(layer, bias: tuple, ones: bool, hidden: int) -> tuple:
    """The bias with ones for the forget gate where the layer adds them."""
    if not ones:
        return bias
    import numpy as np

    added = np.concatenate([np.zeros(hidden), np.ones(hidden), np.zeros(2 * hidden)]).astype("float32")
    if not bias:
        return (layer.assembly.parameter(f"{layer.path}.bias", added),)
    return (ops.Add(bias[0], layer.constant(added)),)


_LSTM = ("inputGate", "forgetGate", "blockInput", "outputGate")
_PLAIN = ("sigmoid", "tanh", "tanh")


@coreml.reads("uniDirectionalLSTM")
def lstm(layer, x, *states):
    features, hidden = _sizes(layer)
    biased, ones = _lstm_options(layer)
    _activations(layer, "activations", _PLAIN)
    gates = _Gates(layer, layer.options.record("weightParams"), _LSTM, features, hidden, biased, "")
    h, c = ((_start(layer, x, one, hidden),) for one in states) if states else ((), ())
    direction = "backward" if layer.options.flag("reverseInput") else "forward"
    bias = _forget(layer, gates.bias, ones, hidden)
    made = ops.Lstm(
        _sequence(layer, x, features), h, c, (gates.w_ih,), (gates.w_hh,), bias, (), direction, 0, None, False
    )
    outputs = [Part(made, i) for i in range(3)]
    return _results(layer, x, _last(layer, outputs[0], outputs, outputs[1]), outputs[1:], hidden)


@coreml.reads("biDirectionalLSTM")
def both_lstm(layer, x, *states):
    features, hidden = _sizes(layer)
    biased, ones = _lstm_options(layer)
    _activations(layer, "activationsForwardLSTM", _PLAIN)
    _activations(layer, "activationsBackwardLSTM", _PLAIN)
    records = layer.options.records("weightParams")
    if len(records) != 2:
        raise InputError(f"{layer.name}: weights of {len(records)} directions")
    one, other = (
        _Gates(layer, record, _LSTM, features, hidden, biased, side)
        for record, side in zip(records, ("", "_back"), strict=True)
    )
    h, c = (), ()
    if states:
        starts = [_start(layer, x, state, hidden) for state in states]
        h, c = (starts[0], starts[2]), (starts[1], starts[3])
    bias = (*_forget(layer, one.bias, ones, hidden), *_forget(layer, other.bias, ones, hidden))
    made = ops.Lstm(
        _sequence(layer, x, features), h, c, (one.w_ih, other.w_ih), (one.w_hh, other.w_hh), bias, (), "both", 0, None,
        False,
    )  # fmt: skip
    outputs = [Part(made, i) for i in range(5)]
    last = ops.Concat((outputs[1], outputs[3]), 1)
    return _results(layer, x, _last(layer, outputs[0], outputs, last), outputs[1:], 2 * hidden)


@coreml.reads("gru")
def gru(layer, x, *states):
    features, hidden = _sizes(layer)
    _activations(layer, "activations", ("sigmoid", "tanh"))
    names, biased = ("resetGate", "updateGate", "outputGate"), layer.options.flag("hasBiasVectors")
    gates = _Gates(layer, layer.options, names, features, hidden, biased, "")
    h = tuple(_start(layer, x, one, hidden) for one in states[:1])
    direction = "backward" if layer.options.flag("reverseInput") else "forward"
    given = _sequence(layer, x, features)
    made = ops.Gru(given, h, (gates.w_ih,), (gates.w_hh,), gates.bias, (), False, direction, 0, None, False)
    return _results(layer, x, _last(layer, Part(made, 0), [], Part(made, 1)), [Part(made, 1)], hidden)


@coreml.reads("simpleRecurrent")
def simple_recurrent(layer, x, *states):
    features, hidden = _sizes(layer)
    options = layer.options
    kind = next(iter(options.record("activation")), "")
    if kind not in ("tanh", "ReLU"):
        raise Refusal(notimpl(f"a recurrence with {kind or 'an unknown activation'}"))
    w_ih = layer.weight("weightMatrix", "weight_ih", (hidden, features))
    w_hh = layer.weight("recursionMatrix", "weight_hh", (hidden, hidden))
    bias = (layer.weight("biasVector", "bias", (hidden,)),) if options.flag("hasBiasVector") else ()
    h = tuple(_start(layer, x, one, hidden) for one in states[:1])
    direction = "backward" if options.flag("reverseInput") else "forward"
    given = _sequence(layer, x, features)
    made = ops.Rnn(given, h, (w_ih,), (w_hh,), bias, (), kind.lower(), direction, 0, None, False)
    return _results(layer, x, _last(layer, Part(made, 0), [], Part(made, 1)), [Part(made, 1)], hidden)


@coreml.reads("embedding")
def embedding(layer, ids):
    options, shape = layer.options, shape_of(ids)
    rows, columns = options.integer("inputDim"), options.integer("outputChannels")
    weight = ops.Permute(layer.weight("weights", "weight", (columns, rows)), (1, 0))
    lead = shape[: len(shape) - 3] if layer.exact and len(shape) > 3 else shape[:1]
    found = ops.Embedding(ops.Cast(ops.Reshape(ids, lead), "int64"), weight, None)
    found = ops.Add(found, layer.weight("bias", "bias", (columns,))) if options.flag("hasBias") else found
    return ops.Reshape(found, (*lead, columns, 1, 1)) if layer.exact and len(shape) > 3 else found
