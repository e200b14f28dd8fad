"""What the recorder must know of TensorFlow and Keras; `tf.keras` and `keras` are one, named `keras`."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend.common import global_state
from tensorflow.python import pywrap_tfe

from netglot.migrate.observe import Framework

NAMESPACES = (
    "keras", "keras.layers", "keras.ops", "keras.activations", "keras.initializers", "keras.optimizers",
    "keras.optimizers.schedules", "keras.losses", "keras.metrics", "keras.callbacks", "keras.utils", "keras.random",
    "keras.backend", "keras.models", "keras.regularizers", "keras.constraints", "keras.datasets.mnist",
    "keras.datasets.fashion_mnist", "keras.datasets.cifar10", "keras.datasets.cifar100", "keras.datasets.imdb",
    "keras.ops.image",
    "keras.preprocessing.sequence", "keras.preprocessing.image", "keras.mixed_precision", "keras.applications",
    "tensorflow", "tensorflow.nn", "tensorflow.math", "tensorflow.linalg", "tensorflow.random", "tensorflow.image",
    "tensorflow.data", "tensorflow.losses", "tensorflow.signal", "tensorflow.strings", "tensorflow.sparse",
    "tensorflow.distribute", "tensorflow.summary", "tensorflow.train", "tensorflow.io", "tensorflow.debugging",
)  # fmt: skip


def _under_another(tape: tf.GradientTape) -> bool:
    """Whether what a tape gives is itself recorded: by another tape, or by this one where it goes on."""
    ends = tape._recording and not tape._persistent  # it ends where it gives a gradient
    with tape.stop_recording() if ends else contextlib.nullcontext():
        return not pywrap_tfe.TFE_Py_TapeSetIsEmpty()


class Keras(Framework):
    """TensorFlow's and Keras's values, named as a user names them: `tf.reshape`, `keras.layers.Dense`."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._kept: list[Any] = []
        for namespace in NAMESPACES:
            module: Any = None
            if namespace.startswith("tensorflow"):  # an import would put a second copy of the module in its place
                module = functools.reduce(lambda found, part: getattr(found, part, None), namespace.split(".")[1:], tf)
            else:
                with contextlib.suppress(ImportError):
                    module = importlib.import_module(namespace)
            if module is not None:
                self._learn(namespace.replace("tensorflow", "tf", 1), module)

        for legacy in (
            "backend",
            "preprocessing.image",
            "preprocessing.text",
            "preprocessing.sequence",
            "preprocessing",
        ):
            try:
                self._learn(f"keras.{legacy}", importlib.import_module(f"keras._tf_keras.keras.{legacy}"))
            except ImportError:
                continue

    def _learn(self, namespace: str, module: Any) -> None:
        for name in dir(module):
            if name.startswith("_"):
                continue
            try:
                value = getattr(module, name)
            except (AttributeError, ImportError):
                continue
            if inspect.ismodule(value) or isinstance(value, (bool, int, float, str)):
                continue
            if callable(value) or isinstance(value, tf.DType):
                self._names.setdefault(id(value), f"{namespace}.{name}")
                self._kept.append(value)

    def note(self, fact: Any, owner: Any, name: str, value: Any) -> None:
        if (
            name == "output_shape"
            and isinstance(owner, keras.Model)
            and isinstance(getattr(owner, "input_shape", 0), tuple)
        ):
            fact.extra["input"] = list(owner.input_shape)
        if isinstance(owner, keras.Model) and value is None and not name:
            fact.extra["told"] = owner._call_has_training_arg or not moody(owner)
        if name == "metrics" and isinstance(owner, keras.Model):
            fact.extra["user"] = not type(owner).metrics.fget.__module__.startswith("keras.")
        if isinstance(owner, tf.GradientTape) and not name:
            fact.extra["under"] = fact.extra.get("under", False) or _under_another(owner)
        if functional(value):
            fact.extra["outputs"] = list(value.output_names)
        if isinstance(value, keras.KerasTensor):
            fact.extra["symbol"] = True

    def note_tensor(self, fact: Any, value: Any) -> None:
        if isinstance(value, (tf.Variable, keras.Variable)):
            fact.extra["variable"] = True

    def note_call(self, fact: Any, function: Any) -> None:
        inside = global_state.get_global_attribute("current_call_ctx") is not None
        fact.extra["inside"] = sorted({*fact.extra.get("inside", ()), inside})
        fact.extra["moody"] = fact.extra.get("moody", False) or moody(function)

    def kind(self, value: Any) -> str | None:
        if isinstance(value, (tf.Tensor, tf.Variable, keras.Variable, keras.KerasTensor)):
            return "tensor"
        if isinstance(value, tf.TensorShape):
            return "size"
        if isinstance(value, keras.layers.Layer):
            return "module:" + (self.class_name(value))
        if isinstance(value, tf.DType):
            return "name"
        if isinstance(value, keras.optimizers.Optimizer):
            return "optimizer"
        if isinstance(value, tf.data.Dataset):
            return "loader"
        if isinstance(value, keras.utils.PyDataset):
            return "dataset"
        if isinstance(value, (keras.losses.Loss, keras.metrics.Metric, keras.callbacks.Callback)):
            return "object:" + (self.name(type(value)) or f"user:{type(value).__qualname__}")
        if isinstance(value, _STARTS):
            return "object:" + (self.name(type(value)) or type(value).__qualname__)
        if isinstance(value, keras.optimizers.schedules.LearningRateSchedule):
            return "scheduler"
        if isinstance(value, tf.GradientTape):
            return "object:tf.GradientTape"
        return None

    def class_name(self, value: Any) -> str:
        """A layer's class: its public name, or `user:` and the user's."""
        kind = type(value)
        if kind.__name__ == "Functional" and kind.__module__.startswith("keras."):
            return "keras.Model"
        return self.name(kind) or f"user:{kind.__qualname__}"

    def tensor(self, value: Any) -> tuple[list[int], str]:
        shape = value.shape
        if getattr(shape, "rank", 0) is None:
            return [], str(tf.as_dtype(value.dtype).name)
        dtype = value.dtype
        sizes = [-1 if s is None else int(s) for s in shape]
        return sizes, dtype if isinstance(dtype, str) else tf.as_dtype(dtype).name

    def name(self, value: Any) -> str | None:
        try:
            return self._names.get(id(value))
        except TypeError:
            return None

    def method(self, owner: Any, name: str) -> str | None:
        if type(owner) is super:
            return _of_parent(owner, name) if name != "__init__" else None
        if isinstance(owner, (tf.Tensor, tf.Variable, keras.Variable, keras.KerasTensor)):
            return f"tf.Tensor.{name}"
        if isinstance(owner, tf.TensorShape):
            return f"tf.TensorShape.{name}"
        for kind, base in _BASES:
            if isinstance(owner, kind):
                for step in type(owner).__mro__:
                    if name in vars(step):
                        return f"{base}.{name}" if step.__module__.startswith(("keras.", "tensorflow.")) else None
                return None if name in vars(owner) else f"{base}.{name}"
        if type(owner).__module__.startswith(("keras.", "tensorflow.")) and not inspect.ismodule(owner):
            if inspect.isclass(owner):
                return None
            return f"{self.name(type(owner)) or type(owner).__qualname__}.{name}"
        return None


