"""Convolution as PyTorch spells it: channels at axis 1, the kernel's axes last, the same padding on both sides."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.windows import batched, both_sides, each
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.op import shape_of
from netglot.pivot.windows import reach


def _known(groups):
    """The number of groups, which the graph has to know; where each example has its own weights, it is the batch."""
    if isinstance(groups, Dim):
        raise Refusal(
            notimpl(
                "a convolution whose number of groups depends on a size of the input",
                "pin that size with an exclamation mark: --input '2!,3,64,64'",
            )
        )
    return groups


def _conv(x, weight, bias, stride, padding, dilation, groups):
    kernel = shape_of(weight)[2:]
    n = len(kernel)
    stride, dilation = each(stride, n), each(dilation, n)
    if isinstance(padding, str):
        # "same" puts the odd one after the data, and PyTorch has it for stride 1 only.
        spread = [reach(k, d) - 1 if padding == "same" else 0 for k, d in zip(kernel, dilation, strict=True)]
        pairs = tuple((total // 2, total - total // 2) for total in spread)
    else:
        pairs = both_sides(padding, n)
    return batched(x, n + 2, lambda x: ops.Conv(x, weight, bias, stride, pairs, dilation, _known(groups), axis=1))


def _conv_transpose(x, weight, bias, stride, padding, output_padding, dilation, groups):
    n = len(shape_of(weight)) - 2
    window = each(stride, n), both_sides(padding, n), each(output_padding, n), each(dilation, n)
    return batched(x, n + 2, lambda x: ops.ConvTranspose(x, weight, bias, *window, _known(groups), axis=1))


@torch.reads("aten.conv1d.default", "aten.conv2d.default", "aten.conv3d.default")
def conv(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    return _conv(input, weight, bias, stride, padding, dilation, groups)


@torch.reads("aten.conv1d.padding", "aten.conv2d.padding", "aten.conv3d.padding")
def conv_padding(input, weight, bias=None, stride=1, padding="valid", dilation=1, groups=1):
    return _conv(input, weight, bias, stride, padding, dilation, groups)


@torch.reads("aten.conv_transpose1d.default", "aten.conv_transpose2d.input", "aten.conv_transpose3d.input")
def conv_transpose(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    return _conv_transpose(input, weight, bias, stride, padding, output_padding, dilation, groups)


@torch.reads("aten.convolution.default")
def convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    if transposed:
        return _conv_transpose(input, weight, bias, stride, padding, output_padding, dilation, groups)
    return _conv(input, weight, bias, stride, padding, dilation, groups)


@torch.reads("aten._convolution.default")
def _convolution(
    input,
    weight,
    bias,
    stride,
    padding,
    dilation,
    transposed,
    output_padding,
    groups,
    benchmark,
    deterministic,
    cudnn_enabled,
    allow_tf32,
):
    return convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups)


@torch.reads("aten.conv_tbc.default")
def conv_tbc(self, weight, bias, pad=0):
    # Time, batch, channels; the kernel is (width, in, out).
    x, kernel = ops.Permute(self, (1, 2, 0)), ops.Permute(weight, (2, 1, 0))
    return ops.Permute(ops.Conv(x, kernel, bias, (1,), ((pad, pad),), (1,), 1, axis=1), (2, 0, 1))
