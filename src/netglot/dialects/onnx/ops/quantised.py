"""What onnxruntime's quantiser and optimiser make of quantised networks: operators of the domain com.microsoft."""

from __future__ import annotations

import math

import numpy as np

from netglot.dialects.onnx.common import dtype, rank
from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.known import Stored
from netglot.dialects.onnx.ops.attention import attention_microsoft
from netglot.dialects.onnx.ops.matmul import Weight
from netglot.dialects.onnx.ops.pool import average_pool
from netglot.dialects.onnx.ops.quantise import bare, biased, known, qlinear_conv, real, rounded
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.op import TensorType, normal_axis, shape_of


def _last(x, channels_last: int, function):
    """A function of pictures with channels first, of one that may have them last."""
    if not channels_last:
        return function(x)
    first = (0, rank(x) - 1, *range(1, rank(x) - 1))
    return ops.Permute(function(ops.Permute(x, first)), (0, *range(2, rank(x)), 1))


def _of_two(kind):
    def reader(A, A_scale, A_zero_point, B, B_scale, B_zero_point, C_scale, C_zero_point=None):
        made = kind(real(A, A_scale, A_zero_point), real(B, B_scale, B_zero_point))
        return rounded(made, C_scale, C_zero_point, dtype(A))

    return reader


for _name, _kind in (("QLinearAdd", ops.Add), ("QLinearMul", ops.Multiply)):
    onnx.reads(f"com.microsoft.{_name}-1")(_of_two(_kind))


@onnx.reads("com.microsoft.QLinearSigmoid-1")
def qlinear_sigmoid(X, X_scale, X_zero_point, Y_scale, Y_zero_point=None):
    return rounded(ops.Sigmoid(real(X, X_scale, X_zero_point)), Y_scale, Y_zero_point, dtype(X))


@onnx.reads("com.microsoft.QLinearLeakyRelu-1")
def qlinear_leaky_relu(X, X_scale, X_zero_point, Y_scale, Y_zero_point=None, *, alpha=0.01):
    return rounded(ops.LeakyRelu(real(X, X_scale, X_zero_point), alpha), Y_scale, Y_zero_point, dtype(X))


@onnx.reads("com.microsoft.QLinearSoftmax-1")
def qlinear_softmax(X, X_scale, x_zero_point, y_scale, y_zero_point, *, axis=-1, opset):
    x, place = real(X, X_scale, x_zero_point), normal_axis(axis, rank(X))
    if opset < 13 and any(size != 1 for size in shape_of(X)[place + 1 :]):
        raise Refusal(notimpl("a quantised softmax over several axes"))
    return rounded(ops.Softmax(x, place), y_scale, y_zero_point)


@onnx.reads("com.microsoft.QLinearGlobalAveragePool-1")
def qlinear_global_average_pool(X, x_scale, x_zero_point, y_scale, y_zero_point, *, channels_last=0):
    axes = tuple(range(1, rank(X) - 1)) if channels_last else tuple(range(2, rank(X)))
    return rounded(ops.Mean(real(X, x_scale, x_zero_point), axes, True), y_scale, y_zero_point)


@onnx.reads("com.microsoft.QLinearAveragePool-1")
def qlinear_average_pool(X, x_scale, x_zero_point, y_scale, y_zero_point=None, *, channels_last=0, **options):
    x = real(X, x_scale, x_zero_point)
    made = _last(x, channels_last, lambda one: average_pool(one, **options))
    return rounded(made, y_scale, y_zero_point, dtype(X))


@onnx.reads("com.microsoft.QLinearReduceMean-1")
def qlinear_reduce_mean(
    data, data_scale, data_zero_point, reduced_scale, reduced_zero_point=None, *, axes=None, keepdims
):
    places = tuple(normal_axis(axis, rank(data)) for axis in (axes or range(rank(data))))
    made = ops.Mean(real(data, data_scale, data_zero_point), places, bool(keepdims))
    return rounded(made, reduced_scale, reduced_zero_point, dtype(data))


@onnx.reads("com.microsoft.QLinearWhere-1")
def qlinear_where(condition, X, x_scale, x_zero_point, Y, y_scale, y_zero_point, z_scale, z_zero_point):
    made = ops.Where(condition, real(X, x_scale, x_zero_point), real(Y, y_scale, y_zero_point))
    return rounded(made, z_scale, z_zero_point)


@onnx.reads("com.microsoft.QLinearConcat-1")
def qlinear_concat(Y_scale, Y_zero_point, *inputs, axis):
    parts = tuple(real(*inputs[i : i + 3]) for i in range(0, len(inputs), 3))
    return rounded(ops.Concat(parts, normal_axis(axis, rank(inputs[0]))), Y_scale, Y_zero_point)


@onnx.reads("com.microsoft.QLinearConv-1")
def qlinear_conv_microsoft(
    x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B=None, *, channels_last=0, **options
):
    return _last(
        x, channels_last,
        lambda one: qlinear_conv(
            one, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B, **options
        ),
    )  # fmt: skip


