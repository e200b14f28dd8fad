"""Pooling: windows, global and adaptive."""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.functions import windows
from netglot.dialects.keras.functions.axes import per_axis, rank
from netglot.dialects.keras.functions.neural import adaptive
from netglot.pivot import ops
from netglot.pivot.op import shape_of, type_of

_KINDS = {"Max": ops.MaxPool, "Average": ops.AvgPool}


def _windowed(op):
    def read(layer, inputs):
        return windows.pool(op, inputs, layer.pool_size, layer.strides, layer.padding, layer.data_format)

    return read


def _global(op):
    def read(layer, inputs):
        return op(inputs, windows.spatial_axes_of(rank(inputs), layer.data_format), bool(layer.keepdims))

    return read


def _adaptive(op):
    def read(layer, inputs):
        return adaptive(op, inputs, layer.output_size, layer.data_format)

    return read


for _count in (1, 2, 3):
    keras.reads(f"layers.AdaptiveMaxPooling{_count}D")(_adaptive(ops.AdaptiveMaxPool))
    keras.reads(f"layers.AdaptiveAveragePooling{_count}D")(_adaptive(ops.AdaptiveAvgPool))
    for _name, _op in _KINDS.items():
        keras.reads(f"layers.{_name}Pooling{_count}D")(_windowed(_op))
    keras.reads(f"layers.GlobalMaxPooling{_count}D")(_global(ops.Max))
    if _count > 1:
        keras.reads(f"layers.GlobalAveragePooling{_count}D")(_global(ops.Mean))


@keras.reads("layers.GlobalAveragePooling1D")
def global_average_1d(layer, inputs, mask=None):
    """The mean over time; with a mask, over the steps that it keeps."""
    (axis,) = windows.spatial_axes_of(rank(inputs), layer.data_format)
    if mask is None:
        return ops.Mean(inputs, (axis,), bool(layer.keepdims))
    kept = ops.Cast(mask, type_of(inputs).dtype)
    placed = ops.Reshape(kept, per_axis(inputs, {0: shape_of(mask)[0], axis: shape_of(mask)[1]}, 1))
    total = ops.Sum(ops.Multiply(inputs, placed), (axis,), bool(layer.keepdims))
    return ops.Divide(total, ops.Sum(placed, (axis,), bool(layer.keepdims)))
