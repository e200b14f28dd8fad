"""Runs one op in every way that a dialect offers, so that the generated tests can compare the answers.

`cases_of` lists the cases that the ops declare; `reference` is the meaning; `in_keras` lowers, arranges and spells an
op as the Keras dialect does and interprets the spelling with Keras itself; `in_torch` calls an ATen operator and
reads the call as the PyTorch dialect does.
"""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from netglot.dialects.dialect import all_ops
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Builder, Names, Parameter, Part, Value
from netglot.pivot.op import DTYPES, Op, TensorType, numpy_dtype, type_of
from netglot.source.spell import Attribute, Call, Infix, Layer, Method, Name, Prefix, Spelling, Subscript

Arrays = dict[Value, np.ndarray]
"""What each value of a small graph holds."""


# The cases.


def cases_of(kind: type[Op]) -> list[Op]:
    """The instances of one op on which every dialect is tested, with arrays for operands."""
    return [kind(**case) for case in kind.cases]


def all_cases() -> Iterator[tuple[str, Op]]:
    """Every case of every op with a name that says which."""
    for name, kind in all_ops().items():
        for number, op in enumerate(cases_of(kind)):
            yield f"{name}-{number}", op


def as_tuple(results: Any) -> tuple:
    """One result or several, always as a tuple."""
    return tuple(results) if isinstance(results, tuple | list) else (results,)


def reference(op: Op) -> tuple[np.ndarray, ...]:
    """The meaning of an op whose operands are arrays, in its own dtypes."""
    types = op.result_types()
    results = as_tuple(op.reference())
    assert len(results) == len(types), f"{len(results)} results, {len(types)} types"
    return tuple(np.asarray(result) for result in results)


def to_graph(op: Op, *, learnt: bool = True) -> tuple[Op, Arrays]:
    """The op with values for its arrays. Operands whose axes are named in the declaration become parameters.

    Where they are not `learnt`, they are values like others, as if the network had computed them.
    """
    arrays: Arrays = {}
    weights = {id(a) for f in op.operand_fields() if f.names and learnt for a in _held(op, f.name)}

    def value(operand):
        if not isinstance(operand, np.ndarray | np.generic):
            return operand
        name, type_ = f"v{len(arrays)}", type_of(operand)
        made = Parameter(name, type_, lambda: operand) if id(operand) in weights else Value(name, type_)
        arrays[made] = np.asarray(operand)
        return made

    return op.map_operands(value), arrays


def _held(op: Op, name: str) -> tuple:
    held = getattr(op, name)
    return held if isinstance(held, tuple) else (held,)


def evaluate(tree: Any, arrays: Arrays) -> Any:
    """A nest of pivot ops over values, computed by their references; numbers are themselves."""
    if isinstance(tree, Part):
        return as_tuple(evaluate(tree.op, arrays))[tree.index]
    if isinstance(tree, Op):
        return tree.map_operands(lambda operand: evaluate(operand, arrays)).reference()
    return arrays[tree] if isinstance(tree, Value) else tree


# Comparing.


