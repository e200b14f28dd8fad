"""Arithmetic and activations put together from smaller ones."""

from __future__ import annotations

import math

from netglot.pivot import ops
from netglot.pivot.op import dtype_of, is_scalar, shape_of


def tensor(x, op):
    """An operand of two as a tensor, where it may be a number."""
    return ops.Full((), x, dtype_of(op.x, op.y)) if is_scalar(x) else x


def _squared(x):
    return x * x if is_scalar(x) else ops.Multiply(x, x)


def _chosen(condition, x, y):
    return ops.Where(condition, x, y)


def log_add_exp(op):
    gap = ops.Negative(ops.Abs(ops.Subtract(op.x, op.y)))
    return ops.Add(ops.Maximum(op.x, op.y), ops.Log(ops.Add(ops.Exp(gap), 1.0)))


def sinc(op):
    angle = ops.Multiply(op.x, math.pi)
    zero = ops.Equal(op.x, 0.0)
    return ops.Where(zero, 1.0, ops.Divide(ops.Sin(angle), ops.Where(zero, 1.0, angle)))


def atan2(op):
    y, x = tensor(op.x, op), tensor(op.y, op)
    angle = ops.Atan(ops.Divide(y, x))
    behind = ops.Where(ops.Less(y, 0.0), ops.Subtract(angle, math.pi), ops.Add(angle, math.pi))
    upright = ops.Multiply(ops.Sign(y), math.pi / 2)
    return ops.Where(ops.Greater(x, 0.0), angle, ops.Where(ops.Less(x, 0.0), behind, upright))


def elu(op):
    below = ops.Multiply(ops.Subtract(ops.Exp(ops.Minimum(op.x, 0.0)), 1.0), op.alpha)
    return ops.Add(ops.Relu(op.x), below)


def celu(op):
    below = ops.Exp(ops.Minimum(ops.Multiply(op.x, 1 / op.alpha), 0.0))
    return ops.Add(ops.Relu(op.x), ops.Multiply(ops.Subtract(below, 1.0), op.alpha))


_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def selu(op):
    return ops.Multiply(ops.Elu(op.x, _SELU_ALPHA), _SELU_SCALE)


def softplus(op):
    """The logarithm of a sum of exponentials, without overflow; above the threshold the argument itself."""
    x = op.x if op.beta == 1 else ops.Multiply(op.x, op.beta)
    if op.beta == 1 and op.threshold >= 20:
        return ops.Add(ops.Relu(x), ops.Log(ops.Add(ops.Exp(ops.Negative(ops.Abs(x))), 1.0)))
    smooth = ops.Multiply(ops.Softplus(x, 1.0, math.inf), 1 / op.beta)
    return smooth if op.threshold >= 20 else ops.Where(ops.Greater(x, op.threshold), op.x, smooth)


def gelu(op):
    if op.approximate:
        cubed = ops.Multiply(ops.Multiply(ops.Multiply(op.x, op.x), op.x), 0.044715)
        inner = ops.Multiply(ops.Add(op.x, cubed), math.sqrt(2 / math.pi))
        bell = ops.Tanh(inner)
    else:
        bell = ops.Erf(ops.Multiply(op.x, math.sqrt(0.5)))
    return ops.Multiply(ops.Multiply(op.x, 0.5), ops.Add(bell, 1.0))


