"""PyTorch's products and linear algebra."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.pivot import ops
from netglot.pivot.graph import is_weight
from netglot.pivot.op import shape_of
from netglot.source.spell import Infix, Layer, call, options, unless


@torch.writes(ops.Matmul)
def matmul(op):
    return Infix("@", op.x, op.y)


@torch.writes(ops.Linear)
def linear(op):
    bias = () if op.bias is None else (op.bias,)
    function = call("F.linear", op.x, op.weight, *bias)
    if not all(is_weight(one) for one in (op.weight, *bias)):
        return function
    out, inputs = shape_of(op.weight)
    weights = {"weight": op.weight} | ({} if op.bias is None else {"bias": op.bias})
    given = options(bias=unless(op.bias is not None, True))
    return Layer("nn.Linear", (op.x,), given, weights=weights, arguments=(inputs, out), function=function)


@torch.writes(ops.Einsum)
def einsum(op):
    return call("torch.einsum", op.equation, *op.xs)


_FUNCTIONS = {
    ops.Solve: "torch.linalg.solve",
    ops.Inverse: "torch.linalg.inv",
    ops.Determinant: "torch.linalg.det",
    ops.SingularValues: "torch.linalg.svdvals",
    ops.Cholesky: "torch.linalg.cholesky",
}


@torch.writes(*_FUNCTIONS)
def linear_algebra(op):
    return call(_FUNCTIONS[type(op)], *op.operands())
