"""Arithmetic, comparison and logic, element by element."""

from __future__ import annotations

from netglot.dialects.paddle.dialect import paddle
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.op import FLOATS, is_scalar, type_of

_UNARY = {
    "abs": ops.Abs, "exp": ops.Exp, "expm1": ops.Expm1, "log": ops.Log, "log2": ops.Log2, "log10": ops.Log10,
    "log1p": ops.Log1p, "sqrt": ops.Sqrt, "rsqrt": ops.Rsqrt, "square": ops.Square, "sin": ops.Sin, "cos": ops.Cos,
    "tan": ops.Tan, "asin": ops.Asin, "acos": ops.Acos, "atan": ops.Atan, "sinh": ops.Sinh, "cosh": ops.Cosh,
    "asinh": ops.Asinh, "acosh": ops.Acosh, "atanh": ops.Atanh, "floor": ops.Floor, "ceil": ops.Ceil,
    "trunc": ops.Trunc, "sign": ops.Sign, "reciprocal": ops.Reciprocal, "erf": ops.Erf, "erfinv": ops.Erfinv,
    "lgamma": ops.Lgamma, "digamma": ops.Digamma, "isnan": ops.IsNan, "isinf": ops.IsInf, "isfinite": ops.IsFinite,
    "logical_not": ops.LogicalNot, "bitwise_not": ops.BitwiseNot,
}  # fmt: skip
_BINARY = {
    "add": ops.Add, "subtract": ops.Subtract, "multiply": ops.Multiply, "divide": ops.Divide, "maximum": ops.Maximum,
    "minimum": ops.Minimum, "fmax": ops.Maximum, "fmin": ops.Minimum, "elementwise_pow": ops.Power,
    "remainder": ops.Remainder, "floor_divide": ops.FloorDivide, "atan2": ops.Atan2, "equal": ops.Equal,
    "not_equal": ops.NotEqual, "less_than": ops.Less, "less_equal": ops.LessEqual, "greater_than": ops.Greater,
    "greater_equal": ops.GreaterEqual, "bitwise_and": ops.BitwiseAnd, "bitwise_or": ops.BitwiseOr,
    "bitwise_xor": ops.BitwiseXor,
}  # fmt: skip
_LOGICAL = {"logical_and": ops.LogicalAnd, "logical_or": ops.LogicalOr, "logical_xor": ops.LogicalXor}

for _name, _op in _UNARY.items():
    paddle.reads(_name)(lambda node, x, *, _op=_op: _op(x))
for _name, _op in _BINARY.items():
    paddle.reads(_name)(lambda node, x, y, *, _op=_op: _op(*node.alike(x, y)))


def _truth(x):
    return x if is_scalar(x) or type_of(x).dtype == "bool" else ops.NotEqual(x, 0)


for _name, _op in _LOGICAL.items():
    paddle.reads(_name)(lambda node, x, y, *, _op=_op: _op(_truth(x), _truth(y)))


@paddle.reads("round")
def round_(node, x):
    if node.integer("decimals"):
        raise Refusal(notimpl("rounding to decimals"))
    return ops.Round(x)


@paddle.reads("scale")
def scale(node, x, scale=None):
    """`x * scale + bias`, or `(x + bias) * scale`."""
    factor = scale if scale is not None else node.number("scale", 1.0)
    bias = node.number("bias", 0.0)
    if not is_scalar(x) and type_of(x).dtype not in FLOATS:
        factor, bias = (int(n) if is_scalar(n) and float(n) == int(n) else n for n in (factor, bias))
    after = node.flag("bias_after_scale", True)
    made = x
    if bias and not after:
        made = ops.Add(made, bias)
    if not is_scalar(factor) or factor != 1:
        made = ops.Multiply(*node.alike(made, factor))
    if bias and after:
        made = ops.Add(made, bias)
    return made


@paddle.reads("pow")
def pow_(node, x, y=None):
    return ops.Power(x, y if y is not None else node.number("y", 1.0))


@paddle.reads("clip")
def clip(node, x, min=None, max=None):
    low = min if min is not None else node.get("min")
    high = max if max is not None else node.get("max")
    largest = 3.4e38
    if not is_scalar(x) and type_of(x).dtype not in FLOATS:
        low, high = (int(n) if isinstance(n, float) and n == n and abs(n) < 2**62 else n for n in (low, high))
    low = None if isinstance(low, float) and low <= -largest else low
    high = None if isinstance(high, float) and high >= largest else high
    return ops.Clip(x, low, high)


@paddle.reads("cast")
def cast(node, x):
    return ops.Cast(x, node.dtype())


@paddle.reads("add_n")
def add_n(node, xs):
    made = xs[0]
    for one in xs[1:]:
        made = ops.Add(*node.alike(made, one))
    return made


@paddle.reads("lerp")
def lerp(node, x, y, weight):
    return ops.Add(x, ops.Multiply(weight, ops.Subtract(y, x)))


@paddle.reads("logit")
def logit(node, x):
    epsilon = node.number("eps", 1e-6)
    held = ops.Clip(x, epsilon, 1 - epsilon) if epsilon else x
    return ops.Log(ops.Divide(held, ops.Subtract(1.0, held)))


@paddle.reads("increment")
def increment(node, x):
    amount = node.number("value", node.number("step", 1.0))
    whole = not is_scalar(x) and type_of(x).dtype not in FLOATS
    return ops.Add(x, int(amount) if whole else amount)


@paddle.reads("assign", "share_data", "memcpy_h2d", "memcpy_d2h", "npu_identity", "print", "depend")
def assign(node, x, *rest):
    return x


@paddle.reads("where")
def where(node, condition, x, y):
    return ops.Where(condition, *node.alike(x, y))


@paddle.reads("masked_fill")
def masked_fill(node, x, mask, value):
    return ops.Where(mask, *node.alike(value, x))


@paddle.reads("isclose")
def isclose(node, x, y, rtol=1e-5, atol=1e-8):
    gap = ops.Abs(ops.Subtract(x, y))
    return ops.LessEqual(gap, ops.Add(ops.Multiply(ops.Abs(y), rtol), atol))
