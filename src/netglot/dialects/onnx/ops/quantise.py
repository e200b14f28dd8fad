"""Quantised operators of the standard, as the arithmetic that they stand for.

A quantised number is followed as the real number that it stands for, rounded to what can be stored; a quantised weight
is a weight. Products whose integers the model uses are made in double precision, which holds their sums exactly:
frameworks convolve floats only.
"""

from __future__ import annotations

import re

import numpy as np

from netglot.dialects.onnx.common import axis_of, cast, dtype, dtype_called, rank, reshaped
from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.known import Stored, stored
from netglot.dialects.onnx.ops.conv import conv as convolution
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.evaluate import evaluate_op
from netglot.pivot.graph import Parameter
from netglot.pivot.op import TensorType, numpy_dtype, shape_of


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
    offset = plain(zero)
    if offset is not None:  # the range is moved instead, so that what undoes this finds it
        level = ops.Clip(level, low - offset, high - offset)
        return ops.Cast(ops.Add(level, offset) if offset else level, kind)
    level = ops.Add(level, cast(_spread(zero, x, axis, block), dtype(wide)))
    return ops.Cast(ops.Clip(level, low, high), kind)


def plain(zero):
    """A zero point as a number, where it is one and known."""
    if zero is None:
        return 0.0
    if getattr(zero, "kind", None) != "constant" or product(shape_of(zero)) != 1:
        return None
    return float(np.asarray(zero.load()).reshape(()))


def dequantised(x, scale, zero, axis=1, block=0, kind=None):
    """`(x - zero point) * scale`."""
    wanted = kind or dtype(scale)
    inner = "float32" if wanted in ("float16", "bfloat16") else wanted
    level, offset = cast(x, inner), plain(zero)
    if offset is None:
        level = ops.Subtract(level, cast(_spread(zero, x, axis, block), inner))
    elif offset:
        level = ops.Subtract(level, offset)
    return cast(ops.Multiply(level, cast(_spread(scale, x, axis, block), inner)), wanted)


def real(x, scale, zero, axis=1):
    """What a quantised tensor stands for; where it is known, a weight of its own."""
    held = (x, scale, zero)
    if not all(map(known, held)) or not hasattr(x, "name"):
        return dequantised(x, scale, zero, axis)

    def load() -> np.ndarray:
        arrays = [None if one is None else np.asarray(one.load()) for one in held]
        return np.asarray(evaluate_op(dequantised(*arrays, axis)))

    return Stored(bare(x.name), TensorType(dtype(scale), tuple(shape_of(x))), load, True)


def known(one) -> bool:
    """Whether a tensor is left out or stands in the file."""
    return one is None or isinstance(one, Stored | Parameter) or hasattr(one, "stored")


def bare(name: str) -> str:
    """The name of a weight before it was quantised."""
    return re.sub(r"_(quantized|quant|q\d+|Q\d+)$", "", name)


def rounded(x, scale, zero, kind=None):
    """`x` as a quantised tensor."""
    return quantised(x, scale, zero, kind or ("uint8" if zero is None else dtype(zero)))


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


def _whole(x, zero, along: int):
    """`x` without its zero point, in a dtype that holds the sums of its products; a weight where it is known."""
    if getattr(x, "kind", None) == "constant" and hasattr(x, "name"):
        return real(x, stored(np.float64(1.0)), zero, along)
    wide, offset = cast(x, "float64"), plain(zero)
    if offset is not None:
        return ops.Subtract(wide, offset) if offset else wide
    if product(shape_of(zero)) == 1:
        zero = reshaped(zero, ())
    elif rank(zero) == 1:
        zero = reshaped(zero, tuple(shape_of(zero)[0] if i == along else 1 for i in range(rank(x))))
    return ops.Subtract(wide, cast(zero, "float64"))


@onnx.reads("MatMulInteger-10")
def matmul_integer(A, B, a_zero_point=None, b_zero_point=None):
    left, right = _whole(A, a_zero_point, rank(A) - 2), _whole(B, b_zero_point, rank(B) - 1)
    return ops.Cast(ops.Matmul(left, right), "int32")


@onnx.reads("ConvInteger-10")
def conv_integer(x, w, x_zero_point=None, w_zero_point=None, **options):
    made = convolution(_whole(x, x_zero_point, 1), _whole(w, w_zero_point, 0), None, **options)
    return ops.Cast(made, "int32")


@onnx.reads("QLinearMatMul-10")
def qlinear_matmul(a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point):
    left = real(a, a_scale, a_zero_point, rank(a) - 2)
    return rounded(ops.Matmul(left, real(b, b_scale, b_zero_point, rank(b) - 1)), y_scale, y_zero_point)


@onnx.reads("QLinearConv-10")
def qlinear_conv(x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B=None, **options):
    left, right = real(x, x_scale, x_zero_point), real(w, w_scale, w_zero_point, 0)
    return rounded(convolution(left, right, biased(B, x_scale, w_scale), **options), y_scale, y_zero_point)


def biased(bias, x_scale, w_scale):
    """The real numbers of a bias that is stored in units of a product of scales."""
    if bias is None:
        return None
    held = (x_scale, w_scale)
    if not all(map(known, (bias, *held))):
        factors = [reshaped(one, ()) if product(shape_of(one)) == 1 else one for one in held]
        return ops.Multiply(cast(bias, "float32"), ops.Multiply(*factors))

    def load() -> np.ndarray:
        first, second = (np.asarray(one.load(), "float64").reshape(-1) for one in held)
        return (np.asarray(bias.load()) * (first * second)).astype("float32")

    return Stored(bare(bias.name), TensorType("float32", tuple(shape_of(bias))), load, True)
