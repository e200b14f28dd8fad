"""Operations of ML Programs that few networks have."""

from __future__ import annotations

from netglot.dialects.coreml.dialect import coreml
from netglot.dialects.coreml.ops.program import _gates, _starts
from netglot.dialects.coreml.ops.program_shape import axis_of
from netglot.errors import InputError, Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.graph import Part
from netglot.pivot.op import shape_of


@coreml.reads("mil.rnn")
def rnn(work):
    curve, kind = work.text("activation", "tanh"), work.text("direction", "forward")
    if curve not in ("tanh", "relu") or work.raw("clip") is not None or kind not in ("forward", "reverse"):
        raise Refusal(notimpl(f"a recurrence with {curve}, with clipping or in both directions at once"))
    order = _gates(1, (0,))
    w_ih, w_hh = (work.weight(name, name, order) for name in ("weight_ih", "weight_hh"))
    bias = work.weight("bias", "bias", order)
    start = _starts(work, "initial_h", 1, shape_of(w_hh)[1])
    direction = "backward" if kind == "reverse" else "forward"
    held = () if bias is None else (bias,)
    op = ops.Rnn(work.tensor(), start, (w_ih,), (w_hh,), held, (), curve, direction, 0, None, False)
    h = Part(op, 1)
    return [Part(op, 0) if work.flag("output_sequence") else ops.Reshape(h, (1, *shape_of(h))), h]


@coreml.reads("mil.argsort")
def argsort(work):
    x = work.tensor()
    return ops.Cast(ops.Argsort(x, axis_of(work.integer("axis", -1), x), not work.flag("ascending")), "int32")


@coreml.reads("mil.crop")
def crop(work):
    """What is cut off at the top and the bottom, and at the left and the right."""
    x = work.tensor()
    for axis, name in ((2, "crop_height"), (3, "crop_width")):
        cut = work.integers(name)
        if len(cut) != 2 or min(cut) < 0 or len(shape_of(x)) != 4:
            raise InputError(f"{list(cut)} cut off of {list(shape_of(x))}")
        if any(cut):
            x = ops.Slice(x, axis, cut[0], shape_of(x)[axis] - cut[1], 1)
    return x if isinstance(x, ops.Slice) else ops.Identity(x)


for _name in ("non_zero", "non_maximum_suppression"):
    coreml.refuses_reading(f"mil.{_name}", never("how many elements are left depends on the data"))
