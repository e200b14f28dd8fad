"""Products of matrices."""

from __future__ import annotations

from netglot.dialects.paddle.dialect import paddle
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.op import shape_of


def _turned(x):
    """`x` with its last two axes swapped."""
    rank = len(shape_of(x))
    if rank < 2:
        return x
    return ops.Permute(x, (*range(rank - 2), rank - 1, rank - 2))


@paddle.reads("matmul")
def matmul(node, x, y):
    x = _turned(node.weight(x, "weight")) if node.flag("transpose_x") else node.weight(x, "weight")
    y = _turned(node.weight(y, "weight")) if node.flag("transpose_y") else node.weight(y, "weight")
    if not shape_of(x) or not shape_of(y):
        raise InputError(f"matmul: {list(shape_of(x))} and {list(shape_of(y))}")
    made = ops.Matmul(*node.alike(x, y))
    alpha = node.number("alpha", 1.0)
    return made if alpha == 1 else ops.Multiply(made, alpha)


@paddle.reads("bmm", "mv", "dot")
def bmm(node, x, y):
    if node.type == "dot":
        return ops.Sum(ops.Multiply(x, y), (len(shape_of(x)) - 1,), False)
    return ops.Matmul(x, y)


@paddle.reads("addmm")
def addmm(node, given, x, y):
    made = ops.Matmul(x, node.weight(y, "weight"))
    alpha, beta = node.number("alpha", node.number("Alpha", 1.0)), node.number("beta", node.number("Beta", 1.0))
    made = made if alpha == 1 else ops.Multiply(made, alpha)
    return ops.Add(made, given if beta == 1 else ops.Multiply(given, beta))


def _flat(x, columns: int):
    """`x` as a matrix: the first `columns` axes, and the others."""
    shape = shape_of(x)
    if len(shape) == 2 and columns == 1:
        return x
    if not 0 < columns < len(shape):
        raise InputError(f"a product of {list(shape)} that is cut at axis {columns}")
    return ops.Reshape(x, (product(shape[:columns]), product(shape[columns:])))


@paddle.reads("matmul_with_flatten", "fc")
def matmul_with_flatten(node, x, y, bias=None):
    columns = node.integer("x_num_col_dims", node.integer("in_num_col_dims", 1))
    rows = node.integer("y_num_col_dims", 1)
    weight = node.weight(y, "weight")
    shape = (*shape_of(x)[:columns], *shape_of(weight)[rows:])
    made = ops.Matmul(_flat(x, columns), _flat(weight, rows))
    if bias is not None:
        held = node.weight(bias, "bias")
        made = ops.Add(made, held if len(shape_of(held)) == 1 else ops.Reshape(held, (shape[-1],)))
    if node.text("activation_type") not in ("", "relu"):
        raise Refusal(notimpl(f"a product that is fused with {node.text('activation_type')}"))
    made = ops.Relu(made) if node.text("activation_type") == "relu" else made
    return made if len(shape) == 2 else ops.Reshape(made, shape)


@paddle.reads("einsum")
def einsum(node, operands, *rest):
    equation = node.text("equation").replace(" ", "")
    if not equation or "." in equation:
        raise Refusal(notimpl(f"the equation {equation!r}"))
    return [ops.Einsum(tuple(node.operand(one) for one in operands), equation), None, None]


@paddle.reads("bilinear")
def bilinear(node, x, y, weight, bias=None):
    made = ops.Einsum((x, node.weight(weight, "weight"), y), "bi,oij,bj->bo")
    return made if bias is None else ops.Add(made, node.weight(bias, "bias"))


@paddle.reads("cross")
def cross(node, x, y):
    raise Refusal(notimpl("a product of vectors in space"))


def _attended(node, query, key, value, mask, dropout: float, causal: bool, scale: float | None = None):
    size = shape_of(query)[-1]
    if not isinstance(size, int):
        raise Refusal(notimpl("an attention whose heads have no known size"))
    factor = size**-0.5 if not scale or scale < 0 else scale
    return ops.Attention(query, key, value, mask, factor, causal, dropout, 2)


@paddle.reads("flash_attn")
def flash_attn(node, query, key, value, seed=None, mask=None, *rest):
    dropout = 0.0 if node.flag("is_test") else node.number("dropout")
    return [_attended(node, query, key, value, mask, dropout, node.flag("causal")), None, None, None]


@paddle.reads("memory_efficient_attention")
def memory_efficient_attention(node, query, key, value, mask=None, *rest):
    if any(one is not None for one in rest[:4]):
        raise Refusal(notimpl("sequences of different lengths in one batch"))
    dropout = 0.0 if node.flag("is_test", True) else node.number("dropout_p")
    made = _attended(node, query, key, value, mask, dropout, node.flag("causal"), node.number("scale", -1.0))
    return [made, None, None]
