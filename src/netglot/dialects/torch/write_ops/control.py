"""Loops: a module that calls another for each step."""

from __future__ import annotations

from netglot.dialects.torch.cells import cell_of, weight_of
from netglot.dialects.torch.dialect import torch
from netglot.pivot import ops
from netglot.source.spell import Call, Layer, Method, Unpacks


@torch.writes(ops.Recall)
def recall(op):
    """A copy: the buffer itself is written to before gradients are taken."""
    return Method(op.memory, "clone", (), {})


@torch.writes(ops.Remember)
def remember(op):
    return Call("remember", (op.x, tuple(op.states), tuple(op.memory)), {}, helper="remember")


@torch.writes(ops.Scan)
def scan(op):
    held = tuple(op.held)
    known = tuple(weight_of(one) for one in held)
    cell = cell_of(op.body, len(op.xs) + len(op.states), known)
    names = [f"state_{place}" for place in range(len(op.states))] if len(op.states) > 2 else ["h", "c"]
    names = names[: len(op.states)]
    weights = cell.weights_of(held)
    return Layer(
        "Recurrence",
        (
            op.xs[0] if len(op.xs) == 1 else tuple(op.xs),
            tuple(op.states),
            *(one for one, weight in zip(held, known, strict=True) if weight is None),
        ),
        weights=weights,
        arguments=(cell.made,),
        frozen=frozenset(f"cell.{key}" for key in cell.frozen),
        unpacks=Unpacks(("out", tuple(names)), (("out", None), *((name, None) for name in names))),
        helper="Recurrence",
        cell=cell,
    )
