"""Recurrences with any cell: a sub-graph that runs once for each step."""

from __future__ import annotations

from typing import Any

import keras as framework

from netglot.dialects.keras.body import body_of
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.graph import Part, Value
from netglot.pivot.op import TensorType, shape_of, type_of


def stepped(layer, x: Any, initial_state: Any, mask: Any) -> tuple[Any, Any, list]:
    """All outputs of a cell that runs over the steps, the last one, and the final states as the cell nests them.

    Where a step is masked, the states stay, and the output is zero or that of the step before.

    Raises:
        Refusal: the sequence is a nest, or the cell's output is one.
    """
    live = layer.live
    if isinstance(x, list | tuple | dict) or isinstance(mask, list | tuple | dict):
        raise Refusal(notimpl("a recurrence over several sequences at once", "concatenate their features"))
    nest = _started(layer, x, initial_state)
    states = [layer.emit(one) for one in framework.tree.flatten(nest)]
    sequences = [x] if mask is None else [x, mask]
    turned = [layer.emit(ops.Flip(one, (1,)) if live.go_backwards else one) for one in sequences]
    given = [TensorType(type_of(one).dtype, (shape_of(one)[0], *shape_of(one)[2:])) for one in turned]
    carried = mask is not None and not live.zero_output_for_mask
    if carried:
        states.append(layer.emit(ops.Full(_output(layer, given[0], nest), 0.0, live.compute_dtype)))

    def step(one: Value, *rest: Value) -> list:
        kept, before = (rest[0], rest[1:]) if mask is not None else (None, rest)
        held = before[:-1] if carried else before
        out, after = _called(layer, one, framework.tree.pack_sequence_as(nest, list(held)))
        if kept is None:
            return [out, *after]
        blank = before[-1] if carried else layer.emit(ops.Full(shape_of(out), 0.0, type_of(out).dtype))
        shown = _where(layer, kept, out, blank)
        after = [_where(layer, kept, new, old) for new, old in zip(after, held, strict=True)]
        return [shown, *after, *([shown] if carried else [])]

    names = ["x", *(["mask"] if mask is not None else []), *_names(len(states), carried)]
    for value, name in zip(states, names[len(turned) :], strict=True):
        value.hint = value.hint or name
    types = [*given, *map(type_of, states)]
    title = "" if mask is None else f"Masked{type(live.cell).__name__}"
    body, outside = body_of(layer, step, dict(zip(names, types, strict=True)), title)
    run = ops.Scan(tuple(turned), tuple(states), tuple(outside), body)
    finals = [Part(run, 1 + place) for place in range(len(framework.tree.flatten(nest)))]
    out = Part(run, 0)
    last = ops.Select(out, 1, shape_of(x)[1] - 1)
    if not live.return_sequences and carried:
        last = Part(run, len(states))
    return out, last, framework.tree.pack_sequence_as(nest, finals)


def _names(count: int, carried: bool) -> list[str]:
    """What the states are called: by their letters where there are as many as an LSTM has."""
    own = count - carried
    names = ["h", "c"][:own] if own <= 2 else [f"state_{place}" for place in range(own)]
    return [*names, *(["before"] if carried else [])]


def _started(layer, x: Any, initial_state: Any) -> list:
    """The states that the first step is given, as a list."""
    if initial_state is None:
        live = layer.live
        made = layer.apply(lambda one: live.get_initial_state(batch_size=framework.ops.shape(one)[0]), x)
    else:
        made = initial_state
    return list(made) if isinstance(made, list | tuple) else [made]


def _called(layer, x: Value, states: list) -> tuple[Any, list]:
    """The output of one step, and the new states one after the other."""
    cell = layer.live.cell
    out, after = layer.apply(lambda one, held: cell(one, held), x, states)
    if not isinstance(out, Value):
        raise Refusal(notimpl(f"the cell {type(cell).__name__} makes several outputs at each step"))
    return out, framework.tree.flatten(after)


def _output(layer, step: TensorType, nest: list) -> tuple:
    """The shape of the cell's output: what is run to learn it is dropped."""
    found: list = []

    def look(one: Value, *states: Value) -> list:
        out, after = _called(layer, one, framework.tree.pack_sequence_as(nest, list(states)))
        found.append(shape_of(out))
        return [out, *after]

    states = [type_of(one) for one in framework.tree.flatten(nest)]
    body_of(layer, look, {"x": step} | {f"state_{place}": one for place, one in enumerate(states)})
    return found[0]


def _where(layer, kept: Value, new: Any, old: Any) -> Any:
    """`new` in the samples whose step is kept."""
    shape = (shape_of(kept)[0], *(1,) * (len(shape_of(new)) - 1))
    return layer.emit(ops.Where(ops.Reshape(kept, shape), new, old))
