"""Normalisation: shifting and scaling so that means are 0 and variances 1, over different sets of axes.

Statistics use the biased variance (the mean of squares), and `epsilon` is added to the variance before the root is
taken.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np

from netglot.pivot.op import Along, Axes, Axis, Tensor, rand


def _along(vector: np.ndarray, axes: tuple[int, ...], rank: int) -> np.ndarray:
    """`vector`, whose axes are `axes` of a tensor of this rank, shaped so that it broadcasts against it."""
    order = np.argsort(axes)
    shape = [1] * rank
    for axis, size in zip(axes, vector.shape, strict=True):
        shape[axis] = size
    return vector.transpose(order).reshape(shape)


def _affine(y, scale, offset, axes):
    """`y * scale + offset`, with either absent."""
    if scale is not None:
        y = y * _along(scale, axes, y.ndim)
    return y if offset is None else y + _along(offset, axes, y.ndim)


def _standard(x, axes, epsilon):
    """`x` with mean 0 and variance 1 over `axes`."""
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon)


class BatchNorm(Along):
    """Normalises each channel by running statistics; in training by those of the batch, which update them.

    `momentum` is the weight of the new value in the running statistics, None for the average of all values so far.
    With `unbiased` the running variance is updated by the variance with `n - 1` in the denominator; frameworks differ
    there, which shows in the state after training and not in what a step computes. Without `mean` and `variance`
    the batch's own statistics are used, in inference too.
    """

    x: Tensor
    scale: Annotated[Tensor | None, "channel"]
    offset: Annotated[Tensor | None, "channel"]
    mean: Annotated[Tensor | None, "channel"]
    variance: Annotated[Tensor | None, "channel"]
    epsilon: float
    momentum: float | None
    unbiased: bool
    axis: Axis

    def _others(self) -> tuple[int, ...]:
        return tuple(axis for axis in range(self.x.ndim) if axis != self.axis)

    def reference(self):
        if self.mean is None:
            y = _standard(self.x, self._others(), self.epsilon)
        else:
            mean, variance = (_along(one, (self.axis,), self.x.ndim) for one in (self.mean, self.variance))
            y = (self.x - mean) / np.sqrt(variance + self.epsilon)
        return _affine(y, self.scale, self.offset, (self.axis,))

    def training_reference(self):
        y = _affine(_standard(self.x, self._others(), self.epsilon), self.scale, self.offset, (self.axis,))
        if self.mean is None or self.momentum is None:
            return y
        mean, variance = self.x.mean(self._others()), self.x.var(self._others(), ddof=int(self.unbiased))
        old, new = 1 - self.momentum, self.momentum
        return y, old * self.mean + new * mean, old * self.variance + new * variance

    cases = [
        dict(
            x=rand(*shape),
            scale=rand(3, seed=1) if affine else None,
            offset=rand(3, seed=2) if affine else None,
            mean=rand(3, seed=3) if running else None,
            variance=rand(3, seed=4, low=0.1) if running else None,
            epsilon=epsilon,
            momentum=momentum,
            unbiased=True,
            axis=axis,
        )
        for shape, affine, running, epsilon, momentum, axis in [
            ((2, 3, 4, 5), True, True, 1e-5, 0.1, 1),
            ((1, 3, 4), True, True, 1e-3, 0.01, 1),
            ((4, 5, 3), False, True, 0.1, 0.3, 2),
            ((3, 3), True, True, 1e-3, 0.1, 1),
            ((2, 3, 4, 5), True, False, 1e-3, 0.1, 1),
            ((2, 3, 2, 4, 5), False, False, 1e-5, 0.1, 1),
        ]
    ]


class LayerNorm(Along):
    """Normalises over `axes`. `scale` and `offset` have those axes, in that order."""

    x: Tensor
    scale: Annotated[Tensor | None, "features..."]
    offset: Annotated[Tensor | None, "features..."]
    epsilon: float
    axes: Axes

    def reference(self):
        return _affine(_standard(self.x, self.axes, self.epsilon), self.scale, self.offset, self.axes)

    cases = [
        dict(
            x=rand(*shape) + 3,
            scale=rand(*(shape[a] for a in axes), seed=1) if scale else None,
            offset=rand(*(shape[a] for a in axes), seed=2) if offset else None,
            epsilon=epsilon,
            axes=axes,
        )
        for shape, axes, scale, offset, epsilon in [
            ((2, 3, 4), (2,), True, True, 1e-5),
            ((2, 3, 4), (1, 2), True, True, 1e-3),
            ((2, 3, 4), (2, 1), True, True, 1e-3),
            ((2, 3, 4, 5), (3, 1, 2), True, True, 1e-6),
            ((1, 3, 4), (1,), True, False, 1e-6),
            ((2, 3, 4), (2,), False, False, 0.1),
        ]
    ]


class RmsNorm(Along):
    """Divides by the root of the mean square over `axes`. `scale` has those axes, in that order."""

    x: Tensor
    scale: Annotated[Tensor | None, "features..."]
    epsilon: float
    axes: Axes

    def reference(self):
        square = np.mean(self.x**2, self.axes, keepdims=True)
        return _affine(self.x / np.sqrt(square + self.epsilon), self.scale, None, self.axes)

    cases = [
        dict(x=rand(*shape), scale=rand(*(shape[a] for a in axes), seed=1) if scale else None, epsilon=e, axes=axes)
        for shape, axes, scale, e in [
            ((2, 3, 4), (2,), True, 1e-6),
            ((2, 3, 4), (1, 2), True, 1e-5),
            ((2, 3, 4), (1,), True, 1e-3),
            ((2, 3, 4, 5), (3, 1), True, 1e-3),
            ((2, 3, 4), (2,), False, 0.1),
        ]
    ]


class GroupNorm(Along):
    """Normalises each of `groups` blocks of channels over the block and all axes but the batch (axis 0)."""

    x: Tensor
    scale: Annotated[Tensor | None, "channel"]
    offset: Annotated[Tensor | None, "channel"]
    groups: int
    epsilon: float
    axis: Axis

    def reference(self):
        x = np.moveaxis(self.x, self.axis, 1)
        blocks = x.reshape(len(x), self.groups, -1)
        y = _standard(blocks, (2,), self.epsilon).reshape(x.shape)
        return _affine(np.moveaxis(y, 1, self.axis), self.scale, self.offset, (self.axis,))

    cases = [
        dict(
            x=rand(*shape),
            scale=rand(6, seed=1) if affine else None,
            offset=rand(6, seed=2) if affine else None,
            groups=groups,
            epsilon=epsilon,
            axis=axis,
        )
        for shape, groups, affine, epsilon, axis in [
            ((2, 6, 4, 5), 3, True, 1e-5, 1),
            ((2, 4, 5, 6), 2, True, 1e-3, 3),
            ((1, 6, 5), 1, True, 1e-6, 1),
            ((3, 6), 3, False, 0.1, 1),
            ((2, 6, 3, 2, 2), 6, True, 1e-3, 1),
        ]
    ]


class InstanceNorm(Along):
    """Normalises each channel of each sample over the other axes; axis 0 is the batch."""

    x: Tensor
    scale: Annotated[Tensor | None, "channel"]
    offset: Annotated[Tensor | None, "channel"]
    epsilon: float
    axis: Axis

    def reference(self):
        axes = tuple(axis for axis in range(1, self.x.ndim) if axis != self.axis)
        return _affine(_standard(self.x, axes, self.epsilon), self.scale, self.offset, (self.axis,))

    cases = [
        dict(
            x=rand(*shape),
            scale=rand(3, seed=1) if affine else None,
            offset=rand(3, seed=2) if affine else None,
            epsilon=epsilon,
            axis=axis,
        )
        for shape, affine, epsilon, axis in [
            ((2, 3, 4, 5), True, 1e-5, 1),
            ((2, 4, 5, 3), False, 1e-3, 3),
            ((1, 3, 7), False, 0.1, 1),
        ]
    ]


class LocalResponseNorm(Along):
    """Divides by `(k + alpha / size * sum of squares) ** beta`, summed over `size` neighbouring channels.

    Of an even number of neighbours, one more lies before the channel than after it.
    """

    x: Tensor
    size: int
    alpha: float
    beta: float
    k: float
    axis: Axis

    def reference(self):
        square = np.moveaxis(self.x, self.axis, -1) ** 2
        around = [(0, 0)] * (square.ndim - 1) + [(self.size // 2, (self.size - 1) // 2)]
        seen = np.lib.stride_tricks.sliding_window_view(np.pad(square, around), self.size, -1).sum(-1)
        return self.x / np.moveaxis(self.k + self.alpha / self.size * seen, -1, self.axis) ** self.beta

    cases = [
        dict(x=rand(2, 6, 3, 4), size=size, alpha=alpha, beta=beta, k=k, axis=1)
        for size, alpha, beta, k in [(5, 1e-4, 0.75, 1.0), (4, 0.5, 0.5, 2.0), (3, 1.0, 0.75, 1.0)]
    ]


class Normalize(Along):
    """Divides by the p-norm along `axis`, but at least by `epsilon`."""

    x: Tensor
    p: float
    axis: Axis
    epsilon: float

    def reference(self):
        norm = np.linalg.norm(self.x, self.p, self.axis, keepdims=True)
        return self.x / np.maximum(norm, self.epsilon)

    cases = [
        dict(x=x, p=p, axis=axis, epsilon=epsilon)
        for x, p, axis, epsilon in [
            (rand(2, 3, 4), 2.0, 1, 1e-12),
            (rand(2, 3) * 1e-7, 2.0, 1, 1e-12),
            (rand(2, 3), 2.0, 1, 1.5),
            (rand(2, 3, 4), 1.0, 2, 1e-12),
            (rand(2, 3, 4), 3.0, 0, 1e-12),
            (rand(2, 3, 4), 0.5, 1, 1e-12),
            (rand(2, 3, 4), float("inf"), 1, 1e-12),
            (np.zeros((2, 3)), 2.0, 1, 1e-12),
        ]
    ]
