"""Recurrences written out step by step, for frameworks without a loop to write."""

from __future__ import annotations

from netglot.errors import Refusal, notimpl
from netglot.passes.legal import build
from netglot.pivot import ops
from netglot.pivot.graph import Builder, Graph, Node, Part, names_of
from netglot.pivot.op import dtype_of, shape_of
from netglot.pivot.ops.recurrent import state_product

LONGEST = 64
"""So many steps are written one after the other."""

_CURVES = {
    "tanh": ops.Tanh,
    "relu": ops.Relu,
    "sigmoid": ops.Sigmoid,
    "hardsigmoid": ops.Hardsigmoid,
}


def conv_lstm(op):
    """The steps of a recurrence over images; the convolution of the input runs over all of them at once.

    Raises:
        Refusal: the length is not known, or too long to be written out.
    """
    batch, time, *rest = shape_of(op.x)
    if not isinstance(time, int) or time > LONGEST:
        raise Refusal(
            notimpl(f"a recurrence over {time} images is written out step by step", "give it a fixed, short length")
        )
    axis, curve, gate = op.axis - 1, _CURVES[op.activation], _CURVES[op.gate]
    folded = ops.Reshape(op.x, (batch * time, *rest))
    seen = ops.Conv(folded, op.w_ih, op.bias, op.stride, op.padding, op.dilation, 1, axis)
    seen = ops.Reshape(seen, (batch, time, *shape_of(seen)[1:]))
    state = op.result_types()[1].shape
    h = ops.Full(state, 0.0, dtype_of(op.x)) if op.h0 is None else op.h0
    c = ops.Full(state, 0.0, dtype_of(op.x)) if op.c0 is None else op.c0
    outputs, hidden = [], shape_of(op.w_hh)[1]
    for place in range(time):
        parts = ops.Split(ops.Add(ops.Select(seen, 1, place), state_product(op, h)), (hidden,) * 4, axis)
        i, f, g, o = (Part(parts, index) for index in range(4))
        c = ops.Add(ops.Multiply(gate(f), c), ops.Multiply(gate(i), curve(g)))
        h = ops.Multiply(gate(o), curve(c))
        outputs.append(h)
    return ops.Stack(tuple(outputs), 1), h, c


def steps(x, cells, states, time_axis: int, backward: tuple[bool, ...], mask=None, held: bool = False):
    """A recurrence over a sequence, one step after the other: the outputs with the directions side by side, then the
    final states of each direction.

    Args:
        cells: for each direction the projection of all steps at once, and the function from the projection of one
            step and the states before to those after; the first of these is the output.
        states: the initial ones of each direction.
        backward: whether a direction runs from the end.
        mask: where it is False a step is left out.

    Raises:
        Refusal: the length is not known, or too long to be written out.
    """
    time = shape_of(x)[time_axis]
    if not isinstance(time, int) or time > LONGEST:
        raise Refusal(
            notimpl(f"a recurrence over {time} steps is written out step by step", "give it a fixed, short length")
        )
    sequences, finals = [], []
    for (project, cell), before, turned in zip(cells, states, backward, strict=True):
        seen, outputs, last = project(x), {}, None
        for place in reversed(range(time)) if turned else range(time):
            after = cell(ops.Select(seen, time_axis, place), before)
            out = after[0]
            if mask is not None:
                runs = ops.Reshape(ops.Select(mask, time_axis, place), (shape_of(x)[1 - time_axis], 1))
                after = [ops.Where(runs, new, old) for new, old in zip(after, before, strict=True)]
                out = ops.Where(runs, out, last if held and last is not None else 0.0)
            before = after
            outputs[place] = last = out
        sequences.append(ops.Stack(tuple(outputs[place] for place in range(time)), time_axis))
        finals += before
    whole = sequences[0] if len(sequences) == 1 else ops.Concat(tuple(sequences), 2)
    return (whole, *finals)


def _parts(x, count: int) -> list:
    size = shape_of(x)[1] // count
    made = ops.Split(x, (size,) * count, 1)
    return [Part(made, index) for index in range(count)]