def difference(actual: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference relative to the largest expected number; infinite where NaNs or shapes differ."""
    if actual.shape != expected.shape:
        return math.inf
    if expected.dtype.kind not in "fcV":
        return 0.0 if np.array_equal(actual, expected) else math.inf
    kind = np.complex128 if expected.dtype.kind == "c" else np.float64
    actual, expected = actual.astype(kind), expected.astype(kind)
    odd = ~np.isfinite(expected)
    if not np.array_equal(actual[odd], expected[odd], equal_nan=True):
        return math.inf
    if not expected[~odd].size:
        return 0.0
    error = np.abs(actual[~odd] - expected[~odd]).max()
    return float(error / max(np.abs(expected[~odd]).max(), 1e-30)) if error else 0.0


# Keras.


@functools.cache
def keras_names() -> dict[str, Any]:
    """What stands for the imports at the head of an emitted Keras file."""
    keras = importlib.import_module("keras")
    return {"keras": keras, "layers": keras.layers, "ops": keras.ops, "math": math}


@functools.cache
def helper_names(helper: str) -> dict[str, Any]:
    """The imports and one helper of the Keras dialect, with the helpers that its source names."""
    helpers = importlib.import_module("netglot.dialects.keras.helpers").HELPERS
    space = dict(keras_names())
    for name, source in helpers.items():
        if name == helper or name in helpers[helper]:
            exec(source, space)
    return space


def resolve(dotted: str, helper: str | None = None) -> Any:
    """The object behind a dotted name of an emitted file."""
    head, *rest = dotted.split(".")
    space = helper_names(helper) if helper else keras_names()
    return functools.reduce(getattr, rest, space[head])


class Interpreter:
    """Evaluates spellings with Keras; `arrays` are the operands."""

    def __init__(self, arrays: Arrays):
        self.arrays = arrays

    def run(self, spelling: Any) -> Any:
        """What a spelling, or a nest of literals, values and spellings, evaluates to."""
        match spelling:
            case Value():
                return self._tensor(spelling)
            case Call(function=function, arguments=arguments, options=options, helper=helper):
                return resolve(function, helper)(*self.run(list(arguments)), **self.run(options))
            case Layer():
                return self._layer(spelling)
            case Method(target=target, name=name, arguments=arguments, options=options):
                return getattr(self.run(target), name)(*self.run(list(arguments)), **self.run(options))
            case Attribute(target=target, name=name):
                return getattr(self.run(target), name)
            case Infix(operator=operator, left=left, right=right):
                return eval(f"left {operator} right", {"left": self.run(left), "right": self.run(right)})
            case Prefix(operator=operator, operand=operand):
                return eval(f"{operator} operand", {"operand": self.run(operand)})
            case Subscript(target=target, indices=indices):
                index = tuple(self._index(i) for i in indices)
                return self.run(target)[index if len(index) != 1 else index[0]]
            case Name(name=name):
                return resolve(name)
            case list() | tuple():
                return type(spelling)(self.run(one) for one in spelling)
            case dict():
                return {key: self.run(one) for key, one in spelling.items()}
        assert not isinstance(spelling, Spelling | Op | Part | Dim), f"a spelling cannot hold {spelling!r}"
        return spelling

    def _tensor(self, value: Value):
        return keras_names()["ops"].convert_to_tensor(self.arrays[value], dtype=value.dtype)

    def _index(self, index):
        if isinstance(index, slice):
            return slice(self.run(index.start), self.run(index.stop), self.run(index.step))
        return self.run(index)

    def _layer(self, spelling: Layer):
        layer = resolve(spelling.layer, spelling.helper)(
            *self.run(list(spelling.arguments)), **self.run(spelling.options)
        )
        inputs, options = self.run(list(spelling.inputs)), self.run(spelling.call_options)
        result = layer(*inputs, **options)
        variables = [v for v in layer.weights if "seed" not in v.name]
        assert [v.name for v in variables] == [key.split(".")[-1] for key in spelling.weights], (
            f"{spelling.layer} has the variables {[v.path for v in variables]}, not {list(spelling.weights)}"
        )
        if not variables:
            return result
        for variable, tree in zip(variables, spelling.weights.values(), strict=True):
            array = evaluate(tree, self.arrays)
            assert tuple(variable.shape) == np.shape(array), (
                f"{variable.path}: {variable.shape} is not {np.shape(array)}"
            )
            variable.assign(array)
        for variable in variables:
            frozen = variable.name in {name.split(".")[-1] for name in spelling.frozen}
            assert variable.trainable != frozen, f"{spelling.layer} says that {variable.name} is frozen: {frozen}"
        return layer(*inputs, **options)


def spellings_of(spelling: Spelling) -> list[Spelling]:
    """A spelling, and the plain function beside it where it is a layer."""
    if isinstance(spelling, Layer) and spelling.function is not None:
        return [spelling, spelling.function]
    return [spelling]


def in_keras(op: Op, *, floatx: str = "float64") -> list[dict[int, np.ndarray]]:
    """The results of an op in Keras by index, once for each way of writing it (layer, function, parts)."""
    op, arrays = to_graph(in_floats(op, floatx))
    config = keras_names()["keras"].config
    config.set_floatx(floatx)
    config.set_dtype_policy(floatx)
    return _lowered(op, arrays)


def in_floats(op: Op, floatx: str) -> Op:
    """The op with its float64 arrays in another precision."""
    return op.map_operands(lambda o: o.astype(floatx) if isinstance(o, np.ndarray) and o.dtype == np.float64 else o)


def _lowered(op: Op, arrays: Arrays) -> list[dict[int, np.ndarray]]:
    """Lowers `op` until the dialect writes it, and runs what was written."""
    importlib.import_module("netglot.dialects.keras.ops")
    dialect = importlib.import_module("netglot.dialects.keras.dialect").keras
    lowering = dialect.lowerings.get(type(op))
    lowered = lowering(op) if lowering else None
    if lowered is None:
        return _spelled(op, arrays, dialect)
    roots = lowered if isinstance(lowered, tuple | list) else (lowered,)
    builder, built, named = Builder(Names(v.name for v in arrays)), {}, []
    for root in roots:
        inner, index = (root.op, root.index) if isinstance(root, Part) else (root, 0)
        if isinstance(inner, Op) and id(inner) not in built:
            built[id(inner)] = builder._add(inner, built)
        named.append(built[id(inner)][index] if isinstance(inner, Op) else inner)
    arrays, stands_for = dict(arrays), {}
    for node in builder.nodes:
        inner = node.op.map_operands(lambda o: stands_for.get(o, o) if isinstance(o, Value) else o)
        operands = [o for o in inner.operands() if isinstance(o, Value)]
        constant = bool(operands) and all(isinstance(o, Parameter) for o in operands)
        # What depends on parameters alone is folded when the weights are written.
        results = dict(enumerate(as_tuple(evaluate(inner, arrays)))) if constant else _lowered(inner, arrays)[0]
        for index, array in results.items():
            value = node.results[index]
            assert value.shape == array.shape, f"{inner} gives {array.shape}, inferred {value.shape}"
            if constant:
                folded = Parameter(value.name, value.type, lambda array=array: array)
                stands_for[value], value = folded, folded
            arrays[value] = array
    return [{i: arrays[stands_for.get(v, v)] for i, v in enumerate(named)}]


def _spelled(op: Op, arrays: Arrays, dialect) -> list[dict[int, np.ndarray]]:
    count = len(op.result_types())
    op, arrays, restore = arranged(op, arrays, dialect)
    runs = []
    for used in [None] if count == 1 else [None, frozenset({0}), frozenset({count - 1})]:
        for spelling in spellings_of(dialect.spell(op, used)):
            results = as_tuple(Interpreter(arrays).run(spelling))
            indices = getattr(spelling, "produces", None) or range(len(results))
            found = {
                i: np.asarray(keras_names()["ops"].convert_to_numpy(r)) for i, r in zip(indices, results, strict=True)
            }
            missing = (used or frozenset(range(count))) - set(found)
            assert not missing, f"{type(op).__name__}: results {sorted(missing)} are used and not produced"
            runs.append({i: restore(i, array) for i, array in found.items()})
    return runs


def arranged(op: Op, arrays: Arrays, dialect):
    """The op with its operands in the order of axes that the dialect asks for, and the way back for the results."""
    declared = dialect.layouts.get(type(op))
    orders = {name: tuple(order) for name, order in ((declared(op) if declared else None) or {}).items() if order}
    arrays = dict(arrays)
    changes: dict[str, Any] = {}
    for field in op.operand_fields():
        held = getattr(op, field.name)
        if field.name in orders and held is not None:
            order = orders[field.name]
            many = [_permuted(v, order, arrays) for v in (held if isinstance(held, tuple) else (held,))]
            changes[field.name] = tuple(many) if isinstance(held, tuple) else many[0]
    first = op.operand_fields()[0].name if op.operand_fields() else None
    for field in op.attribute_fields():
        if field.axis is None:
            continue
        of = field.axis.of or first
        order = orders.get(op.results[0] if of == "result" else of)
        if order:
            changes[field.name] = rename_axes(getattr(op, field.name), field.axis.kind, order)

    def restore(index: int, array: np.ndarray) -> np.ndarray:
        order = orders.get(op.results[index]) if index < len(op.results) else None
        return array.transpose(np.argsort(order)) if order else array

    return (op.replace(**changes) if changes else op), arrays, restore


def _permuted(value: Value, order: tuple[int, ...], arrays: Arrays) -> Value:
    made = Value(
        f"{value.name}_{''.join(map(str, order))}", TensorType(value.dtype, tuple(value.shape[a] for a in order))
    )
    arrays[made] = arrays[value].transpose(order)
    return made


def rename_axes(held: Any, kind: str, order: tuple[int, ...]) -> Any:
    """An attribute that speaks of axes, after axis `i` has become what was axis `order[i]`."""
    if held is None:
        return None
    if kind == "axis":
        return order.index(held)
    if kind == "axes":
        return tuple(order.index(axis) for axis in held)
    return tuple(held[axis] for axis in order)


# PyTorch.

DROPPED = {"device", "layout", "pin_memory", "memory_format", "generator", "non_blocking"}
"""Arguments of ATen operators that do not change a value."""


def aten(name: str):
    """The operator of a full name such as `aten.add.Tensor`, or None where this PyTorch has none."""
    torch = importlib.import_module("torch")
    try:
        return functools.reduce(getattr, name.split("."), torch.ops)
    except AttributeError:
        return None


def bind(schema, arguments: tuple, options: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call by their names in the schema."""
    names = [a.name for a in schema.arguments]
    return dict(zip(names, arguments, strict=False)) | options


def in_torch(name: str, arguments: tuple, options: dict[str, Any]) -> tuple[list[np.ndarray | None], list[np.ndarray]]:
    """What the dialect reads one ATen call as, computed by the pivot, and what PyTorch itself computes.

    A result that the dialect leaves out is None, or missing at the end.
    """
    import torch

    importlib.import_module("netglot.dialects.torch.ops")
    dialect = importlib.import_module("netglot.dialects.torch.dialect").torch
    operator, arrays = aten(name), {}

    def tensor(value):
        if isinstance(value, np.ndarray):
            return torch.from_numpy(value.copy())
        if isinstance(value, str) and value in DTYPES:
            return getattr(torch, value)
        return [tensor(v) for v in value] if isinstance(value, list | tuple) else value

    def read(value):
        if isinstance(value, np.ndarray):
            made = Value(f"v{len(arrays)}", type_of(value))
            arrays[made] = value
            return made
        return [read(v) for v in value] if isinstance(value, list | tuple) else value

    actual = operator(*map(tensor, arguments), **{k: tensor(v) for k, v in options.items()})
    bound = {k: read(v) for k, v in bind(operator._schema, arguments, options).items() if k not in DROPPED}
    positional = list(bound.values())
    keywords = {}
    if any(a.kwarg_only for a in operator._schema.arguments):
        keyword_only = {a.name for a in operator._schema.arguments if a.kwarg_only}
        keywords = {k: v for k, v in bound.items() if k in keyword_only}
        positional = [v for k, v in bound.items() if k not in keyword_only]
    elif len(arguments) < len(bound):
        positional = list(bound.values())[: len(arguments)]
        keywords = dict(list(bound.items())[len(arguments) :])
    made = dialect.readers[name](*positional, **keywords)
    ours = [None if one is None else np.asarray(evaluate(one, arrays)) for one in _results(made, arrays)]
    return ours, [t.detach().numpy() for t in as_tuple(actual) if isinstance(t, torch.Tensor)]


def _results(made: Any, arrays: Arrays) -> list[Any]:
    """What a reader returned, one entry a result."""
    if isinstance(made, tuple | list):
        return list(made)
    if isinstance(made, Op) and len(made.result_types()) > 1:
        return [Part(made, index) for index in range(len(made.result_types()))]
    return [made]


__all__ = ["all_cases", "as_tuple", "cases_of", "difference", "in_keras", "in_torch", "numpy_dtype", "reference"]
