"""Pools."""

from __future__ import annotations

from netglot.dialects.paddle.dialect import paddle
from netglot.dialects.paddle.known import known
from netglot.dialects.paddle.ops.conv import padding, spatial, steps
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.op import shape_of

Known = object


@paddle.reads("pool2d", "pool3d", "lp_pool2d")
def pool(node, x, kernel: Known = None):
    axes = spatial(node, x)
    rank, kind = len(axes), node.text("pooling_type", "max") if node.type != "lp_pool2d" else "lp"
    sizes = tuple(shape_of(x)[a] for a in axes)
    window = node.sizes(kernel, "a window") if kernel is not None else _kernel(node)
    window = window * rank if len(window) == 1 else window
    if len(window) != rank or kind not in ("max", "avg", "lp"):
        raise InputError(f"{node.type}: windows of {list(window)} on {rank} axes")
    if node.flag("adaptive"):
        wanted = tuple(size if one == -1 else one for one, size in zip(window, sizes, strict=True))
        if set(wanted) == {1} or kind == "lp":
            return _whole(x, axes, kind)
        return (ops.AdaptiveAvgPool if kind == "avg" else ops.AdaptiveMaxPool)(x, wanted, axes)
    if node.flag("global_pooling"):
        return _whole(x, axes, kind)
    if any(not isinstance(one, int) or one < 1 for one in window):
        raise InputError(f"{node.type}: windows of {list(window)}")
    stride, ceil = steps(node, "strides", rank), node.flag("ceil_mode")
    pads = padding(node, x, window, stride, (1,) * rank)
    if ceil:
        _same_count(sizes, window, stride, pads)
    if kind == "max":
        return ops.MaxPool(x, window, stride, pads, (1,) * rank, ceil, axes)
    if kind == "lp":
        if any(sum(pair) for pair in pads):
            raise Refusal(notimpl("a pool of norms with padding"))
        return ops.LpPool(x, node.number("norm_type", 2.0), window, stride, ceil, axes)
    exclusive = node.flag("exclusive", True)
    return ops.AvgPool(x, window, stride, pads, ceil, not exclusive, None, axes)


def _kernel(node) -> tuple[int, ...]:
    """The window as an attribute, which each version and each operator calls otherwise."""
    return node.integers("kernel_size") or node.integers("ksize")


def _whole(x, axes, kind):
    """The pool of all there is."""
    if kind == "lp":
        raise Refusal(notimpl("a pool of norms over everything"))
    return (ops.Mean if kind == "avg" else ops.Max)(x, axes, True)


def _same_count(sizes, kernel, stride, pads) -> None:
    """Asserts that no window, counted upwards, stands in the padding alone.

    Raises:
        Refusal: one does.
    """
    for size, k, s, (before, after) in zip(sizes, kernel, stride, pads, strict=True):
        if isinstance(size, Dim):
            if before or after:
                raise Refusal(notimpl("windows that are counted upwards on a size that is not known"))
            continue
        count = -(-(size + before + after - k) // s) + 1
        if (count - 1) * s >= size + before:
            raise Refusal(notimpl("a window that lies in the padding alone"))


@paddle.reads("max_pool2d_with_index", "max_pool3d_with_index")
def pool_with_index(node, x, kernel: Known = None):
    rank = len(shape_of(x)) - 2
    axes = tuple(range(2, rank + 2))
    window = node.sizes(kernel, "a window") if known(kernel) else _kernel(node)
    if node.flag("global_pooling"):
        return [ops.Max(x, axes, True), None]
    if node.flag("adaptive"):
        return [ops.AdaptiveMaxPool(x, window, axes), None]
    stride, pads = steps(node, "strides", rank), padding(node, x, window, steps(node, "strides", rank), (1,) * rank)
    dilation, ceil = (1,) * rank, node.flag("ceil_mode")
    if ceil:
        _same_count(tuple(shape_of(x)[a] for a in axes), window, stride, pads)
    return [
        ops.MaxPool(x, window, stride, pads, dilation, ceil, axes),
        ops.MaxPoolIndices(x, window, stride, pads, dilation, ceil, axes),
    ]


@paddle.reads("unpool")
def unpool(node, x, indices, size: Known = None):
    wanted = node.sizes(size, "sizes") if size is not None else node.integers("output_size")
    return ops.MaxUnpool(x, indices, tuple(wanted), (2, 3))