@onnx.reads("com.microsoft.QGemm-1")
def qgemm(
    A, a_scale, a_zero_point, B, b_scale, b_zero_point, C=None, y_scale=None, y_zero_point=None, *, alpha=1.0,
    transA=0, transB=0,
):  # fmt: skip
    left = real(A, a_scale, a_zero_point)
    right = real(B, b_scale, b_zero_point, 0 if transB else 1)
    left = ops.Permute(left, (1, 0)) if transA else left
    weight = right if transB else ops.Permute(right, (1, 0))
    bias = biased(C, a_scale, b_scale)
    if alpha == 1.0 and (bias is None or rank(C) == 1):
        made = ops.Linear(left, weight, bias)
    else:
        made = ops.Multiply(ops.Matmul(left, ops.Permute(weight, (1, 0))), alpha)
        made = made if bias is None else ops.Add(made, ops.Multiply(bias, alpha) if alpha != 1.0 else bias)
    return made if y_scale is None else rounded(made, y_scale, y_zero_point, dtype(A))


@onnx.reads("com.microsoft.MatMulIntegerToFloat-1")
def matmul_integer_to_float(A, B, a_scale, b_scale, a_zero_point=None, b_zero_point=None, bias: Weight = None):
    made = ops.Matmul(real(A, a_scale, a_zero_point, rank(A) - 2), real(B, b_scale, b_zero_point, rank(B) - 1))
    return made if bias is None else ops.Add(made, bias)


def on_the_fly(x):
    """`x` rounded to 256 steps between its smallest and its largest number, nothing among them."""
    every = tuple(range(rank(x)))
    low, high = (ops.Minimum(ops.Min(x, every, False), 0.0), ops.Maximum(ops.Max(x, every, False), 0.0))
    scale = ops.Divide(ops.Subtract(high, low), 255.0)
    scale = ops.Where(ops.Equal(scale, 0.0), 1.0, scale)
    zero = ops.Round(ops.Clip(ops.Divide(ops.Negative(low), scale), 0.0, 255.0))
    level = ops.Clip(ops.Add(ops.Round(ops.Divide(x, scale)), zero), 0.0, 255.0)
    return ops.Multiply(ops.Subtract(level, zero), scale)


@onnx.reads("com.microsoft.DynamicQuantizeMatMul-1")
def dynamic_quantize_matmul(A, B, b_scale, b_zero_point=None, bias: Weight = None):
    made = ops.Matmul(on_the_fly(A), real(B, b_scale, b_zero_point, rank(B) - 1))
    return made if bias is None else ops.Add(made, bias)


@onnx.reads("com.microsoft.QAttention-1")
def qattention(
    input, weight, bias: Weight, input_scale, weight_scale, mask_index=None, input_zero_point=None,
    weight_zero_point=None, past=None, *, num_heads, outputs=(), **options,
):  # fmt: skip
    x, w = real(input, input_scale, input_zero_point), real(weight, weight_scale, weight_zero_point, 1)
    return attention_microsoft(x, w, bias, mask_index, past, num_heads=num_heads, outputs=outputs, **options)


# -- weights in blocks of few bits


@onnx.reads("com.microsoft.MatMulNBits-1")
def matmul_n_bits(
    A, B, scales, zero_points=None, g_idx=None, bias: Weight = None, weight_scale=None, *, K, N, bits=4, block_size,
    accuracy_level=0, weight_prepacked=0,
):  # fmt: skip
    if g_idx is not None or weight_scale is not None or weight_prepacked or bits not in (2, 4, 8):
        raise Refusal(notimpl(f"weights of {bits} bits in an order of their own"))
    if not all(map(known, (B, scales, zero_points))):
        raise Refusal(notimpl("quantised weights that are computed while the network runs"))
    held = (B, scales, zero_points)

    def load() -> np.ndarray:
        levels, scale, zeros = (None if one is None else np.asarray(one.load()) for one in held)
        return unpacked(levels, scale, zeros, N, K, bits, block_size)

    weight = Stored(bare(B.name), TensorType(dtype(A), (N, K)), load, True)
    return ops.Linear(A, weight, bias)


def unpacked(levels, scales, zeros, rows: int, columns: int, bits: int, block: int) -> np.ndarray:
    """The weights (row, column) of numbers of few bits, the lowest first, with a scale for each block of columns."""
    blocks = math.ceil(columns / block)
    whole = _numbers(levels.reshape(rows, -1), bits)[:, : blocks * block].reshape(rows, blocks, block)
    scale = scales.reshape(rows, blocks, 1).astype("float32")
    if zeros is None:
        zero = np.float32(1 << (bits - 1))
    elif zeros.dtype == np.uint8:
        zero = _numbers(zeros.reshape(rows, -1), bits)[:, :blocks].reshape(rows, blocks, 1)
    else:
        zero = zeros.reshape(rows, blocks, 1).astype("float32")
    made = (whole - zero) * scale
    return made.reshape(rows, -1)[:, :columns].astype(scales.dtype)


def _numbers(packed: np.ndarray, bits: int) -> np.ndarray:
    """Rows of bytes as rows of the numbers of few bits in them."""
    shifts = np.arange(0, 8, bits, dtype="uint8")
    made = (packed[:, :, None] >> shifts) & np.uint8((1 << bits) - 1)
    return made.reshape(len(packed), -1).astype("float32")
