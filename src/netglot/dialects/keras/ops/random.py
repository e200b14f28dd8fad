"""Keras's dropouts: layers, also where the source called a function, because they hold the state of the generator."""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.pivot import ops
from netglot.pivot.op import shape_of
from netglot.source.spell import Layer

_SPATIAL = {3: "layers.SpatialDropout1D", 4: "layers.SpatialDropout2D", 5: "layers.SpatialDropout3D"}
"""The layers that drop whole feature maps, by the rank of their input; channels are last."""


def _noise_shape(op) -> dict:
    """The option that says which axes share one decision; nothing where none do."""
    rank = len(shape_of(op.x))
    if len(op.noise_axes) == rank:
        return {}
    return {"noise_shape": tuple(None if axis in op.noise_axes else 1 for axis in range(rank))}


@keras.writes(ops.Dropout)
def dropout(op):
    rank = len(shape_of(op.x))
    if rank in _SPATIAL and tuple(op.noise_axes) == (0, rank - 1):
        return Layer(_SPATIAL[rank], (op.x,), arguments=(op.rate,))
    return Layer("layers.Dropout", (op.x,), arguments=(op.rate,), options=_noise_shape(op))


@keras.writes(ops.AlphaDropout)
def alpha_dropout(op):
    return Layer("layers.AlphaDropout", (op.x,), arguments=(op.rate,), options=_noise_shape(op))
