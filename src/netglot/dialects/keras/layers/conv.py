"""Convolutions: every kind shares its windows with the functions of `keras.ops`."""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.functions import windows


@keras.reads("layers.Conv1D", "layers.Conv2D", "layers.Conv3D")
def conv(layer, inputs):
    y = windows.conv(
        inputs, layer.kernel, layer.bias, layer.strides, layer.padding, layer.data_format, layer.dilation_rate
    )
    return layer.activated(layer.activation, y)


@keras.reads("layers.DepthwiseConv1D", "layers.DepthwiseConv2D")
def depthwise_conv(layer, inputs):
    y = windows.conv(
        inputs,
        layer.kernel,
        layer.bias,
        layer.strides,
        layer.padding,
        layer.data_format,
        layer.dilation_rate,
        depthwise=True,
    )
    return layer.activated(layer.activation, y)


@keras.reads("layers.SeparableConv1D", "layers.SeparableConv2D")
def separable_conv(layer, inputs):
    inner = windows.conv(
        inputs,
        layer.depthwise_kernel,
        None,
        layer.strides,
        layer.padding,
        layer.data_format,
        layer.dilation_rate,
        depthwise=True,
    )
    inner = layer.emit(inner)
    y = windows.conv(inner, layer.pointwise_kernel, layer.bias, 1, "valid", layer.data_format, 1)
    return layer.activated(layer.activation, y)


@keras.reads("layers.Conv1DTranspose", "layers.Conv2DTranspose", "layers.Conv3DTranspose")
def conv_transpose(layer, inputs):
    y = windows.conv_transpose(
        inputs,
        layer.kernel,
        layer.bias,
        layer.strides,
        layer.padding,
        layer.output_padding,
        layer.data_format,
        layer.dilation_rate,
    )
    return layer.activated(layer.activation, y)
