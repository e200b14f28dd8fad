"""What the nodes of a graph definition say, and what those compute whose inputs are all known."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import op_def_registry

from netglot.dialects.tensorflow.known import FOLDED
from netglot.pivot.dims import Dim


def tensors_of(definition: Any, node: Any, inputs: list[Any]) -> dict[str, Any]:
    """The inputs of a node by the names that the op's definition gives them."""
    found: dict[str, Any] = {}
    position = 0
    for argument in definition.input_arg:
        if argument.number_attr:
            count = node.attr[argument.number_attr].i
            found[argument.name] = inputs[position : position + count]
            position += count
        elif argument.type_list_attr:
            count = len(node.attr[argument.type_list_attr].list.type)
            found[argument.name] = inputs[position : position + count]
            position += count
        else:
            found[argument.name] = inputs[position]
            position += 1
    return found


def attribute_of(attr: Any) -> Any:
    """The Python value of an attribute."""
    kind = attr.WhichOneof("value")
    match kind:
        case "s":
            return attr.s.decode("utf-8", "replace")
        case "i" | "f" | "b":
            return getattr(attr, kind)
        case "type":
            return tf.dtypes.as_dtype(attr.type).name
        case "list":
            held = attr.list
            for field in ("i", "f", "b"):
                if getattr(held, field):
                    return list(getattr(held, field))
            return [one.decode("utf-8", "replace") for one in held.s]
        case "shape":
            return [dim.size for dim in attr.shape.dim]
        case _:
            return None


def settled_sizes(inputs: list[Any]) -> list[Any]:
    """Known arrays, those of objects among which no size is open any more as plain numbers."""
    whole = next((one.dtype for one in inputs if isinstance(one, np.ndarray) and one.dtype.kind == "i"), "int32")
    found = []
    for one in inputs:
        array = np.asarray(one)
        if array.dtype == object and not any(isinstance(held, Dim) for held in array.ravel()):
            array = np.asarray(array.tolist())
            kind = {"i": whole, "f": "float32"}.get(array.dtype.kind, array.dtype)
            one = array.astype(kind)
        found.append(one)
    return found


def folded(node: Any, inputs: list[Any], symbolic: bool) -> list[Any]:
    """What a node computes from known arrays: by TensorFlow itself, or by hand where sizes are symbolic."""
    if symbolic:
        definition = op_def_registry.get(node.op)
        attributes = {name: attribute_of(node.attr[name]) for name in node.attr}
        held = FOLDED[node.op](*tensors_of(definition, node, inputs).values(), **_wanted(FOLDED[node.op], attributes))
        return held if isinstance(held, list) else [held]
    definition = op_def_registry.get(node.op)
    with tf.init_scope(), tf.device("cpu:0"):
        arguments = tensors_of(definition, node, [tf.constant(one) for one in inputs])  # each in its own dtype
    for attribute in definition.attr:
        if (attribute.name in node.attr and attribute.type not in ("int",)) or attribute.name in _INTEGER_OPTIONS:
            held = node.attr[attribute.name]
            if attribute.name not in ("T", "N", "Tidx", "Tperm", "Tshape", "Index", "Tindices", "Tparams", "Taxis"):
                arguments[attribute.name] = attribute_of(held)
    with tf.init_scope(), tf.device("cpu:0"):
        result = getattr(tf.raw_ops, node.op)(**_raw(node.op, arguments))
    several = isinstance(result, list | tuple)
    return [np.asarray(one) for one in result] if several else [np.asarray(result)]


_INTEGER_OPTIONS = {
    "begin_mask",
    "end_mask",
    "ellipsis_mask",
    "new_axis_mask",
    "shrink_axis_mask",
    "axis",
    "batch_dims",
    "num_split",
    "num",
}
_RENAMED = {
    "reduction_indices": "axis",
    "split_dim": "axis",
    "dim": "axis",
    "squeeze_dims": "axis",
    "t": "x",
    "e": "y",
}
"""What Python calls some inputs and attributes of ops otherwise than their definitions do."""


def _raw(op: str, arguments: dict[str, Any]) -> dict[str, Any]:
    names = inspect.signature(getattr(tf.raw_ops, op)).parameters
    called = {name if name in names else _RENAMED.get(name, name): held for name, held in arguments.items()}
    return {name: held for name, held in called.items() if name in names}


def _wanted(function: Callable, attributes: dict[str, Any]) -> dict[str, Any]:
    names = inspect.signature(function).parameters
    return {name: held for name, held in attributes.items() if name in names}
