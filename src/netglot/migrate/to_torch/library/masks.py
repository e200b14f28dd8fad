"""Layers of the user that take masks, make them, or hand them on."""

import inspect

import torch

from netglot.migrate.to_torch.library.dense import masked
from netglot.migrate.to_torch.library.symbols import Layer, Symbol


class MaskingLayer(Layer):
    """A layer that is given the mask of its input, and whose output has the mask that `compute_mask` says."""

    supports_masking = False

    def compute_mask(self, inputs, mask=None):
        """The mask of the output."""
        return mask if self.supports_masking else None

    def __call__(self, *args, **options):
        if any(isinstance(one, Symbol) for one in args):
            return super().__call__(*args, **options)
        before = options.get("mask", getattr(args[0], "mask", None))
        if before is not None and "mask" in inspect.signature(self.forward).parameters:
            options["mask"] = before
        made = super().__call__(*args, **options)
        mask = self.compute_mask(args[0], before)
        return masked(made, mask) if mask is not None and isinstance(made, torch.Tensor) else made
