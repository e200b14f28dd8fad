"""What a live Keras model is made of: its layers by path, what each says of itself, and its variables by name.

A layer's path is made of the names that the source gives: attributes where a class holds its layers, layer names
in a Sequential or Functional model. Names that Keras made up are numbered afresh within their parent, because
Keras counts them across all models of the process.
"""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import keras
import numpy as np
from keras.src.models.functional import Functional

from netglot.dialects.keras.blocks import blocks
from netglot.dialects.keras.capture import _BOOKKEEPING, array_of, is_variable
from netglot.dialects.keras.construction import initialiser_of
from netglot.dialects.keras.precision import HALF, widened
from netglot.pivot.graph import Module, Names, Parameter
from netglot.pivot.op import TensorType

_NOT_INPUTS = {"training", "mask", "self"}


@dataclass
class Hierarchy:
    """The layers and variables of one model."""

    root: Any
    paths: dict[int, str] = field(default_factory=dict)
    """The path of each layer, by identity."""
    layers: list[Any] = field(default_factory=list)
    modules: dict[str, Module] = field(default_factory=dict)
    parameters: dict[int, Parameter] = field(default_factory=dict)
    """The parameter of each variable, by identity."""
    variables: dict[str, Any] = field(default_factory=dict)
    """Each variable by the name of its parameter."""
    blocks: dict[int, Module] = field(default_factory=dict)
    """The block that a layer or function belongs to by its name or place, by its identity."""


def hierarchy(model: Any) -> Hierarchy:
    """Walks a built model."""
    found = Hierarchy(model)
    _walk(found, model, "")
    return found


def add_layer(found: Hierarchy, layer: Any, parent: str) -> str:
    """The path of a layer that no attribute holds, such as one that a closure keeps."""
    taken = Names(found.modules)
    path = taken.unique(_join(parent, _clean(layer.name)))
    _walk(found, layer, path)
    return path


def _walk(found: Hierarchy, layer: Any, path: str) -> None:
    if id(layer) in found.paths:
        return
    found.paths[id(layer)] = path
    found.layers.append(layer)
    if id(layer) in found.blocks:
        block = found.blocks[id(layer)]
        home, _, number = block.path.rpartition(".")
        if number.isdigit():
            found.modules.setdefault(home, Module(home, "list", container="list"))
        found.modules.setdefault(block.path, block)
    found.modules[path] = describe(layer, path)
    for name, variable in _variables(layer):
        _add_variable(found, _join(path, name), variable, layer)
    held = list(_children(layer))
    renamed = _add_blocks(found, layer, path, dict(held))
    for name, child in held:
        if name not in renamed:
            _add_containers(found, path, name)
        _walk(found, child, _join(path, renamed.get(name, name)))


def _add_containers(found: Hierarchy, path: str, name: str) -> None:
    """Makes modules of the lists and dictionaries that hold a layer: `blocks.0` lies in the list `blocks`."""
    parts = name.split(".")
    for count, inner in enumerate(parts[1:], start=1):
        home = _join(path, ".".join(parts[:count]))
        kind = "list" if inner.isdigit() else "dict"
        found.modules.setdefault(home, Module(home, kind, container=kind))


def _add_blocks(found: Hierarchy, layer: Any, path: str, held: dict[str, Any]) -> dict[str, str]:
    """Makes modules of the blocks that the names of a flat model tell of; the paths of their layers by old name."""
    if not isinstance(layer, Functional):
        return {}
    nodes = [node for level in layer._nodes_by_depth.values() for node in level]
    calls = Counter(id(node.operation) for node in nodes)
    names = {id(child): name for name, child in held.items()}

    def named(operation: Any) -> str:
        return names.get(id(operation), f"({id(operation)})")

    edges = [(named(one.operation), named(node.operation)) for node in nodes for one in node.parent_nodes]
    edges += [(named(tensor._keras_history.operation), "(out)") for tensor in layer.outputs]
    once = [name for name, child in held.items() if calls[id(child)] == 1]
    functions = {
        named(node.operation): node.operation for node in nodes if not isinstance(node.operation, keras.layers.Layer)
    }
    renamed = {}
    for block in blocks(once, edges, functions):
        for name, new in block.layers.items():
            found.blocks[id(functions.get(name, held.get(name)))] = Module(_join(path, block.path), block.class_name)
            if name in held:
                renamed[name] = f"{block.path}.{new}"
    return renamed


def _join(parent: str, name: str) -> str:
    return f"{parent}.{name}" if parent else name


def _clean(name: str) -> str:
    return re.sub(r"\W+", "_", name)


# -- variables


def _add_variable(found: Hierarchy, name: str, variable: Any, layer: Any) -> None:
    if id(variable) in found.parameters:
        return
    name = Names(found.variables).unique(name)
    own = any(variable is one for one in layer._trainable_variables)
    own_dtype = keras.backend.standardize_dtype(variable.dtype)
    found.variables[name] = variable
    found.parameters[id(variable)] = Parameter(
        name,
        TensorType(widened(own_dtype), tuple(int(size) for size in variable.shape)),
        lambda: array_of(variable) if own_dtype not in HALF else np.asarray(array_of(variable)).astype("float32"),
        kind="parameter" if own or variable.trainable else "buffer",
        trainable=bool(variable.trainable),
        initialiser=initialiser_of(layer, variable, name.rpartition(".")[2]),
    )


