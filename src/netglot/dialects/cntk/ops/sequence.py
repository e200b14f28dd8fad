"""What is done along sequences: delays, choices of steps, and a sequence as an axis like others."""

from __future__ import annotations

from dataclasses import replace

from netglot.dialects.cntk.dialect import cntk
from netglot.dialects.cntk.sample import Flags, Sample, filled
from netglot.errors import InputError, Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.op import shape_of


@cntk.reads("ReconcileDynamicAxis", "ToSequenceLike")
def reconciled(work, x, like):
    """`x` at each step of another sequence."""
    if work.function.op == "ToSequenceLike":
        if len(x.dynamic) != 1 or x.rank < 1 or len(like.dynamic) != 2:
            raise Refusal(notimpl("a sequence made of what has no steps"))
        return Sample(x.value, like.dynamic)
    if x.dynamic == like.dynamic:
        return x
    number = x.number()
    made = Sample(filled(x, like.lead, like.dynamic, x.shape), like.dynamic)
    return replace(made, flags=Flags((), number, ())) if number is not None else made


@cntk.reads("PastValue", "FutureValue")
def delayed(work, x, start=None):
    """`x` some steps before or after, with `start` where there are none."""
    steps = work.options.integer("offset", 1)
    if len(x.dynamic) != 2 or steps < 1:
        raise Refusal(notimpl("a delay of what is no sequence"))
    first = 0.0 if start is None else start.number()
    past = work.function.op == "PastValue"
    length, rank = shape_of(x.value)[1], len(shape_of(x.value))
    if first is None:
        edge = filled(start, (x.lead[0], steps), x.dynamic, x.shape)
        parts = (edge, x.value) if past else (x.value, edge)
        wide = ops.Concat(parts, 1)
    else:
        sides = [tuple(steps if axis == 1 else 0 for axis in range(rank)), (0,) * rank]
        before, after = sides if past else sides[::-1]
        wide = ops.Pad(x.value, before, after, "constant", first)
    begin = 0 if past else steps
    made = Sample(ops.Slice(wide, 1, begin, begin + length, 1), x.dynamic)
    if x.flags is None or first is None or steps > 4096:
        return made
    return replace(made, flags=x.flags.shifted(steps if past else -steps, first))


@cntk.reads("Where")
def where(work, x):
    if x.flags is None:
        raise Refusal(
            never("a choice of steps by what the network computes, of which each sequence has another number")
        )
    axes = work.option("newDynamicAxes") or []
    return Sample(x.value, tuple(axis.name for axis in reversed(axes)), flags=x.flags)


@cntk.reads("PackedIndex")
def packed_index(work, x, chosen):
    return chosen


@cntk.reads("GatherPacked")
def gather_packed(work, x, chosen):
    """A range of steps; one step where the result is no sequence."""
    if chosen.flags is None or len(x.dynamic) != 2:
        raise Refusal(notimpl("a choice of steps by numbers that the network computes"))
    start, stop, from_end = chosen.flags.places()
    length = shape_of(x.value)[1]
    begin = length + start if from_end else start
    end = length + stop if stop <= 0 else stop
    if len(chosen.dynamic) == 1:
        if (end - begin) != 1:
            raise InputError(f"{work.function.uid}: several steps where one is wanted")
        return Sample(ops.Select(x.value, 1, begin), chosen.dynamic)
    return Sample(ops.Slice(x.value, 1, begin, end, 1), chosen.dynamic)


@cntk.reads("UnpackSequence")
def unpacked(work, x):
    """The sequence as the outermost axis of the sample, and which steps are there: all."""
    if len(x.dynamic) != 2:
        raise Refusal(notimpl("a sequence laid out of what is none"))
    return [Sample(x.value, x.dynamic[:1]), Sample(ops.Full(x.lead, 1.0, "float32"), x.dynamic[:1])]


@cntk.reads("ConvolutionSequenceShape")
def sequence_shape(work, weight, x):
    """How many steps a convolution gives, which is known from its result."""
    return x


@cntk.reads("ToSequence")
def to_sequence(work, x, lengths=None):
    """The outermost axis of the sample as a sequence, all of it."""
    if len(x.dynamic) != 1 or not x.rank:
        raise Refusal(notimpl("a sequence made of what has no steps"))
    if lengths is not None and not work.derived_from("ConvolutionSequenceShape", 1):
        raise Refusal(notimpl("sequences of different lengths"))
    axes = work.option("newDynamicAxes") or []
    names = [axis.name for axis in axes if axis.ordered or "Batch" not in axis.name]
    return Sample(x.value, (*x.dynamic, names[0] if names else work.function.uid))


@cntk.reads("UnpackBatch")
def unpacked_batch(work, x):
    """The batch as the outermost axis of a sample."""
    if len(x.dynamic) != 1:
        raise Refusal(notimpl("a batch laid out of what has none, or has steps too"))
    return Sample(x.value)


@cntk.reads("ToBatch")
def to_batch(work, x):
    """The outermost axis of a sample as the batch."""
    if x.dynamic or not x.rank:
        raise Refusal(notimpl("a batch made of what has one"))
    return Sample(x.value, ("defaultBatchAxis",))