def _lstm(op, product):
    def cell(seen, state):
        h, c = state
        i, f, g, o = _parts(ops.Add(seen, product(h)), 4)
        c = ops.Add(ops.Multiply(ops.Sigmoid(f), c), ops.Multiply(ops.Sigmoid(i), ops.Tanh(g)))
        return [ops.Multiply(ops.Sigmoid(o), ops.Tanh(c)), c]

    return cell


def _gru(op, product):
    def cell(seen, state):
        (h,) = state
        size = shape_of(h)[1]
        xr, xz, xn = _parts(seen, 3)
        hr, hz = _parts(product(h, 0, 2 * size), 2)
        r, z = ops.Sigmoid(ops.Add(xr, hr)), ops.Sigmoid(ops.Add(xz, hz))
        if op.reset_after:
            after = ops.Multiply(r, product(h, 2 * size, 3 * size))
        else:
            after = product(ops.Multiply(r, h), 2 * size, 3 * size)
        n = ops.Tanh(ops.Add(xn, after))
        return [ops.Add(ops.Multiply(ops.Subtract(1.0, z), n), ops.Multiply(z, h))]

    return cell


def _rnn(op, product):
    curve = _CURVES[op.activation]
    return lambda seen, state: [curve(ops.Add(seen, product(state[0])))]


_CELLS = {ops.Lstm: _lstm, ops.Gru: _gru, ops.Rnn: _rnn}


def recurrence(op):
    """The steps of an LSTM, a GRU or a plain recurrence; see `steps`."""
    initial = [held for held in (op.h0, getattr(op, "c0", ())) if held]
    hidden, count = shape_of(op.w_hh[0])[1], 2 if isinstance(op, ops.Lstm) else 1
    zeros = ops.Full((shape_of(op.x)[1 - op.time_axis], hidden), 0.0, dtype_of(op.x))
    cells, states = [], []
    for number in range(len(op.w_ih)):
        cells.append(_direction(op, number))
        states.append([held[number] for held in initial] or [zeros] * count)
    backward = {"forward": (False,), "backward": (True,), "both": (False, True)}[op.direction]
    return steps(op.x, cells, states, op.time_axis, backward, op.mask, op.held)


def _direction(op, number: int):
    w_ih, w_hh = op.w_ih[number], op.w_hh[number]
    b_ih, b_hh = (held[number] if held else None for held in (op.b_ih, op.b_hh))

    def product(h, start=0, stop=None):
        weight, bias = w_hh, b_hh
        if stop is not None:
            weight = ops.Slice(weight, 0, start, stop, 1)
            bias = None if bias is None else ops.Slice(bias, 0, start, stop, 1)
        return ops.Linear(h, weight, bias)

    return lambda x: ops.Linear(x, w_ih, b_ih), _CELLS[type(op)](op, product)


TABLE = {ops.ConvLstm: conv_lstm}


def spell_out(graph: Graph) -> Graph:
    """The graph with recurrences written out whose weights depend on the network's inputs: no layer holds those.

    Those of an unknown or a great length stay.
    """
    moving, table, nodes = set(graph.inputs), {}, []
    names = names_of(graph)
    for node in graph.nodes:
        if any(value in moving for value in node.operand_values()):
            moving |= set(node.results)
        made = _spelled(node, moving)
        if made is None:
            nodes.append(node)
            continue
        builder = Builder(names, scope=node.scope, sites=node.sites)
        built: dict = {}
        for result, part in zip(node.results, made, strict=True):
            table[result] = build(builder, part, built)
        nodes += builder.nodes
    if not table:
        return graph
    whole = Graph(graph.name, graph.inputs, graph.parameters, nodes, graph.output, graph.modules, list(graph.notes))
    whole.replace_values(table)
    whole.prune()
    return whole


def _spelled(node: Node, moving: set):
    op = node.op
    if type(op) not in _CELLS or not any(w in moving for w in (*op.w_ih, *op.w_hh, *op.b_ih, *op.b_hh)):
        return None
    try:
        return recurrence(op)
    except Refusal:
        return None
