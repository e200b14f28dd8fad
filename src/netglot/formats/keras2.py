"""Architectures of Keras 2 in the terms of Keras 3.

Keras 3 reads most old configs, and not all: options that are gone, TensorFlow functions as layers (`TFOpLambda`), and
`hard_sigmoid`, whose formula has changed. The config is rewritten; nothing in it is run.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

from netglot.errors import InputError, Refusal, never, notimpl

_HARMLESS: dict[str, Callable[[Any], bool]] = {
    "groups": lambda v: v == 1,
    "time_major": lambda v: not v,
    "ragged": lambda v: not v,
    "sparse": lambda v: not v,
    "renorm": lambda v: not v,
    "virtual_batch_size": lambda v: v is None,
    "adjustment": lambda v: v is None,
    "stateful": lambda v: not v,
}
"""Options that Keras 3 lacks and that say nothing where the test holds."""

_IGNORED = {
    "batch_input_shape", "implementation", "input_length", "fused", "renorm_clipping", "renorm_momentum", "input_dtype",
    "build_config", "experimental_run_tf_function", "expects_training_arg", "dynamic", "type_spec", "input_dim",
    "inputs_spec", "kernel_initializer", "kernel_regularizer", "kernel_constraint", "bias_initializer",
    "shared_object_id", "query_shape", "key_shape", "value_shape",
}  # fmt: skip
"""Options that Keras 3 lacks in some layer and that change no number."""

_RENAMED = {("LeakyReLU", "alpha"): "negative_slope", ("InputLayer", "batch_input_shape"): "batch_shape"}
_OLD_CLASSES = {"Model": "Functional"}
_MODELS = {"Functional": "keras.src.models.functional", "Sequential": "keras.models"}


def is_old(version: Any) -> bool:
    """Whether a config was written by Keras 1 or 2; one without a version was."""
    text = version.decode() if isinstance(version, bytes) else str(version or "")
    return not text or text[0] in "12"


def translated(config: dict, supplied: dict) -> dict:
    """The config of a model as Keras 3 writes it.

    Raises:
        InputError: a layer has an option, or is of a class, that Keras 3 lacks.
    """
    return _layer(config, supplied)


def custom_objects() -> dict[str, Any]:
    """What a translated config names beside Keras's own classes."""
    return {"TFOpLambda": _tensorflow_function(), "hard_sigmoid_of_keras_2": hard_sigmoid_of_keras_2}


def hard_sigmoid_of_keras_2(x):
    """Keras 2's formula: a line of slope 0.2, cut at 0 and 1."""
    import keras

    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def _layer(data: dict, supplied: dict) -> dict:
    name = _OLD_CLASSES.get(data["class_name"], data["class_name"])
    held = dict(data["config"]) if isinstance(data["config"], dict) else {"layers": data["config"]}
    if name in _MODELS:
        return {"module": _MODELS[name], "class_name": name, "config": _model(held, supplied), "registered_name": name}
    if name in ("TFOpLambda", "SlicingOpLambda"):
        inner = {"name": _clean(held["name"]), "function": held["function"], "trainable": True, "dtype": "float32"}
        return {"module": None, "class_name": "TFOpLambda", "config": inner, "registered_name": "TFOpLambda"}
    known = supplied.get(name)
    if known is not None:
        return {"module": None, "class_name": name, "config": held, "registered_name": name}
    return {
        "module": "keras.layers",
        "class_name": name,
        "config": _options(name, held, supplied),
        "registered_name": None,
    }


def _model(config: dict, supplied: dict) -> dict:
    made = {"name": _clean(config.get("name", "model")), "trainable": config.get("trainable", True)}
    layers = config["layers"]
    if "input_layers" not in config:  # a Sequential model
        given = [_layer(one, supplied) for one in layers]
        shape = layers[0]["config"].get("batch_input_shape")
        if layers[0]["class_name"] != "InputLayer" and shape:
            first = {"batch_shape": shape, "dtype": "float32", "name": "input_layer"}
            given.insert(0, {"module": "keras.layers", "class_name": "InputLayer", "config": first})
        return made | {"layers": given}
    names = {one["name"] for one in layers}
    return made | {
        "layers": [
            _layer(one, supplied)
            | {"name": _clean(one["name"]), "inbound_nodes": [_node(n, names) for n in one["inbound_nodes"]]}
            for one in layers
        ],
        "input_layers": _references(config["input_layers"]),
        "output_layers": _references(config["output_layers"]),
    }


def _references(tree: Any) -> Any:
    if isinstance(tree, list) and len(tree) == 3 and isinstance(tree[0], str):
        return [_clean(tree[0]), *tree[1:]]
    return [_references(one) for one in tree] if isinstance(tree, list) else tree


def _clean(name: str) -> str:
    return name.replace("/", "_")


# -- nodes


def _node(node: Any, names: set[str]) -> dict:
    """One call of a layer: its tensors, and its other arguments."""
    several = bool(node) and isinstance(node[0], list)
    tensors = node if several else [node]
    found = [_tensor(one[:3]) for one in tensors]
    options: dict[str, Any] = {}
    for one in tensors:
        options |= one[3] if len(one) > 3 else {}
    options.pop("name", None)
    options = {key: _argument(held, names) for key, held in options.items()}
    plain_list = several and (len(found) > 1 or any(len(one) > 3 and one[3] for one in tensors))
    return {"args": [found if plain_list else found[0]], "kwargs": options}


def _tensor(reference: list) -> dict:
    name, node, index = reference
    config = {"shape": [], "dtype": "float32", "keras_history": [_clean(name), node, index]}
    return {"class_name": "__keras_tensor__", "config": config}


