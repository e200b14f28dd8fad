"""Convolution and transposed convolution.

`axis` is the channel axis of `x`; axis 0 is the batch, and the other axes are the spatial ones in order. Weights keep
one order of axes whatever the order in `x`. The convolution of neural networks is a correlation: no kernel is
flipped. A transposed convolution is the gradient of a convolution, so there the kernel does appear flipped.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np

from netglot.pivot.op import Axis, Op, Tensor, TensorType, dtype_of, rand, shape_of
from netglot.pivot.windows import Pairs, pad, reach, sizes_after, spatial_axes, windows


def _with_bias(y: np.ndarray, bias: np.ndarray | None, axis: int) -> np.ndarray:
    """`y`, channels first, plus the bias, with the channels moved to `axis`."""
    if bias is not None:
        y = y + bias.reshape(-1, *[1] * (y.ndim - 2))
    return np.moveaxis(y, 1, axis)


class Conv(Op):
    """Slides kernels over the spatial axes of `x`, padded with zeros, and sums over kernel and channels.

    `padding` holds how much is added before and after each spatial axis. With `groups`, consecutive blocks of output
    channels see consecutive blocks of input channels.
    """

    x: Tensor
    weight: Annotated[Tensor, "out in k..."]
    bias: Annotated[Tensor | None, "out"]
    stride: tuple[int, ...]
    padding: Pairs
    dilation: tuple[int, ...]
    groups: int
    axis: Axis

    layout = "along"

    def infer(self):
        shape, (out, _, *kernel) = shape_of(self.x), shape_of(self.weight)
        axes = spatial_axes(len(shape), self.axis)
        after = list(sizes_after(shape, axes, kernel, self.stride, self.padding, self.dilation))
        after[self.axis] = out
        return TensorType(dtype_of(self.x, self.weight, self.bias), tuple(after))

    def reference(self):
        x = np.moveaxis(self.x, self.axis, 1)
        kernel = self.weight.shape[2:]
        axes = range(2, x.ndim)
        seen = windows(pad(x, axes, self.padding), axes, kernel, self.stride, self.dilation)
        inputs = np.split(seen, self.groups, axis=1)
        kernels = np.split(self.weight, self.groups, axis=0)
        contract = [1, *range(x.ndim, seen.ndim)], [1, *range(2, self.weight.ndim)]
        parts = [np.moveaxis(np.tensordot(i, k, contract), -1, 1) for i, k in zip(inputs, kernels, strict=True)]
        return _with_bias(np.concatenate(parts, axis=1), self.bias, self.axis)

    cases = [
        dict(
            x=rand(batch, channels, *sizes),
            weight=rand(out, channels // groups, *kernel, seed=1),
            bias=rand(out, seed=2) if bias else None,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            axis=1,
        )
        for batch, channels, sizes, out, kernel, bias, stride, padding, dilation, groups in [
            (3, 3, (9, 8), 4, (3, 3), True, (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
            (1, 3, (9, 8), 4, (7, 7), False, (2, 2), ((3, 3), (3, 3)), (1, 1), 1),
            (2, 4, (7, 9), 6, (3, 2), True, (2, 1), ((0, 1), (0, 1)), (1, 1), 2),
            (2, 4, (9, 9), 4, (3, 3), True, (1, 1), ((2, 2), (2, 2)), (2, 2), 4),
            (2, 3, (9, 9), 6, (3, 3), False, (2, 2), ((1, 1), (1, 1)), (1, 1), 3),
            (2, 3, (9, 9), 6, (3, 3), True, (2, 1), ((1, 1), (1, 1)), (1, 1), 3),
            (2, 3, (11, 10), 4, (3, 3), True, (2, 2), ((2, 2), (2, 2)), (2, 2), 1),
            (2, 3, (11, 10), 4, (3, 3), True, (2, 3), ((2, 2), (0, 3)), (3, 1), 1),
            (2, 3, (11, 10), 3, (3, 3), True, (2, 2), ((2, 2), (2, 2)), (2, 2), 3),
            (2, 3, (6, 6), 4, (2, 2), True, (1, 1), ((0, 1), (0, 1)), (1, 1), 1),
            (2, 3, (6, 6), 4, (1, 1), False, (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
            (2, 4, (11,), 6, (3,), True, (1,), ((4, 0),), (2,), 2),
            (3, 4, (11,), 4, (5,), False, (2,), ((2, 2),), (1,), 4),
            (1, 2, (5, 6, 7), 4, (3, 2, 3), True, (1, 2, 1), ((1, 1), (0, 0), (1, 1)), (1, 1, 1), 1),
            (2, 4, (5, 6, 5), 4, (3, 3, 3), True, (1, 1, 1), ((1, 1), (1, 1), (1, 1)), (1, 1, 1), 2),
        ]
    ] + [
        dict(
            x=rand(2, 7, 6, 4),
            weight=rand(5, 4, 3, 3, seed=1),
            bias=rand(5),
            stride=(2, 2),
            padding=((1, 1), (1, 1)),
            dilation=(1, 1),
            groups=1,
            axis=3,
        )
    ]


class ConvTranspose(Op):
    """Adds the kernels, each times one element of `x`, at places `stride` apart, and crops the sum by `padding`.

    `output_padding` makes the result longer at the end of each axis: less is cropped there, or zeros are added.
    """

    x: Tensor
    weight: Annotated[Tensor, "in out k..."]
    bias: Annotated[Tensor | None, "out"]
    stride: tuple[int, ...]
    padding: Pairs
    output_padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    axis: Axis

    layout = "along"

    def infer(self):
        shape, (_, out, *kernel) = shape_of(self.x), shape_of(self.weight)
        after = list(shape)
        for i, axis in enumerate(spatial_axes(len(shape), self.axis)):
            full = (shape[axis] - 1) * self.stride[i] + reach(kernel[i], self.dilation[i])
            after[axis] = full - sum(self.padding[i]) + self.output_padding[i]
        after[self.axis] = out * self.groups
        return TensorType(dtype_of(self.x, self.weight, self.bias), tuple(after))

    def reference(self):
        x = np.moveaxis(self.x, self.axis, 1)
        kernel = self.weight.shape[2:]
        full = [
            (n - 1) * s + reach(k, d)
            for n, s, k, d in zip(x.shape[2:], self.stride, kernel, self.dilation, strict=True)
        ]
        parts = []
        for part, weight in zip(
            np.split(x, self.groups, axis=1), np.split(self.weight, self.groups, axis=0), strict=True
        ):
            y = np.zeros((len(x), weight.shape[1], *full), x.dtype)
            for offset in np.ndindex(*kernel):
                starts = [o * d for o, d in zip(offset, self.dilation, strict=True)]
                place = [
                    slice(a, a + (n - 1) * s + 1, s) for a, n, s in zip(starts, x.shape[2:], self.stride, strict=True)
                ]
                y[:, :, *place] += np.einsum("ni...,io->no...", part, weight[:, :, *offset])
            parts.append(y)
        crop = [
            (-before, extra - after) for (before, after), extra in zip(self.padding, self.output_padding, strict=True)
        ]
        y = pad(np.concatenate(parts, axis=1), range(2, x.ndim), crop)
        return _with_bias(y, self.bias, self.axis)

    cases = [
        dict(
            x=rand(batch, channels, *sizes),
            weight=rand(channels, out, *kernel, seed=1),
            bias=rand(out * groups, seed=2) if bias else None,
            stride=stride,
            padding=tuple((p, p) for p in padding),
            output_padding=output_padding,
            dilation=dilation,
            groups=groups,
            axis=1,
        )
        for batch, channels, sizes, out, kernel, bias, stride, padding, output_padding, dilation, groups in [
            (2, 3, (5, 4), 4, (2, 2), True, (2, 2), (0, 0), (0, 0), (1, 1), 1),
            (2, 3, (5, 4), 4, (4, 4), False, (2, 2), (1, 1), (0, 0), (1, 1), 1),
            (1, 3, (5, 4), 4, (3, 3), True, (2, 2), (1, 1), (1, 1), (1, 1), 1),
            (2, 3, (5, 4), 4, (3, 2), True, (2, 3), (0, 0), (1, 2), (1, 1), 1),
            (2, 3, (5, 4), 4, (3, 3), True, (1, 1), (1, 1), (0, 0), (2, 2), 1),
            (2, 3, (5, 4), 4, (3, 3), True, (2, 2), (1, 0), (1, 0), (2, 3), 1),
            (2, 4, (5, 4), 3, (3, 3), True, (2, 2), (1, 1), (1, 1), (1, 1), 2),
            (2, 4, (5, 4), 1, (4, 4), False, (2, 2), (1, 1), (0, 0), (1, 1), 4),
            (3, 3, (6,), 4, (3,), True, (3,), (1,), (1,), (1,), 1),
            (1, 2, (3, 4, 3), 3, (3, 2, 3), True, (2, 2, 1), (1, 0, 1), (1, 0, 0), (1, 1, 1), 1),
        ]
    ]
