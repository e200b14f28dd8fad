"""Recurrent layers: one op where it is the standard cell, else a loop over the cell's own steps."""

from __future__ import annotations

from typing import Any

import keras as framework

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.layers.core import transposed
from netglot.dialects.keras.layers.stepping import stepped
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.graph import Part
from netglot.pivot.op import shape_of

# -- the standard cells


def _weights(layer, gates) -> dict[str, Any]:
    """The weights of one direction, with the gates in the pivot's order."""
    cell = layer.view(layer.live.cell)
    bias = cell.bias
    found = {"w_ih": gates(transposed(cell.kernel)), "w_hh": gates(transposed(cell.recurrent_kernel))}
    if bias is None:
        return found | {"b_ih": None, "b_hh": None}
    if len(shape_of(bias)) == 2:
        rows = [ops.Select(bias, 0, i) for i in range(2)]
        return found | {"b_ih": gates(rows[0]), "b_hh": gates(rows[1])}
    return found | {"b_ih": gates(bias), "b_hh": None}


def _reset_first(rows: Any) -> Any:
    """Keras's gates update, reset, new in the pivot's order: reset, update, new."""
    hidden = shape_of(rows)[0] // 3
    parts = [ops.Slice(rows, 0, gate * hidden, (gate + 1) * hidden, 1) for gate in (1, 0, 2)]
    return ops.Concat(tuple(parts), 0)


def _same(rows: Any) -> Any:
    return rows


def _recurrence(layers: list, x: Any, states: list, direction: str, mask: Any, held: bool) -> Any:
    """The op of one layer, or of two that run in opposite directions."""
    live = layers[0].live
    kind = type(live).__name__ if type(live).__name__ in _OPS else _base(live)
    gates = _reset_first if kind == "GRU" else _same
    owned = [_weights(layer, gates) for layer in layers]
    many = {
        name: tuple(one[name] for one in owned if one[name] is not None) for name in ("w_ih", "w_hh", "b_ih", "b_hh")
    }
    shared: dict[str, Any] = many | {"direction": direction, "time_axis": 1, "mask": mask, "held": held}
    if kind == "LSTM":
        return ops.Lstm(x, h0=tuple(states[0::2]), c0=tuple(states[1::2]), **shared)
    if kind == "GRU":
        return ops.Gru(x, h0=tuple(states), reset_after=bool(live.cell.reset_after), **shared)
    return ops.Rnn(x, h0=tuple(states), activation=live.cell.activation.__name__, **shared)


_OPS = ("LSTM", "GRU", "SimpleRNN")


def _base(live: Any) -> str:
    return next(kind.__name__ for kind in type(live).__mro__ if kind.__name__ in _OPS)


def _is_standard(live: Any) -> bool:
    """Whether the pivot has the layer's cell."""
    kind = next((k.__name__ for k in type(live).__mro__ if k.__name__ in _OPS), None)
    if kind is None:
        return False
    activation = live.cell.activation.__name__
    if kind == "SimpleRNN":
        return activation in ("tanh", "relu")
    return activation == "tanh" and live.cell.recurrent_activation.__name__ == "sigmoid"


def check_cell(layer) -> None:
    """Tells what a layer's cell does in training that is left out."""
    live = layer.live
    if getattr(live.cell, "recurrent_dropout", 0):
        layer.note(f"{layer.path} drops recurrent connections in training, which is left out")


def _dropped(layer, x: Any) -> Any:
    """The input with the dropout that is drawn once for all steps."""
    rate = float(getattr(layer.live.cell, "dropout", 0) or 0)
    return ops.Dropout(x, rate, (0, 2)) if rate else x


def recalled(layer, initial_state: Any) -> Any:
    """The states that a layer begins with where none are given: those of the call before, if it keeps them.

    Raises:
        Refusal: it is called twice while the network runs once.
    """
    if not layer.live.stateful:
        return initial_state
    if layer.tracer.calls[id(layer.live)] > 0:
        raise Refusal(
            notimpl("a layer that keeps its states is called twice at once", "use a layer of its own for each call")
        )
    layer.note(
        f"{layer.path} keeps its states between calls: zeros in its buffers begin a new sequence, as reset_state() does"
    )
    if initial_state is not None:
        return initial_state
    return framework.tree.map_structure(lambda one: layer.emit(ops.Recall(layer.tracer.value(one))), layer.live.states)


def remembered(layer, out: Any, states: list) -> tuple[Any, list]:
    """The output and the final states, which are kept for the next call where the layer does that."""
    if not layer.live.stateful:
        return out, states
    memory = tuple(layer.tracer.value(one) for one in framework.tree.flatten(layer.live.states))
    kept = ops.Remember(out, tuple(framework.tree.flatten(states)), memory)
    parts = [Part(kept, 1 + place) for place in range(len(memory))]
    return Part(kept, 0), framework.tree.pack_sequence_as(states, parts)