def _argument(held: Any, names: set[str]) -> Any:
    if isinstance(held, list):
        if len(held) >= 3 and isinstance(held[0], str) and held[0] in names:
            return _tensor(held[:3])
        if len(held) == 3 and held[:2] == ["_CONSTANT_VALUE", -1]:
            return held[2]
        return [_argument(one, names) for one in held]
    if isinstance(held, dict) and held.get("class_name") not in ("__ellipsis__", "TypeSpec"):
        return {key: _argument(one, names) for key, one in held.items()}
    return held


# -- options


def _options(name: str, config: dict, supplied: dict) -> dict:
    import keras

    kind = getattr(keras.layers, name, None)
    if kind is None:
        raise InputError(
            f"Keras 3 has no layer {name}, which {config.get('name', 'the model')} is",
            advice=f"give a class of that name: --import my_layers.py, with class {name}(keras.layers.Layer)",
        )
    accepted = {p for parent in kind.__mro__ for p in _parameters(parent)}
    found: dict[str, Any] = {}
    for key, held in config.items():
        key = _RENAMED.get((name, key), key)
        if key not in accepted:
            if key in _IGNORED or (key in _HARMLESS and _HARMLESS[key](held)):
                continue
            raise InputError(f"the option {key}={held!r} of {config.get('name', name)} ({name}) is none of Keras 3's")
        found[key] = _value(key, held, supplied)
    if "name" in found:
        found["name"] = _clean(found["name"])
    axis = found.get("axis")
    if isinstance(axis, list) and len(axis) == 1:
        found["axis"] = axis[0]
    return found


def _parameters(kind: type) -> list[str]:
    return list(inspect.signature(kind.__init__).parameters) if "__init__" in kind.__dict__ else []


def _value(key: str, held: Any, supplied: dict) -> Any:
    if key.endswith("activation") and held == "hard_sigmoid":
        name = "hard_sigmoid_of_keras_2"
        return {"module": "builtins", "class_name": "function", "config": name, "registered_name": name}
    if key == "dtype" and isinstance(held, dict):
        return held["config"]["name"]
    if isinstance(held, dict) and "class_name" in held and "config" in held:
        return _object(held, supplied)
    if isinstance(held, list):
        return [_value(key, one, supplied) for one in held]
    return held


def _object(held: dict, supplied: dict) -> dict:
    """An initialiser, a regulariser, a constraint, or a layer within a layer."""
    import keras

    for place in ("initializers", "regularizers", "constraints"):
        if hasattr(getattr(keras, place), held["class_name"]):
            module = f"keras.{place}"
            return {"module": module, "class_name": held["class_name"], "config": held["config"]} | {
                "registered_name": None
            }
    return _layer(held, supplied)


# -- functions of TensorFlow as layers

_FAMILIES = ("math", "nn", "linalg", "image", "signal", "keras.backend")
_FUNCTIONS = (
    "reshape concat transpose expand_dims squeeze cast stack unstack split tile pad gather gather_nd where "
    "clip_by_value reverse ones_like zeros_like broadcast_to shape identity slice strided_slice one_hot repeat roll "
    "einsum matmul tensordot argmax argmin abs add subtract multiply divide exp sqrt square maximum minimum pow round "
    "sigmoid tanh reduce_sum reduce_mean reduce_max reduce_min reduce_prod norm eye fill range cumsum stop_gradient "
    "boolean_mask equal greater less logical_and logical_or logical_not sort argsort"
).split()
"""Functions that a file may name: they compute, and do nothing else."""


def _tensorflow_function() -> type:
    import keras

    class TFOpLambda(keras.layers.Layer):
        """A function of TensorFlow that a functional model calls by name."""

        def __init__(self, function, **options):
            super().__init__(**options)
            self.function = function

        def call(self, *args, **kwargs):
            return call_by_name(self.function, args, kwargs)

    return TFOpLambda


_OPERATORS = {
    "__add__": "add", "__radd__": "add", "__sub__": "subtract", "__mul__": "multiply", "__rmul__": "multiply",
    "__truediv__": "divide", "__pow__": "power", "__neg__": "negative", "__matmul__": "matmul", "add": "add",
}  # fmt: skip


def call_by_name(name: str, args: tuple, kwargs: dict) -> Any:
    """Calls the function that a config names.

    Raises:
        Refusal: it is not one that only computes.
    """
    import keras
    import tensorflow as tf

    if name.startswith("__operators__."):
        operator = name.partition(".")[2]
        if operator == "getitem":
            return args[0][tuple(_key(one) for one in _several(kwargs.get("slice_spec", args[1:])))]
        if operator in _OPERATORS:
            return getattr(keras.ops, _OPERATORS[operator])(*args, *kwargs.values())
        raise Refusal(notimpl(f"the operator {operator}"))
    family, _, last = name.rpartition(".")
    plain = re.fullmatch(r"[a-z][a-z_0-9]*(\.[a-z][a-z_0-9]*)*", name) is not None
    if not plain or not (family in _FAMILIES or (not family and last in _FUNCTIONS)):
        raise Refusal(never(f"the file calls tf.{name}, which may do more than compute"))
    target: Any = tf
    for part in name.split("."):
        target = getattr(target, part)
    return target(*args, **kwargs)


def _several(keys: Any) -> list:
    return list(keys) if isinstance(keys, list | tuple) else [keys]


def _key(one: Any) -> Any:
    if isinstance(one, dict) and set(one) == {"start", "stop", "step"}:
        return slice(one["start"], one["stop"], one["step"])
    if (isinstance(one, dict) and one.get("class_name") == "__ellipsis__") or one in ("Ellipsis", "..."):
        return Ellipsis
    return one
