"""Products of matrices as ONNX operators."""

from __future__ import annotations

from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.write_ops.terms import node
from netglot.errors import notimpl, notyet
from netglot.passes.composed import neural
from netglot.pivot import ops
from netglot.pivot.op import dtype_of, shape_of


def _rank(x) -> int:
    return len(shape_of(x))


@onnx.writes(ops.Matmul)
def matmul(op):
    return node("MatMul", op.x, op.y)


@onnx.writes(ops.Linear)
def linear(op):
    if _rank(op.x) == 2:
        return node("Gemm", op.x, op.weight, op.bias, transB=1)
    made = node("MatMul", op.x, ops.Permute(op.weight, (1, 0)))
    return made if op.bias is None else node("Add", made, op.bias)


@onnx.lowers(ops.Einsum)
def product_of_matrices(op):
    """A sum over one letter of two operands is a product of matrices; ONNX's own operator does the others."""
    kind = dtype_of(*op.xs)
    if kind == "bfloat16":  # which ONNX's own Einsum does not take
        wide = ops.Einsum(tuple(ops.Cast(x, "float32") for x in op.xs), op.equation)
        return ops.Cast(wide, kind)
    return neural.product_of_matrices(op)


@onnx.writes(ops.Einsum)
def einsum(op):
    return node("Einsum", *op.xs, equation=op.equation)


for _kind in (ops.Solve, ops.Inverse, ops.SingularValues, ops.Cholesky):
    onnx.refuses(_kind, notyet("ONNX has no operator that decomposes or inverts matrices"))
onnx.refuses(ops.CtcLoss, notimpl("ONNX has no such loss, and a loop is not written"))
