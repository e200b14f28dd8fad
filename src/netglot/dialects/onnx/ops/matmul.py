"""Products of matrices."""

from __future__ import annotations

from netglot.dialects.onnx.common import dtype, rank, reshaped, same_dtype, swapped
from netglot.dialects.onnx.dialect import onnx
from netglot.pivot import ops
from netglot.pivot.graph import Parameter
from netglot.pivot.op import shape_of

Weight = object
"""Annotates an input that is a weight, wherever the file keeps it."""


@onnx.reads("MatMul-1")
def matmul(A, B: Weight):
    same_dtype(A, B)
    return ops.Matmul(A, B)


def _gemm(A, B, C, alpha, beta, transA, transB):
    same_dtype(A, B, C)
    if rank(A) != 2 or rank(B) != 2:
        raise ValueError("the operands are no matrices")
    left = ops.Permute(A, (1, 0)) if transA else A
    simple = alpha == 1.0 and (C is None or beta == 1.0)
    if simple and isinstance(B, Parameter) and B.kind == "parameter":
        weight = B if transB else ops.Permute(B, (1, 0))
        out = shape_of(weight)[0]
        if C is None or (isinstance(C, Parameter) and tuple(shape_of(C)) in ((out,), (1, out))):
            bias = None if C is None else reshaped(C, (out,))
            return ops.Linear(left, weight, bias)
        return ops.Add(ops.Linear(left, weight, None), C)
    made = ops.Matmul(left, ops.Permute(B, (1, 0)) if transB else B)
    made = _times(made, alpha, dtype(A))
    return made if C is None else ops.Add(made, _times(C, beta, dtype(A)))


def _times(x, factor, kind):
    if factor == 1.0:
        return x
    return ops.Multiply(x, factor if "float" in kind else int(factor))


@onnx.reads("Gemm-1")
def gemm_1(A, B: Weight, C: Weight, *, alpha=1.0, beta=1.0, broadcast=0, transA=0, transB=0):
    return _gemm(A, B, C, alpha, beta, transA, transB)


@onnx.reads("Gemm-7")
def gemm(A, B: Weight, C: Weight = None, *, alpha=1.0, beta=1.0, transA=0, transB=0):
    return _gemm(A, B, C, alpha, beta, transA, transB)


@onnx.reads("com.microsoft.FusedMatMul-1")
def fused_matmul(A, B: Weight, *, alpha=1.0, transA=0, transB=0, transBatchA=0, transBatchB=0):
    from netglot.errors import Refusal, notimpl

    if transBatchA or transBatchB:
        raise Refusal(notimpl("a product of matrices whose batch axes are turned as well"))
    left = swapped(A, rank(A) - 2, rank(A) - 1) if transA else A
    right = swapped(B, rank(B) - 2, rank(B) - 1) if transB else B
    return _times(ops.Matmul(left, right), alpha, dtype(A))


@onnx.reads("com.microsoft.FusedGemm-1")
def fused_gemm(
    A,
    B: Weight,
    C: Weight = None,
    *,
    alpha=1.0,
    beta=1.0,
    transA=0,
    transB=0,
    activation="",
    activation_alpha=0.0,
    activation_beta=0.0,
    activation_gamma=0.0,
):
    from netglot.dialects.onnx.ops.conv import activated

    return activated(_gemm(A, B, C, alpha, beta, transA, transB), activation, [activation_alpha, activation_beta])


@onnx.reads("Einsum-12")
def einsum(*Inputs, equation):
    text = equation.replace(" ", "")
    if "->" not in text:
        counted = {c: text.count(c) for c in text if c.isalpha()}
        dots = "..." if "..." in text else ""
        text += "->" + dots + "".join(sorted(c for c, n in counted.items() if n == 1))
    return ops.Einsum(tuple(Inputs), text)


@onnx.reads("Det-11")
def det(X):
    return ops.Determinant(X)
