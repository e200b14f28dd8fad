"""Moving elements about: joining, cutting, padding, resizing."""

from __future__ import annotations

from netglot.dialects.coreml.dialect import coreml
from netglot.dialects.coreml.ops.neural import borders
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.graph import Part
from netglot.pivot.op import shape_of


@coreml.reads("concat")
def concat(layer, *xs):
    if layer.options.flag("sequenceConcat"):
        raise Refusal(notimpl("sequences joined"))
    if len({len(shape_of(x)) for x in xs}) > 1:
        xs = tuple(layer.picture(x) for x in xs)
    return ops.Concat(tuple(xs), 1) if len(xs) > 1 else ops.Identity(xs[0])


@coreml.reads("split")
def split(layer, x):
    parts, channels = layer.options.integer("nOutputs"), shape_of(x)[1]
    if not 1 <= parts <= layer.results or channels % parts:
        raise InputError(f"{layer.name}: {channels} channels in {parts} parts")
    if parts == 1:
        return [x]
    cut = ops.Split(x, (channels // parts,) * parts, 1)
    return [Part(cut, i) for i in range(parts)]


@coreml.reads("flatten")
def flatten(layer, x):
    shape = shape_of(x)
    if layer.options.integer("mode", 0) == 1 and len(shape) == 4:
        x = ops.Permute(x, (0, 2, 3, 1))
    return ops.Reshape(x, (shape[0], product(shape[1:])))


@coreml.reads("reshape")
def reshape(layer, x):
    x = layer.picture(x)
    shape, wanted = shape_of(x), [int(one) for one in layer.options.all("targetShape")]
    if len(wanted) == 4 and wanted[0] == 1:
        wanted = wanted[1:]
    if len(wanted) != 3:
        raise Refusal(notimpl(f"a reshape to {wanted}"))
    if layer.options.integer("mode", 0) == 1:
        last = ops.Reshape(ops.Permute(x, (0, 2, 3, 1)), (shape[0], wanted[1], wanted[2], wanted[0]))
        return ops.Permute(last, (0, 3, 1, 2))
    return ops.Reshape(x, (shape[0], *wanted))


@coreml.reads("permute")
def permute(layer, x):
    order = tuple(int(one) for one in layer.options.all("axis"))
    if len(order) != 4 or order[0] != 0 or sorted(order) != [0, 1, 2, 3]:
        raise Refusal(notimpl(f"the order {list(order)}, which moves the sequence"))
    return ops.Permute(layer.picture(x), order)


@coreml.reads("padding")
def padding(layer, x):
    options = layer.options
    mode = "reflect" if "reflection" in options else "edge" if "replication" in options else "constant"
    (top, bottom), (left, right) = borders(options.record("paddingAmounts"))
    value = options.record("constant").number("value", 0.0)
    none = (0,) * (len(shape_of(x)) - 2)
    return ops.Pad(x, (*none, top, left), (*none, bottom, right), mode, value)


@coreml.reads("crop")
def crop(layer, x, like=None):
    if like is not None:
        offset = [int(one) for one in layer.options.all("offset")] or [0, 0]
        ends = [o + n for o, n in zip(offset, shape_of(like)[2:], strict=True)]
    else:
        amounts = borders(layer.options.record("cropAmounts"))
        offset = [before for before, _ in amounts]
        ends = [size - after for size, (_, after) in zip(shape_of(x)[2:], amounts, strict=True)]
    for axis, start, stop in zip((2, 3), offset, ends, strict=True):
        if isinstance(stop, int) and not 0 <= start < stop:
            raise InputError(f"{layer.name}: nothing is left")
        x = ops.Slice(x, axis, start, stop, 1)
    return x


@coreml.reads("upsample")
def upsample(layer, x):
    options = layer.options
    factors = [int(one) for one in options.all("scalingFactor")] or [1, 1]
    if len(factors) != 2 or min(factors) < 1 or options.all("fractional"):
        raise Refusal(notimpl("an upsampling by no whole number"))
    size = tuple(side * factor for side, factor in zip(shape_of(x)[2:], factors, strict=True))
    if options.integer("mode", 0) == 0:
        return ops.Resize(x, size, None, "nearest", False, False, (2, 3))
    corners = options.integer("linearUpsampleMode", 0)
    if corners == 0:  # the grid begins with the first pixel: one more at the end, and its corners are aligned
        none = (0,) * len(shape_of(x))
        longer = ops.Pad(x, none, (0, 0, 1, 1), "edge", 0.0)
        grown = ops.Resize(longer, tuple(side + 1 for side in size), None, "linear", True, False, (2, 3))
        return ops.Slice(ops.Slice(grown, 2, 0, size[0], 1), 3, 0, size[1], 1)
    return ops.Resize(x, size, None, "linear", corners == 1, False, (2, 3))


_AXES = {0: (1, 2, 3), 1: (2, 3), 2: (1,), 3: (2,), 4: (3,)}
_MODES = {
    0: lambda x, axes: ops.Sum(x, axes, True),
    1: lambda x, axes: ops.Mean(x, axes, True),
    2: lambda x, axes: ops.Prod(x, axes, True),
    4: lambda x, axes: ops.Sum(ops.Square(x), axes, True),
    5: lambda x, axes: ops.Sum(ops.Abs(x), axes, True),
    6: lambda x, axes: ops.Sqrt(ops.Sum(ops.Square(x), axes, True)),
    7: lambda x, axes: ops.Max(x, axes, True),
    8: lambda x, axes: ops.Min(x, axes, True),
}


@coreml.reads("reduce")
def reduce(layer, x):
    mode, axes = layer.options.integer("mode", 0), _AXES.get(layer.options.integer("axis", 0))
    if mode not in _MODES or axes is None:
        raise Refusal(notimpl(f"a reduction of the kind {mode}"))
    return _MODES[mode](layer.picture(x), axes)


@coreml.reads("slice")
def slice_(layer, x):
    options = layer.options
    axis = layer.axis(options.integer("axis", 0), len(shape_of(x)))
    size = shape_of(x)[axis]
    start, stop, step = (
        options.integer("startIndex", 0),
        options.integer("endIndex", 0),
        options.integer("stride", 1) or 1,
    )
    stop = stop + size if stop < 0 else stop
    if isinstance(stop, int) and isinstance(size, int) and not 0 <= start < stop <= size:
        raise InputError(f"{layer.name}: elements {start} to {stop} of {size}")
    return ops.Slice(x, axis, start, stop, step)


@coreml.reads("loadConstant")
def load_constant(layer):
    shape = tuple(int(one) for one in layer.options.all("shape"))
    return ops.Reshape(layer.weight("data", "value", shape, "constant"), (1, *shape))
