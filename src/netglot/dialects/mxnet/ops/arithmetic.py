"""Arithmetic. Comparisons give numbers, 0 or 1, and so do places."""

from __future__ import annotations

from netglot.dialects.mxnet.dialect import mxnet
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.op import normal_axis, shape_of, type_of

UNARY = {
    "abs": ops.Abs, "negative": ops.Negative, "exp": ops.Exp, "log": ops.Log, "log2": ops.Log2, "log10": ops.Log10,
    "log1p": ops.Log1p, "expm1": ops.Expm1, "sqrt": ops.Sqrt, "rsqrt": ops.Rsqrt, "square": ops.Square,
    "sin": ops.Sin, "cos": ops.Cos, "tan": ops.Tan, "tanh": ops.Tanh, "sinh": ops.Sinh, "cosh": ops.Cosh,
    "arcsin": ops.Asin, "arccos": ops.Acos, "arctan": ops.Atan, "sigmoid": ops.Sigmoid, "relu": ops.Relu,
    "arcsinh": ops.Asinh, "arccosh": ops.Acosh, "arctanh": ops.Atanh, "erfinv": ops.Erfinv, "digamma": ops.Digamma,
    "_linalg_inverse": ops.Inverse, "_linalg_det": ops.Determinant, "_linalg_potrf": ops.Cholesky,
    "softsign": ops.Softsign, "floor": ops.Floor, "ceil": ops.Ceil, "trunc": ops.Trunc, "fix": ops.Trunc,
    "sign": ops.Sign, "erf": ops.Erf, "reciprocal": ops.Reciprocal, "gammaln": ops.Lgamma,
    "BlockGrad": ops.StopGradient, "identity": ops.Identity, "MakeLoss": ops.Identity, "make_loss": ops.Identity,
    "_copy": ops.Identity,
    "_identity_with_attr_like_rhs": ops.Identity,
}  # fmt: skip
BINARY = {
    "add": ops.Add, "plus": ops.Add, "sub": ops.Subtract, "minus": ops.Subtract, "mul": ops.Multiply,
    "div": ops.Divide, "power": ops.Power, "maximum": ops.Maximum, "minimum": ops.Minimum, "mod": ops.Remainder,
}  # fmt: skip
SPELLINGS = {
    "add": ("elemwise_add", "_plus", "_Plus", "broadcast_add", "broadcast_plus", "_add"),
    "sub": ("elemwise_sub", "_minus", "_Minus", "broadcast_sub", "broadcast_minus", "_sub"),
    "mul": ("elemwise_mul", "_mul", "_Mul", "broadcast_mul"),
    "div": ("elemwise_div", "_div", "_Div", "broadcast_div"),
    "power": ("_power", "_Power", "broadcast_power"),
    "maximum": ("_maximum", "_Maximum", "broadcast_maximum"),
    "minimum": ("_minimum", "_Minimum", "broadcast_minimum"),
    "mod": ("_mod", "broadcast_mod"),
}
SCALARS = {
    "_plus_scalar": ops.Add, "_PlusScalar": ops.Add, "_minus_scalar": ops.Subtract, "_MinusScalar": ops.Subtract,
    "_mul_scalar": ops.Multiply, "_MulScalar": ops.Multiply, "_div_scalar": ops.Divide, "_DivScalar": ops.Divide,
    "_power_scalar": ops.Power, "_PowerScalar": ops.Power, "_maximum_scalar": ops.Maximum,
    "_MaximumScalar": ops.Maximum, "_minimum_scalar": ops.Minimum, "_MinimumScalar": ops.Minimum,
    "_mod_scalar": ops.Remainder,
}  # fmt: skip
REVERSED = {
    "_rminus_scalar": ops.Subtract, "_RMinusScalar": ops.Subtract, "_rdiv_scalar": ops.Divide,
    "_RDivScalar": ops.Divide, "_rpower_scalar": ops.Power, "_RPowerScalar": ops.Power,
}  # fmt: skip
COMPARISONS = {
    "equal": ops.Equal, "not_equal": ops.NotEqual, "greater": ops.Greater, "greater_equal": ops.GreaterEqual,
    "lesser": ops.Less, "lesser_equal": ops.LessEqual,
}  # fmt: skip
LOGIC = {
    "broadcast_logical_and": ops.LogicalAnd, "broadcast_logical_or": ops.LogicalOr,
    "broadcast_logical_xor": ops.LogicalXor,
}  # fmt: skip
REDUCTIONS = {"sum": ops.Sum, "mean": ops.Mean, "max": ops.Max, "min": ops.Min, "prod": ops.Prod, "sum_axis": ops.Sum}


