"""Keras's products of matrices. A product with the network's own matrix is a dense layer."""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.pivot import ops
from netglot.pivot.graph import Parameter
from netglot.pivot.op import shape_of
from netglot.source.spell import Layer, call

_FUNCTIONS = {
    ops.Matmul: "ops.matmul",
    ops.Solve: "ops.solve",
    ops.Inverse: "ops.inv",
    ops.Determinant: "ops.det",
    ops.Cholesky: "ops.cholesky",
}


@keras.writes(*_FUNCTIONS)
def function(op):
    return call(_FUNCTIONS[type(op)], *op.operands())


@keras.writes(ops.Einsum)
def einsum(op):
    return call("ops.einsum", op.equation, *op.xs)


def _is_layer(op) -> bool:
    """Whether Keras's dense layer can hold the weights: they belong to the network, and `x` has a batch."""
    own = isinstance(op.weight, Parameter) and (op.bias is None or isinstance(op.bias, Parameter))
    return own and len(shape_of(op.x)) > 1


@keras.lowers(ops.Linear)
def lower_linear(op):
    if _is_layer(op):
        return None
    product = ops.Matmul(op.x, ops.Permute(op.weight, axes=(1, 0)))
    return product if op.bias is None else ops.Add(product, op.bias)


@keras.writes(ops.Linear)
def dense(op):
    weights = {"kernel": ops.Permute(op.weight, axes=(1, 0))}
    if op.bias is not None:
        weights["bias"] = op.bias
    options = {} if op.bias is not None else {"use_bias": False}
    return Layer("layers.Dense", (op.x,), arguments=(shape_of(op.weight)[0],), options=options, weights=weights)
