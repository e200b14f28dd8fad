"""Convolution as Keras spells it: channels last, kernels with their own axes first, and few kinds of padding.

What Keras lacks is brought to what it has: padding that is neither "same" nor "causal" becomes a `Pad` before, strides
together with dilation become a stride of the input or of the result, and a transposed convolution is cropped after.
"""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.windows import channels_last, compact, is_none, is_same, options, per_axis, unless_all
from netglot.pivot import ops
from netglot.pivot.op import shape_of
from netglot.pivot.windows import reach, spatial_axes
from netglot.source.spell import OMIT, Call, Layer, call, unless


@keras.arranges(ops.Conv, ops.ConvTranspose)
def arrange(op):
    order = channels_last(len(shape_of(op.x)), op.axis)
    return {"x": order, "out": order}


def _kernel(op) -> tuple[int, ...]:
    return shape_of(op.weight)[2:]


def is_depthwise(op) -> bool:
    """Whether each channel is convolved alone, and Keras has a layer for that.

    Keras has it in one and two dimensions and with equal strides.
    """
    alone = op.groups > 1 and shape_of(op.weight)[1] == 1 and op.groups == shape_of(op.x)[op.axis]
    return alone and len(op.stride) <= 2 and len(set(op.stride)) == 1


def is_causal(op) -> bool:
    """Whether the padding lies before the data only, and is as long as the kernel reaches back."""
    (kernel, *more), ((before, after), *_) = _kernel(op), op.padding
    return not more and not is_depthwise(op) and after == 0 and before == reach(kernel, op.dilation[0]) - 1


def padding_name(op) -> str | None:
    """Keras's name for the padding of a convolution, or None where it has none."""
    if is_none(op.padding):
        return "valid"
    if is_same(_kernel(op), op.stride, op.dilation, op.padding):
        return "same"
    return "causal" if is_causal(op) else None


@keras.lowers(ops.Conv)
def lower_conv(op):
    axes, rank = spatial_axes(len(shape_of(op.x)), op.axis), len(shape_of(op.x))
    if padding_name(op) is None:
        before, after = zip(*op.padding, strict=True)
        padded = ops.Pad(op.x, per_axis(rank, axes, before), per_axis(rank, axes, after), "constant", 0.0)
        return op.replace(x=padded, padding=((0, 0),) * len(axes))
    if is_depthwise(op) or max(op.stride) == 1 or max(op.dilation) == 1:
        return None
    return _without_stride(op, axes)


def _without_stride(op, axes):
    """Keras does not take strides together with dilation.

    Where the stride divides the dilation, the kernel only sees every stride-th element, so the input is thinned out
    before; elsewhere the result is, after.
    """
    x, stride, dilation = op.x, list(op.stride), list(op.dilation)
    if not is_none(op.padding):  # "causal" and "same" count in steps of the dilation
        before, after = zip(*op.padding, strict=True)
        rank = len(shape_of(x))
        x = ops.Pad(x, per_axis(rank, axes, before), per_axis(rank, axes, after), "constant", 0.0)
    for i, axis in enumerate(axes):
        if stride[i] > 1 and dilation[i] % stride[i] == 0:
            x = ops.Slice(x, axis, 0, shape_of(x)[axis], stride[i])
            stride[i], dilation[i] = 1, dilation[i] // stride[i]
    if max(stride) == 1 or max(dilation) == 1:
        return op.replace(x=x, stride=tuple(stride), padding=((0, 0),) * len(axes), dilation=tuple(dilation))
    y = op.replace(x=x, stride=(1,) * len(axes), padding=((0, 0),) * len(axes), dilation=tuple(dilation))
    for i, axis in enumerate(axes):
        if stride[i] > 1:
            y = ops.Slice(y, axis, 0, shape_of(y)[axis], stride[i])
    return y


@keras.writes(ops.Conv)
def conv(op):
    n = len(op.stride)
    window = options(
        strides=unless_all(op.stride, 1),
        padding=unless(padding_name(op), "valid"),
        dilation_rate=unless_all(op.dilation, 1),
    )
    bias = options(use_bias=unless(op.bias is not None, True))
    if is_depthwise(op):
        multiplier = shape_of(op.weight)[0] // op.groups
        apart = ops.Reshape(op.weight, (op.groups, multiplier, *_kernel(op)))
        return Layer(
            f"layers.DepthwiseConv{n}D",
            (op.x,),
            window | options(depth_multiplier=unless(multiplier, 1)) | bias,
            weights=_weights(op, ops.Permute(apart, (*range(2, n + 2), 0, 1))),
            arguments=(compact(_kernel(op)),),
            function=_function("ops.depthwise_conv", op, _apart(op, multiplier), window),
        )
    return Layer(
        f"layers.Conv{n}D",
        (op.x,),
        window | options(groups=unless(op.groups, 1)) | bias,
        weights=_weights(op, ops.Permute(op.weight, (*range(2, n + 2), 1, 0))),
        arguments=(shape_of(op.weight)[0], compact(_kernel(op))),
        function=_function("ops.conv", op, call("ops.transpose", op.weight, (*range(2, n + 2), 1, 0)), window),
    )


def _weights(op, kernel) -> dict:
    return {"kernel": kernel} | ({} if op.bias is None else {"bias": op.bias})


