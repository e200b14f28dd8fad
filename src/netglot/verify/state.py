"""Random state that proves something: no zeros, no ones, nothing that explodes or dies on its way through a network.

Default-initialised networks output 1e-14 or exact zeros, and fresh running statistics hide a swapped weight. Each
parameter is drawn by its role, which is the field of the op that it feeds.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping

import numpy as np

from netglot.pivot.graph import Graph, Node, Parameter, Value
from netglot.pivot.op import FLOATS, numpy_dtype

FIELDS = {
    "weight": "weight",
    "w_ih": "weight",
    "w_hh": "weight",
    "wq": "weight",
    "wk": "weight",
    "wv": "weight",
    "wo": "weight",
    "bias": "bias",
    "b_ih": "bias",
    "b_hh": "bias",
    "bq": "bias",
    "bk": "bias",
    "bv": "bias",
    "bo": "bias",
    "scale": "scale",
    "offset": "offset",
    "mean": "mean",
    "variance": "variance",
    "slope": "slope",
}
"""The role of what feeds a field, by the field's name."""

OPS = {
    ("Embedding", "weight"): "embedding",
    ("EmbeddingBag", "weight"): "embedding",
    ("ConvTranspose", "weight"): "transposed",
    ("Matmul", "x"): "matrix",
    ("Matmul", "y"): "matrix",
    ("Einsum", "xs"): "matrix",
    ("Add", "x"): "bias",
    ("Add", "y"): "bias",
    ("Subtract", "y"): "bias",
    ("Multiply", "x"): "scale",
    ("Multiply", "y"): "scale",
    ("Divide", "y"): "scale",
    ("Concat", "xs"): "embedding",
}
"""The role by op and field, before the table of fields."""

GAIN = 1.3
"""Between 1, which keeps the variance through a linear layer, and sqrt(2), which keeps it through a ReLU."""


def roles(graph: Graph) -> dict[str, str]:
    """The role of each parameter by its path: the op field that it feeds, also through ops on weights alone."""
    consumers = graph.consumers()
    return {path: _role(parameter, consumers) or "other" for path, parameter in graph.parameters.items()}


def _role(value: Value, consumers: Mapping[Value, list[Node]]) -> str | None:
    for node in consumers.get(value, ()):
        kind = type(node.op).__name__
        for field in node.op.operand_fields():
            held = getattr(node.op, field.name)
            if not any(one is value for one in _leaves(held)):
                continue
            role = OPS.get((kind, field.name)) or FIELDS.get(field.name)
            if role in (None, "scale", "embedding", "bias") and _offline(node):  # a fold of weights, such as w * mask
                role = next((r for v in node.results if (r := _role(v, consumers))), role)
            role = role or next((r for v in node.results if kind in _MOVES and (r := _role(v, consumers))), None)
            if role:
                return role
    return None


_MOVES = set("Reshape Permute Broadcast Cast Identity Slice Select Split Unstack Stack Tile Flip".split())


def _offline(node: Node) -> bool:
    return all(isinstance(value, Parameter) for value in node.operand_values())


def _leaves(held) -> Iterator:
    if isinstance(held, tuple | list):
        for one in held:
            yield from _leaves(one)
    else:
        yield held


def randomise(parameters: Mapping[str, Parameter], roles: Mapping[str, str], *, seed: int = 0) -> dict[str, np.ndarray]:
    """Random arrays for the parameters that are the source's state, by path; drawn anew for each name.

    They are float32, which both precisions can hold. Integers, truth values and constants keep what they hold and
    are left out, and so are buffers of floats: tables and masks mean something. Only statistics, and buffers that
    hold zero everywhere or one everywhere, are drawn.
    """
    drawn = {}
    for path, parameter in parameters.items():
        role = roles.get(path, "other")
        if parameter.dtype not in FLOATS or parameter.kind == "constant":
            continue
        if parameter.kind == "buffer" and role not in ("mean", "variance"):
            role = _uniform_buffer(parameter)
            if role is None:
                continue
        generator = np.random.default_rng([seed, zlib.crc32(path.encode())])
        shape = tuple(int(size) for size in parameter.shape)
        drawn[path] = DRAWS.get(role, _other)(generator, shape).astype("float32")
    return drawn


def _uniform_buffer(parameter: Parameter) -> str | None:
    held = np.asarray(parameter.load()).astype(numpy_dtype("float64"))
    if held.size < 2 or held.min() != held.max() or held.flat[0] not in (0.0, 1.0):
        return None
    return "mean" if held.flat[0] == 0 else "variance"


def _spread(generator, shape, fan_in) -> np.ndarray:
    return generator.normal(0.0, GAIN / math.sqrt(max(fan_in, 1)), shape)


def _weight(generator, shape) -> np.ndarray:
    """Axes are (out, in, window...)."""
    return _spread(generator, shape, math.prod(shape[1:]))


def _transposed(generator, shape) -> np.ndarray:
    """Axes are (in, out, window...)."""
    return _spread(generator, shape, shape[0] * math.prod(shape[2:]))


def _matrix(generator, shape) -> np.ndarray:
    return _spread(generator, shape, shape[-2] if len(shape) > 1 else math.prod(shape))


def _other(generator, shape) -> np.ndarray:
    return generator.normal(0.0, 0.5, shape)


DRAWS = {
    "weight": _weight,
    "transposed": _transposed,
    "matrix": _matrix,
    "bias": lambda generator, shape: generator.normal(0.0, 0.1, shape),
    "offset": lambda generator, shape: generator.normal(0.0, 0.1, shape),
    "scale": lambda generator, shape: generator.uniform(0.5, 1.5, shape),
    "slope": lambda generator, shape: generator.uniform(0.05, 0.45, shape),
    "mean": lambda generator, shape: generator.normal(0.0, 0.3, shape),
    "variance": lambda generator, shape: generator.uniform(0.5, 2.0, shape),
    "embedding": lambda generator, shape: generator.normal(0.0, 1.0, shape),
}
"""How a role is drawn. Scales and variances stay clear of zero, weights keep the signal's size."""
