"""Recipes: how a target's variable is made from the source's parameters, and how gradients go back through that.

A recipe is an expression of pivot ops over parameters. What recipes do is linear: they move elements, scale them and
add them up. So one pass over element numbers instead of values tells, for each element of the target's variable,
which elements of which parameters it is made of and with which factors; gradients go back along the same list. That
covers what a comparison of arrays cannot: two biases that become one, one packed weight that becomes three.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from netglot.pivot import ops
from netglot.pivot.evaluate import evaluate_op
from netglot.pivot.graph import Parameter, Part
from netglot.pivot.op import FLOATS, Op

MOVES = {
    "Identity", "StopGradient", "Reshape", "Permute", "Broadcast", "Concat", "Stack", "Split", "Unstack", "Pad", "Tile",
    "Repeat", "Roll", "Flip", "Slice", "Select", "Take", "Diagonal", "Cast",
}  # fmt: skip
"""Ops that only move elements (or copy them, or put zeros beside them)."""


class NotLinear(Exception):
    """A recipe computes what has no list of elements and factors."""


def parameters_in(recipe: Any) -> list[Parameter]:
    """The parameters that a recipe uses, each once, in order."""
    found: dict[int, Parameter] = {}

    def visit(part):
        if isinstance(part, Part):
            visit(part.op)
        elif isinstance(part, Parameter):
            found[id(part)] = part
        elif isinstance(part, Op):
            for operand in part.operands():
                visit(operand)

    visit(recipe)
    return list(found.values())


def path_of(parameter: Parameter, parameters: Mapping[str, Parameter]) -> str | None:
    """The path of a parameter in the source, by identity or, for a copy that a pass made, by name."""
    for path, held in parameters.items():
        if held is parameter:
            return path
    return next((path for path, held in parameters.items() if held.name == parameter.name), None)


def evaluate_recipe(recipe: Any, parameters: Mapping[str, Parameter], state: Mapping[str, np.ndarray]) -> np.ndarray:
    """The array of the target's variable in float64, with `state` for the source's; what `state` lacks is loaded."""
    arrays = {}
    for parameter in parameters_in(recipe):
        path = path_of(parameter, parameters)
        held = state[path] if path in state else np.asarray(parameter.load())
        arrays[id(parameter)] = held.astype("float64") if parameter.dtype in FLOATS else held
    done: dict[int, Any] = {}
    return np.asarray(evaluate_op(_substituted(recipe, arrays, done), precision="float64"))


def _substituted(part: Any, arrays: Mapping[int, np.ndarray], done: dict[int, Any]) -> Any:
    if isinstance(part, Part):
        return Part(_substituted(part.op, arrays, done), part.index)
    if isinstance(part, Parameter):
        return arrays[id(part)]
    if not isinstance(part, Op):
        return part
    if id(part) not in done:
        done[id(part)] = part.map_operands(lambda one: _substituted(one, arrays, done))
    return done[id(part)]


@dataclass(frozen=True)
class Layer:
    """One element of the source for each element of the target: its number (0 for none) and its factor.

    A factor of None is 1 everywhere, which is what most recipes have and what large weights have no memory to spell.
    """

    number: np.ndarray
    factor: np.ndarray | None = None

    @property
    def factors(self) -> np.ndarray:
        """The factors, spelled."""
        return np.ones(self.number.shape) if self.factor is None else self.factor


@dataclass(frozen=True)
class Linear:
    """A recipe as sums of elements: the target's element is the sum over `layers` of factor times element.

    `starts` gives each path the number of its first element, and `shapes` its shape.
    """

    layers: tuple[Layer, ...]
    starts: Mapping[str, int]
    shapes: Mapping[str, tuple[int, ...]]

    def back(self, gradient: np.ndarray) -> dict[str, np.ndarray]:
        """The gradients to the source's parameters, from the gradient to the target's variable."""
        size = 1 + sum(int(np.prod(shape)) for shape in self.shapes.values())
        flat = np.zeros(size)
        for layer in self.layers:
            scaled = gradient if layer.factor is None else layer.factor * gradient
            flat += np.bincount(layer.number.ravel(), scaled.ravel(), size)
        return {
            path: flat[start : start + int(np.prod(self.shapes[path]))].reshape(self.shapes[path])
            for path, start in self.starts.items()
        }

    @property
    def added(self) -> list[str]:
        """Paths of parameters that the recipe adds to another one; none where it only moves and scales."""
        return [path for path in self.starts if any(self._uses(layer, path) for layer in self.layers[1:])]

    def _uses(self, layer: Layer, path: str) -> bool:
        first, size = self.starts[path], int(np.prod(self.shapes[path]))
        return bool(((layer.number >= first) & (layer.number < first + size)).any())


def linear(recipe: Any, parameters: Mapping[str, Parameter]) -> Linear:
    """The recipe as sums of elements.

    Raises:
        NotLinear: it does more than move, scale and add.
    """
    starts, shapes, leaves, first = {}, {}, {}, 1
    for parameter in parameters_in(recipe):
        path = path_of(parameter, parameters)
        if path is None:
            continue
        shape = tuple(int(size) for size in parameter.shape)
        size = int(np.prod(shape))
        starts[path], shapes[path] = first, shape
        leaves[id(parameter)] = (Layer(np.arange(first, first + size, dtype="int32").reshape(shape)),)
        first += size
    layers = _walk(recipe, leaves, {})
    if not isinstance(layers, tuple):
        raise NotLinear("a constant")
    return Linear(tuple(layers), starts, shapes)


def _walk(part: Any, leaves, done) -> Any:
    """Layers for what holds elements of the source, an array or a number for a constant, a list for several results."""
    if isinstance(part, Part):
        return _walk(part.op, leaves, done)[part.index]
    if isinstance(part, Parameter):
        return leaves[id(part)] if id(part) in leaves else np.asarray(part.load())
    if not isinstance(part, Op):
        return part
    if id(part) not in done:
        done[id(part)] = _step(part, leaves, done)
    return done[id(part)]


def _step(op: Op, leaves, done) -> Any:
    kind = type(op).__name__
    held = [_walk(operand, leaves, done) for operand in op.operands()]
    if not any(isinstance(one, tuple) for one in held):
        values = iter(held)
        return evaluate_op(op.map_operands(lambda _: next(values)))
    if kind in MOVES:
        return _move(op, held)
    combine = COMBINE.get(kind)
    if combine is None:
        raise NotLinear(kind)
    return combine(*held)


def _move(op: Op, held: list) -> Any:
    """The op on numbers and factors, layer by layer; an operand with fewer layers has none there."""
    depth = max(len(one) for one in held if isinstance(one, tuple))
    moved = [(_moved(op, held, i, "number"), _moved(op, held, i, "factors")) for i in range(depth)]
    if isinstance(moved[0][0], tuple):
        parts = range(len(moved[0][0]))
        return [tuple(Layer(n[i], f if f is None else f[i]) for n, f in moved) for i in parts]
    return tuple(Layer(number, factor) for number, factor in moved)


def _moved(op: Op, held: list, index: int, attribute: str) -> Any:
    if attribute == "factors" and all(one[index].factor is None for one in held if _has(one, index)):
        return None
    values = iter([_layer(one, index, attribute) for one in held])
    return evaluate_op(_numeric(op).map_operands(lambda _: next(values)))


def _has(one: Any, index: int) -> bool:
    return isinstance(one, tuple) and index < len(one)


def _numeric(op: Op) -> Op:
    """The op without what would change numbers: a cast to the same dtype, and padding with zeros, whose element does
    not exist."""
    if type(op).__name__ == "Cast":
        return ops.Identity(op.x)  # type: ignore[attr-defined]
    return op.replace(value=0) if type(op).__name__ == "Pad" and op.attributes().get("mode") == "constant" else op


def _layer(one: Any, index: int, attribute: str) -> np.ndarray:
    if _has(one, index):
        return getattr(one[index], attribute)
    return np.zeros(_shape(one), dtype="int32" if attribute == "number" else "float64")


def _add(x: Any, y: Any, sign: float = 1.0) -> tuple[Layer, ...]:
    """Sums stand in layers of their own; a constant that is added has no gradient."""
    shape = np.broadcast_shapes(_shape(x), _shape(y))
    left = _spread(x, shape, 1.0) if isinstance(x, tuple) else ()
    return left + (_spread(y, shape, sign) if isinstance(y, tuple) else ())


def _multiply(x: Any, y: Any) -> tuple[Layer, ...]:
    if isinstance(x, tuple) and isinstance(y, tuple):
        raise NotLinear("a product of two parameters")
    layers, factor = (x, y) if isinstance(x, tuple) else (y, x)
    return _spread(layers, np.broadcast_shapes(_shape(x), _shape(y)), np.asarray(factor))


def _divide(x: Any, y: Any) -> tuple[Layer, ...]:
    if isinstance(y, tuple):
        raise NotLinear("a division by a parameter")
    return _multiply(x, 1.0 / np.asarray(y))


def _spread(layers, shape, factor) -> tuple[Layer, ...]:
    return tuple(
        Layer(np.broadcast_to(one.number, shape), np.broadcast_to(one.factors * factor, shape)) for one in layers
    )


def _shape(one: Any) -> tuple[int, ...]:
    return one[0].number.shape if isinstance(one, tuple) and one else np.shape(one)


COMBINE = {
    "Add": _add,
    "Subtract": lambda x, y: _add(x, y, -1.0),
    "Negative": lambda x: _multiply(x, -1.0),
    "Multiply": _multiply,
    "Divide": _divide,
}
"""Linear ops that compute."""
