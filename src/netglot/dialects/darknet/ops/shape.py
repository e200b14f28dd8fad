"""Pooling, routes and shortcuts, and what else moves or joins elements."""

from __future__ import annotations

from netglot.dialects.darknet.activations import activated
from netglot.dialects.darknet.dialect import darknet
from netglot.dialects.darknet.ops.conv import picture
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.op import shape_of


def _pool(layer, x, op):
    options = layer.section
    stride = options.integer("stride", 1)
    strides = options.integer("stride_y", stride), options.integer("stride_x", stride)
    size = options.integer("size", stride)
    padding = options.integer("padding", size - 1)
    picture(layer, x)
    for name in ("maxpool_depth", "antialiasing"):
        if options.integer(name, 0):
            raise Refusal(notimpl(f"pooling with {name}"))
    if min(size, *strides) < 1 or not 0 <= padding <= 2 * size:
        raise InputError(f"[{options.type}] in line {options.line}: windows of {size} every {stride}")
    return op(x, (size, size), strides, ((padding // 2, padding - padding // 2),) * 2)


@darknet.reads("maxpool", "max")
def maxpool(layer, x):
    return _pool(layer, x, lambda x, size, stride, pads: ops.MaxPool(x, size, stride, pads, (1, 1), False, (2, 3)))


@darknet.reads("local_avgpool", "local_avg")
def local_avgpool(layer, x):
    return _pool(layer, x, lambda *w: ops.AvgPool(*w, False, False, None, (2, 3)))


@darknet.reads("avgpool", "avg")
def avgpool(layer, x):
    picture(layer, x)
    return ops.AdaptiveAvgPool(x, (1, 1), (2, 3))


@darknet.reads("upsample")
def upsample(layer, x):
    stride, scale = layer.section.integer("stride", 2), layer.section.number("scale", 1.0)
    height, width = picture(layer, x)[2:]
    if stride < 1:
        raise Refusal(notimpl("an upsampling that makes smaller"))
    grown = ops.Resize(x, (height * stride, width * stride), None, "nearest", False, False, (2, 3))
    return grown if scale == 1 else ops.Multiply(grown, scale)


@darknet.reads("route")
def route(layer, x):
    options = layer.section
    groups, group = options.integer("groups", 1), options.integer("group_id", 0)
    parts = [layer.result(place) for place in options.numbers("layers")]
    if not parts:
        raise InputError(f"[route] in line {options.line} has no layers")
    if groups > 1:
        parts = [_group(layer, part, groups, group) for part in parts]
    return ops.Concat(tuple(parts), 1) if len(parts) > 1 else parts[0]


def _group(layer, x, groups: int, group: int):
    channels = shape_of(x)[1]
    if channels % groups or not 0 <= group < groups:
        raise InputError(f"[route] in line {layer.section.line}: group {group} of {groups} of {channels} channels")
    each = channels // groups
    return ops.Slice(x, 1, group * each, (group + 1) * each, 1)


@darknet.reads("shortcut")
def shortcut(layer, x):
    options = layer.section
    if options.text("weights_type", "none") != "none":
        raise Refusal(notimpl("a weighted shortcut"))
    for place in options.numbers("from"):
        x = ops.Add(x, _fitting(layer, layer.result(place), shape_of(x)))
    return activated(x, options.text("activation", "linear"))


def _fitting(layer, other, shape):
    """The other side of a shortcut as large as this one: every n-th place, channels cut off or zeros behind them."""
    theirs = shape_of(other)
    for axis in (2, 3):
        size, wanted = theirs[axis], shape[axis]
        if size == wanted:
            continue
        if not isinstance(size, int) or not isinstance(wanted, int) or size < wanted:
            raise Refusal(notimpl("a shortcut from a smaller picture"))
        every = size // wanted
        other = ops.Slice(other, axis, 0, (wanted - 1) * every + 1, every)
    if theirs[1] > shape[1]:
        return ops.Slice(other, 1, 0, shape[1], 1)
    if theirs[1] < shape[1]:
        none = (0,) * len(shape)
        return ops.Pad(other, none, (0, shape[1] - theirs[1], *none[2:]), "constant", 0.0)
    return other


@darknet.reads("scale_channels")
def scale_channels(layer, x):
    options = layer.section
    other = layer.result(options.integer("from"))
    if options.integer("scale_wh", 0):
        raise Refusal(notimpl("scaling by places"))
    batch, channels = shape_of(other)[:2]
    if product(shape_of(x)[1:]) != channels:
        raise InputError(f"[scale_channels] in line {options.line}: {list(shape_of(x))} scales {channels} channels")
    factor = x if len(shape_of(x)) == 4 else ops.Reshape(x, (batch, channels, 1, 1))
    return activated(ops.Multiply(other, factor), options.text("activation", "linear"))


@darknet.reads("sam")
def sam(layer, x):
    other = layer.result(layer.section.integer("from"))
    return activated(ops.Multiply(x, other), layer.section.text("activation", "linear"))


@darknet.reads("reorg")
def reorg(layer, x):
    """Darknet's own order: the picture is taken for one of fewer and larger channels before it is cut into squares."""
    batch, channels, height, width = picture(layer, x)
    s = layer.section.integer("stride", 1)
    if s < 1 or layer.section.integer("reverse", 0) or layer.section.integer("flatten", 0):
        raise Refusal(notimpl("a reversed or flattened reorg"))
    if channels % s**2 or height % s or width % s:
        raise InputError(f"[reorg] in line {layer.section.line}: {[channels, height, width]} by {s}")
    taken = ops.Reshape(x, (batch, channels // s**2, height, s, width, s))
    return ops.Reshape(ops.Permute(taken, (0, 3, 5, 1, 2, 4)), (batch, channels * s**2, height // s, width // s))


@darknet.reads("crop")
def crop(layer, x):
    options = layer.section
    height, width = picture(layer, x)[2:]
    tall, wide = options.integer("crop_height", 1), options.integer("crop_width", 1)
    if not isinstance(height, int) or not isinstance(width, int) or tall > height or wide > width:
        raise InputError(f"[crop] in line {options.line}: {tall} by {wide} of {height} by {width}")
    top, left = (height - tall) // 2, (width - wide) // 2
    cut = ops.Slice(ops.Slice(x, 2, top, top + tall, 1), 3, left, left + wide, 1)
    return cut if options.integer("noadjust", 0) else ops.Subtract(ops.Multiply(cut, 2.0), 1.0)


@darknet.reads("dropout")
def dropout(layer, x):
    return ops.Dropout(x, layer.section.number("probability", 0.5), tuple(range(len(shape_of(x)))))


@darknet.reads("softmax", "soft")
def softmax(layer, x):
    options = layer.section
    groups, temperature = options.integer("groups", 1), options.number("temperature", 1.0)
    shape = shape_of(x)
    if "tree" in options.options:
        raise Refusal(notimpl("a softmax over a tree of classes"))
    x = x if temperature == 1 else ops.Divide(x, temperature)
    if options.integer("spatial", 0):
        return ops.Softmax(x, 1)
    steps = 2 if "time_steps" in layer.net.options and len(shape) == 3 else 1
    features = product(shape[steps:])
    if groups < 1 or not isinstance(features, int) or features % groups:
        raise InputError(f"[softmax] in line {options.line}: {features} elements in {groups} groups")
    if groups == 1:
        flat = x if len(shape) == steps + 1 else ops.Reshape(x, (*shape[:steps], features))
        return ops.Softmax(flat, steps)
    apart = ops.Softmax(ops.Reshape(x, (*shape[:steps], groups, features // groups)), steps + 1)
    return ops.Reshape(apart, (*shape[:steps], features))


@darknet.reads("activation")
def activation(layer, x):
    return activated(x, layer.section.text("activation", "linear"))


@darknet.reads("logistic")
def logistic(layer, x):
    return ops.Sigmoid(x)