def states_of(initial_state: Any) -> list:
    """The states that a layer begins with; none for zeros."""
    if initial_state is None:
        return []
    return list(initial_state) if isinstance(initial_state, list | tuple) else [initial_state]


@keras.reads("layers.LSTM", "layers.GRU", "layers.SimpleRNN", "layers.RNN")
def recurrent(layer, sequences, initial_state=None, mask=None, training=None):
    check_cell(layer)
    live = layer.live
    initial_state = recalled(layer, initial_state)
    if _is_standard(live):
        direction = "backward" if live.go_backwards else "forward"
        states = states_of(initial_state)
        held = mask is not None and not live.zero_output_for_mask and (live.return_sequences or bool(states))
        run = _recurrence([layer], _dropped(layer, sequences), states, direction, mask, held)
        final = [Part(run, i) for i in range(1, 3 if isinstance(run, ops.Lstm) else 2)]
        if live.return_sequences:
            out = Part(run, 0)
            out = ops.Flip(out, (1,)) if live.go_backwards else out  # in the order in which Keras made them
        else:
            out = _last(live, run, bool(states), mask)
        return returned(live, *remembered(layer, out, final))
    out, last, final = stepped(layer, sequences, initial_state, mask)
    return returned(live, *remembered(layer, out if live.return_sequences else last, final))


def _last(live: Any, run: Any, started: bool, mask: Any) -> Any:
    """The last output: the final hidden state, but where a sequence may have no step at all."""
    if mask is None or not (started or live.zero_output_for_mask):
        return Part(run, 1)
    return ops.Select(Part(run, 0), 1, 0 if live.go_backwards else shape_of(mask)[1] - 1)


def returned(live: Any, out: Any, states: list) -> Any:
    """What a layer returns."""
    return (out, *states) if live.return_state else out


# -- both directions


@keras.reads("layers.Bidirectional")
def bidirectional(layer, sequences, initial_state=None, mask=None, training=None):
    """One op where both directions have the standard cell, else each direction by itself."""
    forward, backward = layer.view(layer.forward_layer), layer.view(layer.backward_layer)
    check_cell(forward)
    check_cell(backward)
    together = (
        (mask is None or layer.return_sequences or initial_state is None)
        and _is_standard(forward.live)
        and type(forward.live) is type(backward.live)
        and _alike(forward.live, backward.live)
        and not forward.live.go_backwards
        and not forward.live.stateful
    )
    states = states_of(initial_state)
    if not together:
        return _one_by_one(layer, sequences, states, mask)
    run = _recurrence([forward, backward], _dropped(forward, sequences), _interleaved(states), "both", mask, False)
    count = 2 if isinstance(run, ops.Lstm) else 1
    final = [Part(run, i) for i in range(1, 1 + 2 * count)]
    merge = layer.merge_mode
    out = Part(run, 0)
    if layer.return_sequences and merge == "concat":
        return returned(layer, out, final)
    if layer.return_sequences:
        units = shape_of(Part(run, 0))[2] // 2
        halves = ops.Split(out, (units, units), 2)
        pair = [Part(halves, 0), Part(halves, 1)]
    else:
        pair = [final[0], final[count]]
    return _merged(layer, *pair, final)


def _interleaved(states: list) -> list:
    """The states of an LSTM stand in pairs for each direction already."""
    return states


def _alike(one: Any, other: Any) -> bool:
    names = ("units", "activation", "use_bias", "recurrent_activation", "reset_after")
    pairs = [(getattr(one.cell, n, None), getattr(other.cell, n, None)) for n in names]
    return all(a == b or getattr(a, "__name__", a) == getattr(b, "__name__", b) for a, b in pairs)


def _one_by_one(layer, x: Any, states: list, mask: Any) -> Any:
    half = len(states) // 2
    found, finals = [], []
    for live, given in ((layer.forward_layer, states[:half]), (layer.backward_layer, states[half:])):
        options = ({"mask": mask} if mask is not None else {}) | ({"initial_state": given} if given else {})
        result = layer.apply(live, x, **options)
        if layer.return_state:
            found.append(result[0])
            finals += list(result[1:])
        else:
            found.append(result)
    if layer.return_sequences:
        found[1] = ops.Flip(found[1], (1,))
    return _merged(layer, *found, finals)


def _merged(layer, y: Any, back: Any, states: list) -> Any:
    """The outputs of both directions, merged as the layer says."""
    match layer.merge_mode:
        case "concat":
            out = ops.Concat((y, back), len(shape_of(y)) - 1)
        case "sum":
            out = ops.Add(y, back)
        case "ave":
            out = ops.Divide(ops.Add(y, back), 2.0)
        case "mul":
            out = ops.Multiply(y, back)
        case _:
            return (y, back, *states) if layer.return_state else (y, back)
    return returned(layer, out, states)