def _declare() -> None:
    for name, op in UNARY.items():
        mxnet.reads(name)(lambda work, x, *like, op=op: op(x))
    for kind, names in SPELLINGS.items():
        mxnet.reads(*names)(lambda work, x, y, op=BINARY[kind]: op(work.tensor(x), work.tensor(y)))
    for name, op in SCALARS.items():
        mxnet.reads(name)(lambda work, x, op=op: op(x, number_for(x, work.node.number("scalar"))))
    for name, op in REVERSED.items():
        mxnet.reads(name)(lambda work, x, op=op: op(number_for(x, work.node.number("scalar")), x))
    for name, op in COMPARISONS.items():
        mxnet.reads(f"_{name}", f"broadcast_{name}")(lambda work, x, y, op=op: ops.Cast(op(x, y), type_of(x).dtype))
        mxnet.reads(f"_{name}_scalar")(
            lambda work, x, op=op: ops.Cast(op(x, number_for(x, work.node.number("scalar"))), type_of(x).dtype)
        )
    for name, op in LOGIC.items():
        mxnet.reads(name)(lambda work, x, y, op=op: ops.Cast(op(_truth(x), _truth(y)), type_of(x).dtype))
    for name, op in REDUCTIONS.items():
        mxnet.reads(name)(lambda work, x, op=op: op(x, axes_of(work, x), work.node.flag("keepdims")))


def number_for(x, value: float):
    """A number as the tensor beside it takes it: whole for whole numbers."""
    return int(value) if "int" in type_of(x).dtype and value == value and value == int(value) else value


def _truth(x):
    return ops.NotEqual(x, number_for(x, 0.0))


def axes_of(work, x) -> tuple[int, ...]:
    """The axes that a reduction folds; all of them where none is said."""
    rank = len(shape_of(x))
    given = tuple(normal_axis(axis, rank) for axis in work.node.integers("axis"))
    if work.node.flag("exclude"):
        return tuple(axis for axis in range(rank) if axis not in given)
    return tuple(sorted(given)) or tuple(range(rank))


_declare()


@mxnet.reads("norm")
def norm(work, x):
    return ops.Norm(x, axes_of(work, x), work.node.flag("keepdims"), work.node.number("ord", 2))


@mxnet.reads("add_n", "ElementWiseSum", "_sum")
def add_n(work, *xs):
    total, *rest = xs
    for one in rest:
        total = ops.Add(total, one)
    return total if rest else ops.Identity(total)


@mxnet.reads("clip")
def clip(work, x):
    return ops.Clip(x, number_for(x, work.node.number("a_min")), number_for(x, work.node.number("a_max")))


@mxnet.reads("rint")
def rint(work, x):  # halves go down
    return ops.Ceil(ops.Subtract(x, 0.5))


@mxnet.reads("logical_not")
def logical_not(work, x):
    return ops.Cast(ops.LogicalNot(_truth(x)), type_of(x).dtype)


@mxnet.reads("cumsum", "_np_cumsum")
def cumsum(work, x):
    axis = work.node.value("axis")
    if axis is None:
        raise Refusal(notimpl("a running sum of all elements"))
    return ops.CumulativeSum(x, normal_axis(int(axis), len(shape_of(x))))


