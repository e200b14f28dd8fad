"""Keras's products of matrices. A product with the network's own matrix is a dense layer."""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.pivot import ops
from netglot.pivot.graph import is_weight
from netglot.pivot.op import shape_of
from netglot.source.spell import Infix, Layer, call

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


@keras.writes(ops.SingularValues)
def singular_values(op):
    return call("ops.svd", op.x, compute_uv=False)


@keras.lowers(ops.Einsum)
def spread_einsum(op):
    """TensorFlow does not spread an axis of size 1 over the same letter's larger size: that axis goes."""
    left, result = op.equation.split("->")
    terms = left.split(",")
    shapes = [tuple(shape_of(x)) for x in op.xs]
    sizes: dict = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, size in _letters(term, shape):
            sizes.setdefault(letter, set()).add(size)
    spread = {letter for letter, found in sizes.items() if 1 in found and len(found) > 1}
    if not spread:
        return None
    xs, kept = [], []
    for x, term, shape in zip(op.xs, terms, shapes, strict=True):
        lone = {letter for letter, size in _letters(term, shape) if letter in spread and size == 1}
        places = {place for place, (letter, _) in _places(term, shape).items() if letter in lone}
        shorter = tuple(size for place, size in enumerate(shape) if place not in places)
        xs.append(ops.Reshape(x, shape=shorter) if places else x)
        kept.append("".join(letter for letter in term if letter not in lone))
    return ops.Einsum(tuple(xs), equation=f"{','.join(kept)}->{result}")


def _places(term: str, shape) -> dict:
    """The letter and the size of each axis that a term names, by its place; `...` is left out."""
    before, _, after = term.partition("...")
    start = len(shape) - len(after)
    named = {**dict(enumerate(before)), **dict(enumerate(after, start))}
    return {place: (letter, shape[place]) for place, letter in named.items()}


def _letters(term: str, shape) -> list:
    """The letters of a term with their sizes."""
    return list(_places(term, shape).values())


@keras.writes(ops.Einsum)
def einsum(op):
    return call("ops.einsum", op.equation, *op.xs)


def _is_layer(op) -> bool:
    """Whether Keras's dense layer can hold the weights: they belong to the network, and `x` has a batch."""
    own = is_weight(op.weight) and (op.bias is None or is_weight(op.bias))
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
    product = call("ops.matmul", op.x, call("ops.transpose", op.weight))  # with a weight that another layer holds
    function = product if op.bias is None else Infix("+", product, op.bias)
    units = (shape_of(op.weight)[0],)
    return Layer("layers.Dense", (op.x,), arguments=units, options=options, weights=weights, function=function)
