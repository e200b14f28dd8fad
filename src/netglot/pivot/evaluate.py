"""Runs a graph by the NumPy meaning of its ops: slowly, exactly, and with no framework.

Symbolic sizes are bound from the shapes of the inputs. Floats may be widened, so that the graph of a float32 network
is proven in float64.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from netglot.errors import Bug, RequestError
from netglot.pivot.dims import Dim, substitute, symbols_of
from netglot.pivot.graph import Graph, Node, Parameter, Part, Value, map_tree
from netglot.pivot.op import FLOATS, Op, TensorType, is_scalar, numpy_dtype

Sizes = Mapping[str, int]
"""The size of each symbol."""


def evaluate(
    graph: Graph, inputs: Mapping[str, np.ndarray], *, precision: str | None = None, training: bool = False
) -> Any:
    """The outputs of `graph` on `inputs`, in the nest of `graph.output`.

    `precision` is the dtype in which all floats are computed, those of weights and attributes included. In training
    mode ops take their training meaning, with nothing dropped at random.

    Raises:
        RequestError: an input is missing, or its shape does not fit the graph.
        Bug: an op's meaning has another shape or kind of dtype than the graph says.
    """
    held = _run(graph, inputs, precision, training, keep=[value for _, value in graph.outputs])
    return map_tree(lambda value: held[value], graph.output)


def evaluate_all(
    graph: Graph, inputs: Mapping[str, np.ndarray], *, precision: str | None = None, training: bool = False
) -> dict[str, np.ndarray]:
    """Every input, used parameter and result of `graph` by name; arguments as for `evaluate`."""
    held = _run(graph, inputs, precision, training, keep=graph.values())
    return {value.name: array for value, array in held.items()}


def evaluate_op(op: Any, *, sizes: Sizes | None = None, precision: str | None = None) -> Any:
    """The value of an expression of ops over arrays, parameters and numbers, such as a weight expression.

    Parameters are loaded when they are reached. An op that is named twice is computed once. An op with several
    results gives a tuple.
    """
    return _expression(op, sizes or {}, precision, {})


def bind(inputs: Iterable[Value], arrays: Mapping[str, np.ndarray]) -> dict[str, int]:
    """The size of each symbol, from arrays for the inputs.

    Raises:
        RequestError: an array is missing, has another rank or size, or two inputs disagree on a symbol.
    """
    pairs: list[tuple[int | Dim, int, str]] = []
    for value in inputs:
        if value.name not in arrays:
            raise RequestError(f"no array was given for the input {value.name!r}", advice=f"it is {value.type}")
        shape = np.shape(arrays[value.name])
        if len(shape) != len(value.shape):
            raise RequestError(f"input {value.name!r} has shape {list(shape)}", advice=f"it must be {value.type}")
        pairs += [
            (size, given, f"input {value.name!r}, axis {axis}")
            for axis, (size, given) in enumerate(zip(value.shape, shape, strict=True))
        ]
    sizes: dict[str, int] = {}
    for size, given, _ in sorted(pairs, key=lambda pair: len(str(pair[0]))):
        sizes.update(_solve(substitute(size, sizes), given))
    for size, given, where in pairs:
        if substitute(size, sizes) != given:
            raise RequestError(f"{where} has size {given} and must be {size}")
    return sizes


def _solve(size: int | Dim, given: int) -> dict[str, int]:
    """The symbol of `coefficient * symbol + constant = given`; nothing where `size` has another form."""
    unknown = sorted(symbols_of(size))
    if len(unknown) != 1:
        return {}
    (name,) = unknown
    constant = substitute(size, {name: 0})
    coefficient = size - constant  # type: ignore[operator]
    factor = substitute(coefficient, {name: 1})
    if coefficient != factor * Dim.symbol(name) or (given - constant) % factor:
        return {}
    return {name: (given - constant) // factor}


def widened(dtype: str, precision: str | None) -> str:
    """The dtype in which a tensor of `dtype` is computed."""
    return precision if precision and dtype in FLOATS else dtype


def _run(graph: Graph, inputs, precision: str | None, training: bool, keep: Iterable[Value]) -> dict[Value, np.ndarray]:
    """All values in `keep` that were computed; every other array is dropped after its last use."""
    sizes = bind(graph.inputs, inputs)
    last = {value: index for index, node in enumerate(graph.nodes) for value in node.operand_values()}
    for value in keep:
        last[value] = len(graph.nodes)
    held: dict[Value, np.ndarray] = {}
    for value in graph.inputs:
        held[value] = _settle(inputs[value.name], value.type, sizes, precision, value.name)
    for index, node in enumerate(graph.nodes):
        for value, array in zip(node.results, _step(node, held, sizes, precision, training), strict=True):
            held[value] = array
        for value in (*node.operand_values(), *node.results):
            if last.get(value, -1) <= index:
                held.pop(value, None)
    for value in last:
        if isinstance(value, Parameter) and last[value] == len(graph.nodes) and value not in held:
            held[value] = _load(value, precision)
    return held


def _step(node: Node, held, sizes: Sizes, precision: str | None, training: bool) -> list[np.ndarray]:
    def array(operand):
        if isinstance(operand, Parameter) and operand not in held:
            held[operand] = _load(operand, precision)
        return held[operand] if isinstance(operand, Value) else substitute(operand, sizes)

    op = _bound(node.op.map_operands(array), sizes, precision)
    results = op.training_reference() if training else op.reference()
    results = results if isinstance(results, tuple) else (results,)
    results = results[: len(node.results)]  # in training, the new state follows
    return [
        _settle(result, value.type, sizes, precision, value.name)
        for result, value in zip(results, node.results, strict=True)
    ]


def _load(parameter: Parameter, precision: str | None) -> np.ndarray:
    array = np.asarray(parameter.load())
    return array.astype(numpy_dtype(widened(parameter.dtype, precision)), copy=False)


def _bound(op: Op, sizes: Sizes, precision: str | None) -> Op:
    """`op` with the sizes in its attributes made integers, and its dtypes widened."""
    changes = {name: _bind_attribute(held, sizes) for name, held in op.attributes().items()}
    if precision and isinstance(changes.get("dtype"), str):
        changes["dtype"] = widened(changes["dtype"], precision)
    return op.replace(**changes)


def _bind_attribute(held: Any, sizes: Sizes) -> Any:
    if isinstance(held, tuple):
        return tuple(_bind_attribute(one, sizes) for one in held)
    return substitute(held, sizes)


def _settle(array: Any, type: TensorType, sizes: Sizes, precision: str | None, name: str) -> np.ndarray:
    """`array` in the dtype that the graph says. Only precision may differ: a NumPy meaning computes wide."""
    array = np.asarray(array)
    shape = tuple(substitute(size, sizes) for size in type.shape)
    dtype = widened(type.dtype, precision)
    if array.shape != shape or _kind(array.dtype) != _kind(numpy_dtype(dtype)):
        raise Bug(f"{name} is {array.dtype}{list(array.shape)} and the graph says {dtype}{list(shape)}")
    return array.astype(numpy_dtype(dtype), copy=False)


def _kind(dtype: np.dtype) -> str:
    """The kind of a dtype, narrow floats being floats."""
    kind = np.dtype(dtype).kind
    return {"V": "f", "u": "i"}.get(kind, kind)


def _expression(op: Any, sizes: Sizes, precision: str | None, done: dict[int, Any]) -> Any:
    if isinstance(op, Part):
        return _expression(op.op, sizes, precision, done)[op.index]
    if isinstance(op, Parameter):
        return _load(op, precision)
    if not isinstance(op, Op):
        return substitute(op, sizes) if is_scalar(op) else np.asarray(op)
    if id(op) not in done:
        bound = _bound(op.map_operands(lambda inner: _first(inner, sizes, precision, done)), sizes, precision)
        done[id(op)] = bound.reference()
    return done[id(op)]


def _first(operand: Any, sizes: Sizes, precision: str | None, done: dict[int, Any]) -> Any:
    """An operand of an expression; of an op with several results, the first."""
    value = _expression(operand, sizes, precision, done)
    return value[0] if isinstance(value, tuple) else value
