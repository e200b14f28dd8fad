"""Quantised operators, as the arithmetic that they stand for.

Integers of 8 bits are multiplied in double precision, which holds their sums exactly; frameworks convolve floats only.
"""

from __future__ import annotations

import numpy as np

from netglot.dialects.onnx.common import axis_of, cast, dtype, dtype_called, rank, reshaped
from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.ops.conv import conv as convolution
from netglot.dialects.onnx.ops.matmul import Weight
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.op import numpy_dtype, shape_of


def _spread(one, x, axis: int, block: int):
    """A scale or zero point in a shape that broadcasts against `x`."""
    if rank(one) == 0 or (rank(one) == 1 and shape_of(one)[0] == 1):
        return reshaped(one, ())
    place = axis_of(x, axis)
    if rank(one) == 1:
        return reshaped(one, tuple(shape_of(one)[0] if i == place else 1 for i in range(rank(x))))
    size, blocks = shape_of(x)[place], shape_of(one)[place]
    each = block or -(-size // blocks)
    wide = ops.Repeat(one, each, place)
    return wide if each * blocks == size else ops.Slice(wide, place, 0, size, 1)


_LARGEST = {"float8_e4m3fn": 448.0, "float8_e5m2": 57344.0}


def _bounds(kind: str):
    if kind in _LARGEST:
        return -_LARGEST[kind], _LARGEST[kind]
    if kind not in ("int8", "uint8", "int16", "uint16", "int32"):
        raise Refusal(
            never(f"no framework has tensors of {kind}") if "int" in kind else notimpl(f"quantising to {kind}")
        )
    limits = np.iinfo(numpy_dtype(kind))
    return float(limits.min), float(limits.max)


def quantised(x, scale, zero, kind: str, axis=1, block=0):
    """`x / scale` rounded to even, moved by the zero point, within the range of a dtype."""
    low, high = _bounds(kind)
    wide = cast(x, "float32") if dtype(x) not in ("float32", "float64") else x
    level = ops.Divide(wide, cast(_spread(scale, x, axis, block), dtype(wide)))
    level = level if "float" in kind else ops.Round(level)
    if zero is not None:
        level = ops.Add(level, cast(_spread(zero, x, axis, block), dtype(wide)))
    return ops.Cast(ops.Clip(level, low, high), kind)


def dequantised(x, scale, zero, axis=1, block=0, kind=None):
    """`(x - zero point) * scale`."""
    wanted = kind or dtype(scale)
    inner = "float32" if wanted in ("float16", "bfloat16") else wanted
    level = cast(x, inner)
    if zero is not None:
        level = ops.Subtract(level, cast(_spread(zero, x, axis, block), inner))
    return cast(ops.Multiply(level, cast(_spread(scale, x, axis, block), inner)), wanted)


def _quantise(x, scale, zero, axis, block, output):
    kind = dtype_called(output) if output else dtype(zero) if zero is not None else "uint8"
    return quantised(x, scale, zero, kind, axis, block)


@onnx.reads("QuantizeLinear-10")
def quantize_linear_10(x, y_scale, y_zero_point=None):
    return _quantise(x, y_scale, y_zero_point, 1, 0, 0)


@onnx.reads("QuantizeLinear-13")
def quantize_linear_13(x, y_scale, y_zero_point=None, *, axis=1):
    return _quantise(x, y_scale, y_zero_point, axis, 0, 0)


@onnx.reads("QuantizeLinear-19")
def quantize_linear_19(x, y_scale, y_zero_point=None, *, axis=1, saturate=1):
    return _quantise(x, y_scale, y_zero_point, axis, 0, 0)


@onnx.reads("QuantizeLinear-21")
def quantize_linear(x, y_scale, y_zero_point=None, *, axis=1, block_size=0, output_dtype=0, precision=0, saturate=1):
    return _quantise(x, y_scale, y_zero_point, axis, block_size, output_dtype)


def _dequantise(x, scale, zero, axis, block, output=0):
    return dequantised(x, scale, zero, axis, block, dtype_called(output) if output else None)


@onnx.reads("DequantizeLinear-10")
def dequantize_linear_10(x, x_scale, x_zero_point=None):
    return _dequantise(x, x_scale, x_zero_point, 1, 0)


@onnx.reads("DequantizeLinear-13")
def dequantize_linear_13(x, x_scale, x_zero_point=None, *, axis=1):
    return _dequantise(x, x_scale, x_zero_point, axis, 0)


@onnx.reads("DequantizeLinear-21")
def dequantize_linear(x, x_scale, x_zero_point=None, *, axis=1, block_size=0, output_dtype=0):
    return _dequantise(x, x_scale, x_zero_point, axis, block_size, output_dtype)


for _name, _reader in (("QuantizeLinear", quantize_linear_13), ("DequantizeLinear", dequantize_linear_13)):
    onnx.reads(f"com.microsoft.{_name}-1")(_reader)


def _centred(x, zero, kind: str, along: int | None = None):
    """`x` without its zero point, in a dtype that holds all of it."""
    wide = cast(x, kind)
    if zero is None:
        return wide
    if rank(zero) == 1 and shape_of(zero)[0] != 1 and along is not None:
        zero = reshaped(zero, tuple(shape_of(zero)[0] if i == along else 1 for i in range(rank(x))))
    elif rank(zero) == 1 and shape_of(zero)[0] == 1:
        zero = reshaped(zero, ())
    return ops.Subtract(wide, cast(zero, kind))


@onnx.reads("MatMulInteger-10")
def matmul_integer(A, B, a_zero_point=None, b_zero_point=None):
    left = _centred(A, a_zero_point, "float64", rank(A) - 2)
    right = _centred(B, b_zero_point, "float64", rank(B) - 1)
    return ops.Cast(ops.Matmul(left, right), "int32")


@onnx.reads("ConvInteger-10")
def conv_integer(x, w, x_zero_point=None, w_zero_point=None, **options):
    made = convolution(_centred(x, x_zero_point, "float64"), _centred(w, w_zero_point, "float64", 0), None, **options)
    return ops.Cast(made, "int32")


@onnx.reads("QLinearMatMul-10")
def qlinear_matmul(a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point):
    left = _centred(a, a_zero_point, "float64", rank(a) - 2)
    right = _centred(b, b_zero_point, "float64", rank(b) - 1)
    scale = _product_scale(a_scale, b_scale, y_scale, rank(a), rank(b))
    return _levelled(ops.Matmul(left, right), scale, y_zero_point)


def _product_scale(a, b, y, left: int, right: int):
    """The factor from the sum of products to the result, with rows and columns of their own where there are several."""
    if rank(a) == 1 and shape_of(a)[0] != 1:
        a = reshaped(a, (shape_of(a)[0], 1))
    factors = [cast(reshaped(one, ()) if _single(one) else one, "float64") for one in (a, b, y)]
    return ops.Divide(ops.Multiply(factors[0], factors[1]), factors[2])


def _single(one) -> bool:
    return rank(one) == 1 and shape_of(one)[0] == 1


def _levelled(total, scale, zero):
    low, high = _bounds(dtype(zero))
    level = ops.Add(ops.Round(ops.Multiply(total, scale)), cast(reshaped(zero, ()), "float64"))
    return ops.Cast(ops.Clip(level, low, high), dtype(zero))


@onnx.reads("QLinearConv-10")
def qlinear_conv(
    x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B: Weight = None, **options
):
    left, right = _centred(x, x_zero_point, "float64"), _centred(w, w_zero_point, "float64", 0)
    total = convolution(left, right, None if B is None else cast(B, "float64"), **options)
    factors = [cast(reshaped(one, ()) if _single(one) else one, "float64") for one in (x_scale, w_scale, y_scale)]
    if rank(factors[1]) == 1:
        factors[1] = reshaped(factors[1], (shape_of(factors[1])[0], *(1,) * (rank(x) - 2)))
    return _levelled(total, ops.Divide(ops.Multiply(factors[0], factors[1]), factors[2]), y_zero_point)