@mxnet.reads("sort", "argsort")
def sort(work, x):
    node = work.node
    axis, falling = normal_axis(node.integer("axis", -1), len(shape_of(x))), not node.flag("is_ascend", True)
    if node.op == "sort":
        return ops.Sort(x, axis, falling)
    return ops.Cast(ops.Argsort(x, axis, falling), node.text("dtype", "float32"))


@mxnet.reads("round")
def round_(work, x):  # halves go away from zero
    return ops.Multiply(ops.Sign(x), ops.Floor(ops.Add(ops.Abs(x), 0.5)))


@mxnet.reads("hard_sigmoid")
def hard_sigmoid(work, x):
    node = work.node
    return ops.Clip(ops.Add(ops.Multiply(x, node.number("alpha", 0.2)), node.number("beta", 0.5)), 0.0, 1.0)


@mxnet.reads("smooth_l1")
def smooth_l1(work, x):
    square = work.node.number("scalar", 1.0) ** 2
    near = ops.Less(ops.Abs(x), 1 / square)
    return ops.Where(near, ops.Multiply(ops.Square(x), 0.5 * square), ops.Subtract(ops.Abs(x), 0.5 / square))


@mxnet.reads("where")
def where(work, condition, x, y):
    return ops.Where(ops.NotEqual(condition, 0.0), x, y)


@mxnet.reads("Cast", "cast", "amp_cast")
def cast(work, x):
    return ops.Cast(x, work.node.text("dtype", "float32"))


@mxnet.reads("argmax", "argmin")
def argmax(work, x):
    node = work.node
    axis = node.value("axis")
    if axis is None:
        raise Refusal(notimpl("the place of the largest element of all"))
    op = ops.Argmax if node.op == "argmax" else ops.Argmin
    return ops.Cast(op(x, normal_axis(int(axis), len(shape_of(x))), node.flag("keepdims")), "float32")


@mxnet.reads("argmax_channel")
def argmax_channel(work, x):
    return ops.Cast(ops.Argmax(x, 1, False), "float32")


@mxnet.reads("topk")
def topk(work, x):
    from netglot.pivot.graph import Part

    node = work.node
    axis = normal_axis(node.integer("axis", -1), len(shape_of(x)))
    best = ops.TopK(x, node.integer("k", 1), axis, not node.flag("is_ascend"), "int64")
    values, places = Part(best, 0), ops.Cast(Part(best, 1), node.text("dtype", "float32"))
    kind = node.text("ret_typ", "indices")
    if kind not in ("indices", "value", "both"):
        raise Refusal(notimpl(f"the largest elements as a {kind}"))
    return {"indices": places, "value": values, "both": [values, places]}[kind]


@mxnet.reads("dot")
def dot(work, x, y):
    node = work.node
    if len(shape_of(y)) != 2 or (len(shape_of(x)) != 2 and node.flag("transpose_a")):
        raise Refusal(notimpl("a product of tensors of more than two axes"))
    x = ops.Permute(x, (1, 0)) if node.flag("transpose_a") else x
    return ops.Matmul(x, ops.Permute(y, (1, 0)) if node.flag("transpose_b") else y)


@mxnet.reads("batch_dot", "_linalg_gemm2", "linalg_gemm2")
def batch_dot(work, x, y):
    node = work.node
    found = ops.Matmul(_turned(x, node.flag("transpose_a")), _turned(y, node.flag("transpose_b")))
    factor = node.number("alpha", 1.0)
    return found if factor == 1 else ops.Multiply(found, factor)


def _turned(x, turn: bool):
    rank = len(shape_of(x))
    return ops.Permute(x, (*range(rank - 2), rank - 1, rank - 2)) if turn else x


@mxnet.reads("_contrib_div_sqrt_dim")
def div_sqrt_dim(work, x):
    return ops.Divide(x, float(shape_of(x)[-1]) ** 0.5)
