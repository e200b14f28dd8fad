"""Convolutions, and what cuts images into patches."""

from __future__ import annotations

from netglot.dialects.paddle.dialect import paddle
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.op import shape_of

Known = object


def channel_axis(node, x) -> int:
    """The axis of the channels, by the attribute that names the order of axes."""
    order = node.text("data_format") or node.text("data_layout") or "NCHW"
    return len(shape_of(x)) - 1 if order.endswith("C") and order != "NC" else 1


def spatial(node, x) -> tuple[int, ...]:
    """The axes of an image that are neither batch nor channels."""
    axis = channel_axis(node, x)
    return tuple(a for a in range(1, len(shape_of(x))) if a != axis)


def padding(node, x, kernel, stride, dilation) -> tuple[tuple[int, int], ...]:
    """How far each side is padded.

    Raises:
        Refusal: it depends on a size that is not known.
    """
    algorithm, rank = node.text("padding_algorithm", "EXPLICIT"), len(kernel)
    if algorithm == "VALID":
        return ((0, 0),) * rank
    if algorithm == "SAME":
        made = []
        for axis, k, s, d in zip(spatial(node, x), kernel, stride, dilation, strict=True):
            size = shape_of(x)[axis]
            if isinstance(size, Dim) and s != 1:
                raise Refusal(notimpl("padding that depends on a size that is not known", "fix the inputs' sizes"))
            total = max((-(-size // s) - 1) * s + d * (k - 1) + 1 - size, 0) if s != 1 else d * (k - 1)
            made.append((total // 2, total - total // 2))
        return tuple(made)
    held = node.integers("paddings", (0,) * rank)
    held = held * rank if len(held) == 1 else held
    if min(held, default=0) < 0 or len(held) not in (rank, 2 * rank):
        raise InputError(f"{node.type}: the paddings {list(held)}")
    return tuple(zip(held[::2], held[1::2], strict=True)) if len(held) == 2 * rank else tuple((p, p) for p in held)


def steps(node, name: str, rank: int) -> tuple[int, ...]:
    """Strides or dilations, one an axis.

    Raises:
        InputError: there are as many as no axes, or some are not positive.
    """
    held = node.integers(name, (1,) * rank) or (1,) * rank
    held = held * rank if len(held) == 1 else held
    if len(held) != rank or min(held) < 1:
        raise InputError(f"{node.type}: the {name} {list(held)}")
    return held


@paddle.reads("conv2d", "depthwise_conv2d", "conv3d")
def conv(node, x, filter, bias=None):
    weight = node.weight(filter, "weight")
    shape = shape_of(weight)
    rank, groups, axis = len(shape) - 2, node.integer("groups", 1), channel_axis(node, x)
    if rank < 1 or len(shape_of(x)) != rank + 2 or groups < 1 or shape_of(x)[axis] != shape[1] * groups:
        raise InputError(f"{node.type}: {list(shape_of(x))} and a weight of {list(shape)} in {groups} groups")
    stride, dilation = steps(node, "strides", rank), steps(node, "dilations", rank)
    if node.text("padding_algorithm") == "SAME":
        dilation = (1,) * rank
    pads = padding(node, x, shape[2:], stride, dilation)
    held = None if bias is None else node.weight(bias, "bias", shape[:1])
    return ops.Conv(x, weight, held, stride, pads, dilation, groups, axis)


def _transposed(node, x, filter, bias, output_size):
    weight = node.weight(filter, "weight")
    shape = shape_of(weight)
    rank, groups, axis = len(shape) - 2, node.integer("groups", 1), channel_axis(node, x)
    if rank < 1 or len(shape_of(x)) != rank + 2 or groups < 1 or shape_of(x)[axis] != shape[0]:
        raise InputError(f"{node.type}: {list(shape_of(x))} and a weight of {list(shape)} in {groups} groups")
    stride, dilation = steps(node, "strides", rank), steps(node, "dilations", rank)
    if node.text("padding_algorithm") == "SAME":
        raise Refusal(notimpl("a transposed convolution with padding SAME"))
    pads = padding(node, x, shape[2:], stride, dilation)
    more = node.integers("output_padding") or (0,) * rank
    wanted = () if output_size is None else node.sizes(output_size, "sizes")
    if wanted:
        sizes = zip(wanted, spatial(node, x), shape[2:], stride, pads, dilation, strict=True)
        more = tuple(w - ((shape_of(x)[a] - 1) * s - p[0] - p[1] + d * (k - 1) + 1) for w, a, k, s, p, d in sizes)
        if any(not isinstance(m, int) or not 0 <= m < s for m, s in zip(more, stride, strict=True)):
            raise Refusal(notimpl(f"a transposed convolution to the size {list(wanted)}"))
    held = None if bias is None else node.weight(bias, "bias", (shape[1] * groups,))
    return ops.ConvTranspose(x, weight, held, stride, pads, more, dilation, groups, axis)


@paddle.reads("conv2d_transpose", "depthwise_conv2d_transpose")
def conv_transpose(node, x, filter, output_size: Known = None):
    return _transposed(node, x, filter, None, output_size)


@paddle.reads("conv2d_transpose_bias")
def conv_transpose_bias(node, x, filter, bias, output_size: Known = None):
    return _transposed(node, x, filter, bias, output_size)


@paddle.reads("conv3d_transpose")
def conv3d_transpose(node, x, filter):
    sizes = node.integers("output_size")
    return _transposed(node, x, filter, None, list(sizes) if sizes else None)


def _four(node, name: str, default: int) -> tuple[tuple[int, int], tuple[int, int]]:
    held = node.integers(name, (default,) * 2)
    held = held * 4 if len(held) == 1 else held * 2 if len(held) == 2 else held
    return ((held[0], held[2]), (held[1], held[3]))


@paddle.reads("unfold")
def unfold(node, x):
    kernel, stride = node.integers("kernel_sizes"), steps(node, "strides", 2)
    pads = _four(node, "paddings", 0)
    if any(a != b for a, b in pads):
        x, pads = (
            ops.Pad(x, (0, 0, *(p[0] for p in pads)), (0, 0, *(p[1] for p in pads)), "constant", 0.0),
            ((0, 0),) * 2,
        )
    return ops.Unfold(x, kernel, stride, tuple(p[0] for p in pads), steps(node, "dilations", 2))


@paddle.reads("fold")
def fold(node, x):
    pads = _four(node, "paddings", 0)
    if any(a != b for a, b in pads):
        raise Refusal(notimpl("a fold whose padding is uneven"))
    return ops.Fold(
        x, node.integers("output_sizes"), node.integers("kernel_sizes"), steps(node, "strides", 2),
        tuple(p[0] for p in pads), steps(node, "dilations", 2),
    )  # fmt: skip


paddle.refuses_reading("deformable_conv", notimpl("a deformable convolution"))