def glu(op):
    size = shape_of(op.x)[op.axis]
    value, gate = (ops.Slice(op.x, op.axis, a, b, 1) for a, b in ((0, size // 2), (size // 2, size)))
    return ops.Multiply(value, ops.Sigmoid(gate))


def prelu(op):
    rank, count = len(shape_of(op.x)), shape_of(op.slope)[0]
    shape = tuple(count if axis == op.axis else 1 for axis in range(rank)) if count != 1 else (1,) * rank
    below = ops.Multiply(ops.Negative(ops.Relu(ops.Negative(op.x))), ops.Reshape(op.slope, shape))
    return ops.Add(ops.Relu(op.x), below)


def clip(op):
    low = op.x if op.low is None else ops.Maximum(op.x, op.low)
    return low if op.high is None else ops.Minimum(low, op.high)


def softmax(op):
    exp = ops.Exp(ops.Subtract(op.x, ops.Max(op.x, (op.axis,), True)))
    return ops.Divide(exp, ops.Sum(exp, (op.axis,), True))


def log_softmax(op):
    centred = ops.Subtract(op.x, ops.Max(op.x, (op.axis,), True))
    return ops.Subtract(centred, ops.Log(ops.Sum(ops.Exp(centred), (op.axis,), True)))


def hardshrink(op):
    return ops.Where(ops.Greater(ops.Abs(op.x), op.lambd), op.x, 0.0)


def softshrink(op):
    return ops.Subtract(ops.Relu(ops.Subtract(op.x, op.lambd)), ops.Relu(ops.Subtract(ops.Negative(op.x), op.lambd)))


def floor_divide(op):
    """What the remainder leaves divides exactly."""
    whole = ops.Divide(ops.Subtract(op.x, ops.Remainder(op.x, op.y)), op.y)
    return ops.Round(whole) if "float" in dtype_of(op.x, op.y) else whole


def fmod(op):
    """The remainder of what both are without their signs, with the sign of the first."""
    size, divisor = (abs(one) if is_scalar(one) else ops.Abs(one) for one in (op.x, op.y))
    rest = ops.Remainder(size, divisor)
    return ops.Multiply(rest, (op.x > 0) - (op.x < 0) if is_scalar(op.x) else ops.Sign(op.x))


def round_(op):
    """Halves go to the even neighbour."""
    up, down = ops.Floor(ops.Add(op.x, 0.5)), ops.Ceil(ops.Subtract(op.x, 0.5))
    return ops.Subtract(up, ops.Multiply(ops.Subtract(up, down), ops.Remainder(up, 2.0)))


def _copy_sign(op):
    x = tensor(op.x, op)
    return ops.Where(ops.SignBit(tensor(op.y, op)), ops.Negative(ops.Abs(x)), ops.Abs(x))


TABLE = {
    ops.Expm1: lambda op: ops.Subtract(ops.Exp(op.x), 1.0),
    ops.Exp2: lambda op: ops.Exp(ops.Multiply(op.x, math.log(2))),
    ops.Log1p: lambda op: ops.Log(ops.Add(op.x, 1.0)),
    ops.Log2: lambda op: ops.Multiply(ops.Log(op.x), 1 / math.log(2)),
    ops.Log10: lambda op: ops.Multiply(ops.Log(op.x), 1 / math.log(10)),
    ops.Rsqrt: lambda op: ops.Reciprocal(ops.Sqrt(op.x)),
    ops.Reciprocal: lambda op: ops.Divide(1.0, op.x),
    ops.Square: lambda op: ops.Multiply(op.x, op.x),
    ops.Negative: lambda op: ops.Multiply(op.x, -1.0 if "float" in dtype_of(op.x) else -1),
    ops.Abs: lambda op: ops.Maximum(op.x, ops.Negative(op.x)),
    ops.Sign: lambda op: ops.Subtract(
        ops.Cast(ops.Greater(op.x, 0), dtype_of(op.x)), ops.Cast(ops.Less(op.x, 0), dtype_of(op.x))
    ),
    ops.Tan: lambda op: ops.Divide(ops.Sin(op.x), ops.Cos(op.x)),
    ops.Sinh: lambda op: ops.Multiply(ops.Subtract(ops.Exp(op.x), ops.Exp(ops.Negative(op.x))), 0.5),
    ops.Cosh: lambda op: ops.Multiply(ops.Add(ops.Exp(op.x), ops.Exp(ops.Negative(op.x))), 0.5),
    ops.Trunc: lambda op: ops.Multiply(ops.Sign(op.x), ops.Floor(ops.Abs(op.x))),
    ops.Ceil: lambda op: ops.Negative(ops.Floor(ops.Negative(op.x))),
    ops.Erfc: lambda op: ops.Subtract(1.0, ops.Erf(op.x)),
    ops.Silu: lambda op: ops.Multiply(op.x, ops.Sigmoid(op.x)),
    ops.LogSigmoid: lambda op: ops.Negative(ops.Softplus(ops.Negative(op.x), 1.0, math.inf)),
    ops.Tanhshrink: lambda op: ops.Subtract(op.x, ops.Tanh(op.x)),
    ops.Rrelu: lambda op: ops.LeakyRelu(op.x, (op.lower + op.upper) / 2),
    ops.LeakyRelu: lambda op: ops.Subtract(ops.Relu(op.x), ops.Multiply(ops.Relu(ops.Negative(op.x)), op.slope)),
    ops.Softsign: lambda op: ops.Divide(op.x, ops.Add(ops.Abs(op.x), 1.0)),
    ops.Mish: lambda op: ops.Multiply(op.x, ops.Tanh(ops.Softplus(op.x, 1.0, math.inf))),
    ops.Hardsigmoid: lambda op: ops.Clip(ops.Add(ops.Multiply(op.x, 1 / 6), 0.5), 0.0, 1.0),
    ops.Hardswish: lambda op: ops.Multiply(op.x, ops.Hardsigmoid(op.x)),
    ops.IsFinite: lambda op: ops.LogicalNot(ops.LogicalOr(ops.IsInf(op.x), ops.IsNan(op.x))),
    ops.IsNan: lambda op: ops.NotEqual(op.x, op.x),
    ops.IsInf: lambda op: ops.Equal(ops.Abs(op.x), math.inf),
    ops.SignBit: lambda op: ops.LogicalOr(ops.Less(op.x, 0.0), ops.Less(ops.Reciprocal(op.x), 0.0)),
    ops.Hypot: lambda op: ops.Sqrt(ops.Add(_squared(op.x), _squared(op.y))),
    ops.CopySign: _copy_sign,
    ops.LogAddExp: log_add_exp,
    ops.Sinc: sinc,
    ops.Atan2: atan2,
    ops.Elu: elu,
    ops.Celu: celu,
    ops.Selu: selu,
    ops.Softplus: softplus,
    ops.Gelu: gelu,
    ops.Glu: glu,
    ops.Prelu: prelu,
    ops.Clip: clip,
    ops.Softmax: softmax,
    ops.LogSoftmax: log_softmax,
    ops.Hardshrink: hardshrink,
    ops.Softshrink: softshrink,
    ops.Threshold: lambda op: ops.Where(ops.Greater(op.x, op.threshold), op.x, op.value),
    ops.Round: round_,
    ops.FloorDivide: floor_divide,
    ops.Fmod: fmod,
    ops.NotEqual: lambda op: ops.LogicalNot(ops.Equal(op.x, op.y)),
    ops.LessEqual: lambda op: ops.LogicalNot(ops.Greater(op.x, op.y)),
    ops.GreaterEqual: lambda op: ops.LogicalNot(ops.Less(op.x, op.y)),
    ops.LogicalXor: lambda op: ops.NotEqual(op.x, op.y),
}
