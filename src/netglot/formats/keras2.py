"""Architectures of Keras 2 in the terms of Keras 3.

Keras 3 reads most old configs, and not all: options that are gone, TensorFlow functions as layers (`TFOpLambda`), and
`hard_sigmoid`, whose formula has changed. The config is rewritten; nothing in it is run.
"""

from __future__ import annotations

import inspect
import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np

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
    "softmax_robust_masking": lambda v: not v,
    "use_spectral_norm": lambda v: not v,
    "synchronized": lambda v: not v,
    "noise_shape": lambda v: v is None,
    "trainable": lambda v: v,
}
"""Options that Keras 3 lacks and that say nothing where the test holds."""

_IGNORED = {
    "batch_input_shape", "implementation", "input_length", "fused", "renorm_clipping", "renorm_momentum", "input_dtype",
    "build_config", "experimental_run_tf_function", "expects_training_arg", "dynamic", "type_spec", "input_dim",
    "inputs_spec", "kernel_initializer", "kernel_regularizer", "kernel_constraint", "bias_initializer",
    "shared_object_id", "query_shape", "key_shape", "value_shape", "rng_type", "optional", "force_generator",
    "jit_compile",
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
    table = {"TFOpLambda": _tensorflow_function(), "ThresholdedReLU": _thresholded_relu()}
    return table | {"hard_sigmoid_of_keras_2": hard_sigmoid_of_keras_2}


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
    if name == "Lambda":
        return {"module": "keras.layers", "class_name": name, "config": _lambda(held), "registered_name": None}
    known = supplied.get(name)
    if known is not None:
        return {"module": None, "class_name": name, "config": held, "registered_name": name}
    gone = name in custom_objects()
    return {
        "module": None if gone else "keras.layers",
        "class_name": name,
        "config": _options(name, held, supplied),
        "registered_name": name if gone else None,
    }


def _lambda(held: dict) -> dict:
    """The options of a layer of Python code: a name, or code, which only a trusted file may bring."""
    made = {key: held[key] for key in ("name", "trainable", "arguments", "mask") if key in held}
    shape = held.get("output_shape")
    function = held["function"]
    if isinstance(function, list):
        config = dict(zip(("code", "defaults", "closure"), function, strict=True))
        function = {"class_name": "__lambda__", "config": config}
    return made | {"function": function} | ({"output_shape": shape} if isinstance(shape, list) else {})


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
    before = {one["name"]: _calls_before(one, config) for one in layers if _kind(one) in _MODELS}
    ends = before | {one["name"]: before[one["name"]] - 1 for one in layers if _kind(one) == "Functional"}  # as Keras 3
    return made | {
        "layers": [
            _layer(one, supplied)
            | {
                "name": _clean(one["name"]),
                "inbound_nodes": [_node(_moved(n, before), names, one["class_name"]) for n in one["inbound_nodes"]],
            }
            for one in layers
        ],
        "input_layers": _references(_single(config["input_layers"])),
        "output_layers": _references(_single(_moved(config["output_layers"], ends))),
    }


def _single(tree: Any) -> Any:
    """The reference alone where a list holds one: Keras 2 always writes a list."""
    return tree[0] if isinstance(tree, list) and len(tree) == 1 and _is_reference(tree[0]) else tree


def _kind(layer: dict) -> str:
    name: str = layer["class_name"]
    return _OLD_CLASSES.get(name, name)


def _calls_before(layer: dict, config: dict) -> int:
    """At which number the references to the calls of a nested model begin: its own making counts as one, mostly."""
    found: list[int] = []

    def look(tree: Any) -> None:
        if _is_reference(tree) and tree[0] == layer["name"]:
            found.append(tree[1])
        for one in tree if isinstance(tree, list) else tree.values() if isinstance(tree, dict) else ():
            look(one)

    look([one["inbound_nodes"] for one in config["layers"]] + [config["output_layers"]])
    return 0 if not found or 0 in found else 1


def _is_reference(tree: Any) -> bool:
    return isinstance(tree, list) and len(tree) >= 3 and isinstance(tree[0], str) and isinstance(tree[1], int)


def _moved(tree: Any, before: dict[str, int]) -> Any:
    """References to the calls of nested models, with these counted from zero."""
    if _is_reference(tree):
        return [tree[0], tree[1] - before.get(tree[0], 0), *(_moved(one, before) for one in tree[2:])]
    if isinstance(tree, dict):
        return {key: _moved(one, before) for key, one in tree.items()}
    return [_moved(one, before) for one in tree] if isinstance(tree, list) else tree


def _references(tree: Any) -> Any:
    if isinstance(tree, list) and len(tree) == 3 and isinstance(tree[0], str):
        return [_clean(tree[0]), *tree[1:]]
    return [_references(one) for one in tree] if isinstance(tree, list) else tree


def _clean(name: str) -> str:
    return name.replace("/", "_")


# -- nodes


def _node(node: Any, names: set[str], kind: str) -> dict:
    """One call of a layer: its tensors, and its other arguments."""
    several = bool(node) and isinstance(node[0], list)
    tensors = node if several else [node]
    found = [_tensor(one[:3]) for one in tensors]
    options: dict[str, Any] = {}
    for one in tensors:
        options |= one[3] if len(one) > 3 else {}
    options.pop("name", None)
    options = {key: _argument(held, names) for key, held in options.items()}
    listed = kind.endswith("OpLambda") and any(len(one) > 3 and one[3] for one in tensors)
    plain_list = several and (len(found) > 1 or listed)
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

    kind = getattr(keras.layers, name, None) or custom_objects().get(name)
    if kind is None:
        raise InputError(
            f"Keras 3 has no layer {name}, which {config.get('name', 'the model')} is",
            advice=f"give a class of that name: --import my_layers.py, with class {name}(keras.layers.Layer)",
        )
    accepted = _accepted(kind)
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


def _accepted(kind: type) -> set[str]:
    """The options that a class takes, those that it hands on to its parents among them."""
    found: set[str] = set()
    for parent in kind.__mro__:
        if "__init__" not in parent.__dict__:
            continue
        parameters = inspect.signature(parent.__init__).parameters
        found.update(parameters)
        if not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
            break
    return found


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


def _thresholded_relu() -> type:
    import keras

    class ThresholdedReLU(keras.layers.Layer):
        """`x` where it is above `theta`, else 0; Keras 3 has it no longer."""

        def __init__(self, theta=1.0, **options):
            super().__init__(**options)
            self.theta = float(theta)

        def call(self, inputs):
            return keras.ops.where(inputs > self.theta, inputs, 0.0)

    return ThresholdedReLU


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


# -- weights of an archive


def load_archived_weights(model: Any, file: Any) -> None:
    """Fills a model from the weights of a `.keras` archive of Keras 2; generators of noise begin anew.

    Raises:
        ValueError: the file holds other variables than the model has.
    """
    import h5py
    import keras
    from keras.src.saving import saving_lib

    held = io.BytesIO(file.read())
    failed: dict[int, tuple[Any, Exception]] = {}
    store = saving_lib.H5IOStore(held, mode="r")
    saving_lib._load_state(model, store, None, "", True, set(), set(), failed)
    store.close()
    for one, error in failed.values():
        if not isinstance(one, keras.random.SeedGenerator):
            raise ValueError(f"{one.name}: {error}") from error
    sizes: list[int] = []
    with h5py.File(held) as weights:
        weights.visititems(lambda name, one: sizes.append(getattr(one, "size", 0)) if "vars/" in name else None)
    wanted = sum(int(np.prod(v.shape)) for v in model.variables if "seed_generator" not in v.path)
    if sum(sizes) != wanted:
        raise ValueError(f"the file holds {sum(sizes)} numbers, and {model.name} has {wanted}")
