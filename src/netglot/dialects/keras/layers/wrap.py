"""Layers around other layers, and layers of the user's own code."""

from __future__ import annotations

from typing import Any

from netglot.dialects.keras.dialect import keras
from netglot.errors import never
from netglot.pivot import ops
from netglot.pivot.op import shape_of


@keras.reads("layers.TimeDistributed")
def time_distributed(layer, inputs, mask=None):
    """The inner layer on every step: steps and batch become one axis, and part again behind it."""
    batch, time, *rest = shape_of(inputs)
    options = {}
    if mask is not None and layer.layer._call_has_mask_arg:
        options["mask"] = layer.emit(ops.Reshape(mask, (batch * time, *shape_of(mask)[2:])))
    folded = ops.Reshape(inputs, (batch * time, *rest))
    inner = layer.apply(layer.layer, folded, **options)
    if isinstance(inner, list | tuple):
        return type(inner)(_parted(one, batch, time) for one in inner)
    return _parted(inner, batch, time)


def _parted(x: Any, batch: Any, time: Any) -> Any:
    return ops.Reshape(x, (batch, time, *shape_of(x)[1:]))


for _name, _why in {
    "JaxLayer": "the layer runs a JAX function; convert that function from JAX",
    "FlaxLayer": "the layer runs a Flax module; convert that module from Flax",
    "TorchModuleWrapper": "the layer runs a PyTorch module; convert that module from PyTorch",
    "Layer": "the base class of layers computes nothing",
    "Wrapper": "the base class of wrappers computes nothing",
    "InputSpec": "a description of inputs, not a layer",
    "InputLayer": "the place of an input computes nothing",
    "TFSMLayer": "the layer runs a SavedModel; convert that SavedModel",
}.items():
    keras.refuses_reading(f"layers.{_name}", never(_why))