def _variables(layer: Any) -> Iterator[tuple[str, Any]]:
    """The layer's own variables, named by attribute where one holds them."""
    seeds = {id(one.state) for one in getattr(layer, "_seed_generators", ())}
    seen: set[int] = set()
    for attribute, held in layer.__dict__.items():
        if attribute in _BOOKKEEPING:
            continue
        for name, one in _nested(attribute.lstrip("_"), held):
            if is_variable(one) and id(one) not in seen | seeds:
                seen.add(id(one))
                yield name, one
    for one in (*layer._trainable_variables, *layer._non_trainable_variables):
        if id(one) not in seen | seeds:
            seen.add(id(one))
            yield _clean(one.name), one


def _nested(name: str, held: Any) -> Iterator[tuple[str, Any]]:
    """The leaves of lists and dictionaries with the place of each."""
    if isinstance(held, dict):
        for key, one in held.items():
            yield from _nested(f"{name}.{_clean(str(key))}", one)
    elif isinstance(held, list | tuple):
        for index, one in enumerate(held):
            yield from _nested(f"{name}.{index}", one)
    else:
        yield name, held


# -- layers


def _children(layer: Any) -> Iterator[tuple[str, Any]]:
    """The layers that a layer holds, each with its name within it."""
    names, seen = Names(), set()
    if isinstance(layer, keras.Sequential | Functional):
        held = [child for child in layer.layers if not isinstance(child, keras.layers.InputLayer)]
        for name, child in zip(_own_names(held), held, strict=True):
            seen.add(id(child))
            yield names.unique(name), child
    for attribute, held in layer.__dict__.items():
        if attribute in _BOOKKEEPING or attribute == "_functional":
            continue
        for name, one in _nested(attribute.lstrip("_"), held):
            if _is_layer(one) and id(one) not in seen:
                seen.add(id(one))
                yield names.unique(name), one
    for child in layer._layers:
        if _is_layer(child) and id(child) not in seen and child is not getattr(layer, "_functional", None):
            yield names.unique(_own_names([child])[0]), child


def _is_layer(one: Any) -> bool:
    return isinstance(one, keras.layers.Layer) and not isinstance(one, keras.layers.InputLayer | keras.metrics.Metric)


def _own_names(layers: list[Any]) -> list[str]:
    """The names of a model's layers; those that Keras made up are counted from the model's first.

    Keras counts them across the process, in the order in which they are made: the first dense layer of the third model
    is `dense_7`. Where the plain name is among them the count began here, or the user wrote them.
    """
    numbers = [_number(layer) for layer in layers]
    first: dict[str, int] = {}
    for layer, number in zip(layers, numbers, strict=True):
        if number is not None:
            first[_snake(layer)] = min(number, first.get(_snake(layer), number))
    return [
        _clean(layer.name) if number is None else _numbered(_snake(layer), number - first[_snake(layer)])
        for layer, number in zip(layers, numbers, strict=True)
    ]


def _number(layer: Any) -> int | None:
    """The number in a name that Keras made up; None for a name of the user's."""
    found = re.fullmatch(rf"{re.escape(_snake(layer))}(?:_(\d+))?", layer.name)
    return int(found[1] or 0) if found else None


def _numbered(name: str, number: int) -> str:
    return f"{name}_{number}" if number else name


def _snake(layer: Any) -> str:
    """The name that Keras makes up for the first layer of a class."""
    name = re.sub(r"\W+", "", type(layer).__name__)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def describe(layer: Any, path: str) -> Module:
    """What a live layer says of itself."""
    kind = type(layer)
    theirs = kind.__module__.startswith("keras.")
    attributes = {k: v for k, v in vars(layer).items() if isinstance(v, bool | int | float | str) and not theirs}
    attributes = {k: v for k, v in attributes.items() if not k.startswith("_") and k not in _LAYER_STATE}
    return Module(
        path,
        kind.__name__,
        f"{kind.__module__}.{kind.__qualname__}",
        _arguments(layer),
        attributes,
        "" if theirs else inspect.cleandoc(kind.__doc__ or ""),
        _inputs(layer),
        _container(layer),
    )


_LAYER_STATE = {
    "autocast",
    "built",
    "compiled",
    "name",
    "steps_per_execution",
    "stop_training",
    "supports_jit",
    "supports_masking",
    "unrolled_steps_per_execution",
}


def _container(layer: Any) -> Literal["", "sequential", "list", "dict"]:
    return "sequential" if type(layer) is keras.Sequential else ""


_EVERYWHERE = {"name", "dtype", "trainable", "autocast", "activity_regularizer"}


def _arguments(layer: Any) -> dict[str, Any]:
    """The constructor's arguments that are plain values."""
    config = getattr(layer, "_auto_config", None)
    if isinstance(layer, keras.Sequential | Functional) or config is None:
        return {}
    given = {key: _plain(value) for key, value in config.config.items() if key not in _EVERYWHERE}
    return {key: value for key, value in given.items() if value is not None}


def _plain(value: Any) -> Any:
    """`value` where it is a plain one or a nest of them, else None."""
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        parts = [_plain(one) for one in value]
        return None if any(p is None and one is not None for p, one in zip(parts, value, strict=True)) else tuple(parts)
    return None


def _inputs(layer: Any) -> tuple[str, ...]:
    try:
        parameters = inspect.signature(layer.call).parameters.values()
    except (TypeError, ValueError):
        return ()
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return tuple(p.name for p in parameters if p.name not in _NOT_INPUTS and p.kind not in kinds)