def _apart(op, multiplier: int) -> Call:
    apart = call("ops.reshape", op.weight, (op.groups, multiplier, *_kernel(op)))
    return call("ops.transpose", apart, (*range(2, len(op.stride) + 2), 0, 1))


def _function(name: str, op, kernel: Call, window: dict) -> Call | None:
    """The plain call, for a kernel that is computed rather than learnt. `ops.conv` knows no causal padding."""
    if window.get("padding") == "causal":
        return None
    made = Call(name, (op.x, kernel), window)
    return made if op.bias is None else call("ops.add", made, op.bias)


# Transposed convolution.


def _crops_as_same(op) -> bool:
    """Whether "same", which makes the size a multiple of the stride, crops what `op` crops."""
    plain = max(op.dilation) == 1 and not any(op.output_padding)
    return plain and all(
        k >= s and before == (k - s) // 2 and before + after == k - s
        for k, s, (before, after) in zip(_kernel(op), op.stride, op.padding, strict=True)
    )


def _is_plain(op) -> bool:
    """Whether Keras has this transposed convolution, up to cropping."""
    fits = all(extra < s for extra, s in zip(op.output_padding, op.stride, strict=True))
    return op.groups == 1 and max(op.dilation) == 1 and fits


@keras.lowers(ops.ConvTranspose)
def lower_conv_transpose(op):
    if not _is_plain(op):
        return _as_conv(op)
    if is_none(op.padding) or _crops_as_same(op):
        return None
    # Crop the full result. What output_padding asks for beyond the crop is added by Keras.
    extra = tuple(max(more - after, 0) for more, (_, after) in zip(op.output_padding, op.padding, strict=True))
    full = op.replace(padding=((0, 0),) * len(extra), output_padding=extra)
    sizes, wanted = shape_of(full), shape_of(op)
    for axis, (before, _) in zip(spatial_axes(len(sizes), op.axis), op.padding, strict=True):
        if before or sizes[axis] != wanted[axis]:
            full = ops.Slice(full, axis, before, before + wanted[axis], 1)
    return full


def _as_conv(op):
    """A transposed convolution is a convolution of `x`, spread out with zeros, with flipped kernels."""
    rank = len(shape_of(op.x))
    axes, x = spatial_axes(rank, op.axis), op.x
    for axis, step in zip(axes, op.stride, strict=True):
        x = _spread(x, axis, step)
    inputs, outputs, *kernel = shape_of(op.weight)
    apart = ops.Reshape(op.weight, (op.groups, inputs // op.groups, outputs, *kernel))
    swapped = ops.Permute(apart, (0, 2, 1, *range(3, 3 + len(kernel))))
    weight = ops.Reshape(swapped, (op.groups * outputs, inputs // op.groups, *kernel))
    weight = ops.Flip(weight, tuple(range(2, 2 + len(kernel))))
    reaches = [reach(k, d) - 1 for k, d in zip(kernel, op.dilation, strict=True)]
    padding = tuple(
        (r - before, r - after + extra)
        for r, (before, after), extra in zip(reaches, op.padding, op.output_padding, strict=True)
    )
    for i, axis in enumerate(axes):  # where more is cropped than the kernel reaches, the input is cropped
        before, after = (max(-p, 0) for p in padding[i])
        if before or after:
            x = ops.Slice(x, axis, before, shape_of(x)[axis] - after, 1)
    padding = tuple((max(before, 0), max(after, 0)) for before, after in padding)
    return ops.Conv(x, weight, op.bias, (1,) * len(axes), padding, op.dilation, op.groups, op.axis)


def _spread(x, axis: int, step: int):
    """`x` with `step - 1` zeros between its elements along `axis`."""
    if step == 1:
        return x
    shape = shape_of(x)
    rows = ops.Reshape(x, (*shape[: axis + 1], 1, *shape[axis + 1 :]))
    none = (0,) * (len(shape) + 1)
    after = (*none[: axis + 1], step - 1, *none[axis + 2 :])
    flat = ops.Reshape(
        ops.Pad(rows, none, after, "constant", 0.0), (*shape[:axis], shape[axis] * step, *shape[axis + 1 :])
    )
    return ops.Slice(flat, axis, 0, (shape[axis] - 1) * step + 1, 1)


@keras.writes(ops.ConvTranspose)
def conv_transpose(op):
    n, kernel = len(op.stride), _kernel(op)
    same = not is_none(op.padding)
    # Without output_padding Keras fills up to a multiple of the stride where the kernel is shorter than that.
    longer = any(op.output_padding) or any(k < s for k, s in zip(kernel, op.stride, strict=True))
    window = options(
        strides=unless_all(op.stride, 1),
        padding="same" if same else OMIT,
        output_padding=compact(op.output_padding) if longer else OMIT,
    )
    order = (*range(2, n + 2), 1, 0)
    made = Call("ops.conv_transpose", (op.x, call("ops.transpose", op.weight, order)), window)
    return Layer(
        f"layers.Conv{n}DTranspose",
        (op.x,),
        window | options(use_bias=unless(op.bias is not None, True)),
        weights=_weights(op, ops.Permute(op.weight, order)),
        arguments=(shape_of(op.weight)[1], compact(kernel)),
        function=made if op.bias is None else call("ops.add", made, op.bias),
    )
