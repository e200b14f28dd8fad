"""Random masking in training. Inference passes everything through."""

from __future__ import annotations

from netglot.pivot.op import Along, Axes, Tensor, rand


class Dropout(Along):
    """In training, zeroes elements with probability `rate` and divides the others by `1 - rate` (Srivastava, 2014).

    One decision is drawn for each place of `noise_axes` and holds for all places of the other axes: all axes is the
    ordinary dropout, batch and channels drop whole feature maps, the batch alone whole samples.
    """

    x: Tensor
    rate: float
    noise_axes: Axes
    random = True

    def reference(self):
        return self.x

    cases = [
        dict(x=rand(3, 4), rate=0.5, noise_axes=(0, 1)),
        dict(x=rand(3, 4), rate=0.0, noise_axes=(0, 1)),
        dict(x=rand(3, 5, 4), rate=0.25, noise_axes=(0, 2)),
        dict(x=rand(3, 4, 5), rate=0.25, noise_axes=(0, 1)),
        dict(x=rand(3, 5, 6, 4), rate=0.25, noise_axes=(0, 3)),
        dict(x=rand(3, 4, 5, 6), rate=0.25, noise_axes=(0,)),
        dict(x=rand(3, 5, 6, 2, 4), rate=0.25, noise_axes=(0, 4)),
    ]


class AlphaDropout(Along):
    """Dropout that keeps mean and variance of what `Selu` yields (Klambauer et al., 2017). Axes as in `Dropout`."""

    x: Tensor
    rate: float
    noise_axes: Axes
    random = True

    def reference(self):
        return self.x

    cases = [
        dict(x=rand(3, 4), rate=0.5, noise_axes=(0, 1)),
        dict(x=rand(3, 5, 4), rate=0.25, noise_axes=(0, 2)),
    ]