def _of_parent(owner: Any, name: str) -> str | None:
    """What `super().compile` is: Keras's, where the next class that has it is Keras's."""
    line = owner.__self_class__.__mro__
    for step in line[line.index(owner.__thisclass__) + 1 :]:
        if name in vars(step):
            base = next((base for kind, base in _BASES if issubclass(owner.__self_class__, kind)), None)
            return f"{base}.{name}" if base and step.__module__.startswith("keras.") else None
    return None


_STARTS = (keras.initializers.Initializer, keras.callbacks.History, tf.random_normal_initializer.__base__)
"""What has a name and a call, and is neither a layer nor a loss."""


def functional(value: Any) -> bool:
    """Whether a network was given its inputs and outputs; its class may be the user's."""
    return any(kind.__name__ == "Functional" and kind.__module__.startswith("keras.") for kind in type(value).__mro__)


_MOODS = ("Dropout", "Random", "Noise", "BatchNormalization", "Spectral")


def moody(layer: Any) -> bool:
    """Whether a layer, or one in it, may compute something else while it trains."""
    for one in layer._flatten_layers() if isinstance(layer, keras.layers.Layer) else ():
        kind = type(one)
        if not kind.call.__module__.startswith("keras."):
            if "training" in inspect.signature(one.call).parameters:
                return True
        elif (
            any(word in kind.__name__ for word in _MOODS)
            or getattr(one, "dropout", 0)
            or getattr(one, "recurrent_dropout", 0)
        ):
            return True
    return False


_BASES = (
    (keras.Sequential, "keras.Sequential"),
    (keras.Model, "keras.Model"),
    (keras.layers.Layer, "keras.Layer"),
    (keras.optimizers.Optimizer, "keras.Optimizer"),
    (keras.metrics.Metric, "keras.Metric"),
    (tf.data.Dataset, "tf.data.Dataset"),
)
