"""What a Keras worker can do as the source: load a saved model and do what `runtime_torch` does with a module.

Variables go by the names that the reader gives them, which follow from the model alone.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import os
import warnings
import zipfile

import keras
import numpy as np
import tensorflow as tf
from keras.src import dtype_policies
from keras.src.saving import serialization_lib

from netglot.dialects.keras.hierarchy import hierarchy
from netglot.formats.keras2 import custom_objects
from netglot.formats.keras_config import seen_by_code
from netglot.verify import runtime_keras
from netglot.verify.arrays import build_call, each_array, read_arrays
from netglot.verify.runtime_keras import OPTIMISERS
from netglot.verify.steps import MOVED

FLOATS = ("float64", "float32", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16")


class Runtime(runtime_keras.Runtime):
    """The operations of the worker; each takes and returns JSON, arrays by way of `arrays`."""

    OPERATIONS = (
        "load", "describe", "set_dtype", "repair", "restore", "set_state", "state", "run", "gradients", "train",
        "rate", "dropout",
    )  # fmt: skip

    def load(self, call, path, classes=None, variables=None, sample=()):  # type: ignore[override]
        """Loads the `.keras` file at `path`; `classes` is a cloudpickle of the user's own classes by name, and of what
        the code of Lambda layers sees. `variables` are the names and shapes that the live model had, in order, and
        `sample` shapes and dtypes of inputs that it can be called with."""
        self.call, self.path, self.classes, self.seen = call, path, {}, {}
        self.names, self.sample = variables, sample
        if classes:
            import cloudpickle

            with open(classes, "rb") as file:
                self.classes, self.seen = cloudpickle.load(file)
            for kind in self.classes.values():
                _accept_plain_constructors(kind)
        self._load("float32")
        return self.describe()

    def describe(self):  # type: ignore[override]
        """The variables: `[[name, shape, dtype, trainable], ...]`."""
        trainable = {id(v) for v in self.model.trainable_variables}
        state = [
            [name, list(v.shape), keras.backend.standardize_dtype(v.dtype), id(v) in trainable]
            for name, v in self.variables.items()
        ]
        return {"state": state, "framework": f"keras {keras.__version__} on tensorflow {tf.__version__}"}

    def set_dtype(self, dtype):
        """Makes the whole network compute in `dtype`, with the state that it had when it was loaded."""
        if dtype != self.dtype:
            self._load(dtype)

    def repair(self, names):
        """Computes these known imprecisions exactly from now on (see `runtime_keras.REPAIRS`)."""
        self.exact = tuple(names)

    def restore(self):
        """Sets the state back to what it was when the model was loaded."""
        for name, array in self.saved.items():
            self.variables[name].assign(array)

    def set_state(self, arrays):
        """Overwrites variables by name."""
        for name, array in each_array(arrays):
            variable = self.variables[name]
            variable.assign(array.astype(keras.backend.standardize_dtype(variable.dtype)))

    def state(self, names=None):  # type: ignore[override]
        """The variables, all or those named."""
        return self._write({n: v for n, v in self.variables.items() if names is None or n in names})

    def gradients(self, inputs, cotangents):  # type: ignore[override]
        """Gradients of `sum(output * cotangent)` to every trainable variable and every input of floats, in inference
        mode. Inputs are named `input:NAME`."""
        weights = {name: self._tensor(array) for name, array in each_array(cotangents)}
        given = self._inputs(inputs)
        watched = {f"input:{name}": t for name, t in given.items() if t.dtype.is_floating}
        variables = {name: v.value for name, v in self._trained()}
        with self._patched(steady=True), self._kept_states(), tf.GradientTape(watch_accessed_variables=False) as tape:
            for tensor in (*watched.values(), *variables.values()):
                tape.watch(tensor)
            outputs = self._outputs(given, False)
            total = tf.add_n([tf.reduce_sum(outputs[name] * weight) for name, weight in weights.items()])
        watched.update(variables)
        found = tape.gradient(total, list(watched.values()), unconnected_gradients="zero")
        return self._write(dict(zip(watched, map(tf.convert_to_tensor, found), strict=True)))

    def train(self, inputs, targets, steps, rate, optimiser="sgd", frozen=()):  # type: ignore[override]
        """Trains on one batch, nothing dropped, as `runtime_torch` does. Running variances are Keras's own: biased."""
        wanted = [self._tensor(array) for array in read_arrays(targets).values()]
        given, result, losses = self._inputs(inputs), {}, []
        variables = [v for _, v in self._trained(frozen)]
        stepper = OPTIMISERS[optimiser](learning_rate=rate)
        stepper.build(variables)
        outputs: dict = {}
        for step in range(steps):
            loss, outputs, found = self._slopes(given, wanted, variables)
            stepper.apply(found, variables)
            losses.append(float(loss))
            if step == 0:
                trained = {id(v) for v in self.model.trainable_variables}  # Keras counts no states of recurrent layers
                result["first"] = self._write({n: v for n, v in self.variables.items() if id(v) not in trained})
        return {
            "losses": losses, "outputs": list(outputs), **result, "last": self.state(), "biased_first": [],
            "biased_last": [],
        }  # fmt: skip

    def rate(self, inputs, targets, frozen=()):
        """A learning rate at which the first step of `train` moves the variables by a small part of their norm."""
        before = {name: np.array(v.value) for name, v in self.variables.items()}
        variables = [v for _, v in self._trained(frozen)]
        wanted = [self._tensor(array) for array in read_arrays(targets).values()]
        _, _, found = self._slopes(self._inputs(inputs), wanted, variables)
        for name, array in before.items():
            self.variables[name].assign(array)
        slope = sum(float(tf.reduce_sum(tf.convert_to_tensor(g) ** 2)) for g in found) ** 0.5
        size = sum(float(tf.reduce_sum(v.value**2)) for v in variables) ** 0.5
        return MOVED * size / slope if slope else MOVED

    def dropout(self, inputs, runs, statistics=()):
        """How random dropping behaves in training, see `runtime_torch`; the state is put back afterwards."""
        before = {name: np.array(v.value) for name, v in self.variables.items()}
        places = super().dropout(inputs, runs)
        for name, array in before.items():
            self.variables[name].assign(array)
        return places

    # -- pieces

    def _load(self, dtype):
        keras.config.set_floatx(dtype)
        self.model = None  # the memory of the last one
        keras.backend.clear_session()
        self.dtype = dtype
        plain = dtype == "float32" and not _has_other_policies(self.path)
        path = self.path if plain else _in_dtype(self.path, dtype, self.folder)
        wide = runtime_keras.wide_spectrograms() if dtype == "float64" else contextlib.nullcontext()
        with contextlib.nullcontext() if plain else _layers_in(dtype), wide, seen_by_code(self.seen), _named():
            known = {**custom_objects(), **self.classes}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that a model is not built, which happens below
                self.model = keras.saving.load_model(path, custom_objects=known, compile=False, safe_mode=False)
            self._build(path)
        self.variables = _as_before(hierarchy(self.model).variables, self.names)
        self.saved = {name: np.array(v.value) for name, v in self.variables.items()}

    def _build(self, path):
        """Calls a model of which a part was not built, because nothing but a call builds it, and loads it anew."""
        if self.sample and self.names and len(hierarchy(self.model).variables) < len(self.names):
            given = iter([self._tensor(np.zeros(shape, dtype)) for shape, dtype in self.sample])
            args = [build_call(tree, lambda name: next(given)) for tree in self.call.get("args", [])]
            options = self.call.get("kwargs", {}).items()
            kwargs = {name: build_call(tree, lambda name: next(given)) for name, tree in options}
            self.model(*args, training=False, **kwargs)
            self.model.load_weights(path)

    def _trained(self, frozen=()):
        trainable = {id(v) for v in self.model.trainable_variables}
        return [(n, v) for n, v in self.variables.items() if id(v) in trainable and n not in frozen]

    def _slopes(self, given, wanted, variables):
        """The loss in training mode, the outputs, and the gradients of the variables."""
        with self._patched(steady=True), tf.GradientTape() as tape:
            outputs = self._outputs(given, True)
            floating = [o for o in outputs.values() if o.dtype.is_floating]
            loss = tf.add_n([tf.reduce_mean((o - t) ** 2) for o, t in zip(floating, wanted, strict=False)])
        found = tape.gradient(loss, [v.value for v in variables], unconnected_gradients="zero")
        return loss, outputs, [tf.convert_to_tensor(g) for g in found]


def _as_before(found, names):
    """Variables by the names that they had before the model was saved: some models name their layers after themselves,
    and otherwise when they are made again."""
    if names is None or {name for name, _ in names} <= set(found):
        return found
    same = [list(v.shape) for v in found.values()] == [shape for _, shape in names]
    return dict(zip((name for name, _ in names), found.values(), strict=True)) if same else found


def _accept_plain_constructors(kind):
    """Lets a class be made again whose constructor takes none of Keras's own arguments, such as `name`."""
    parameters = inspect.signature(kind.__init__).parameters.values()
    names = {p.name for p in parameters}
    own = getattr(kind.from_config, "__func__", None) is not keras.layers.Layer.from_config.__func__
    if any(p.kind is p.VAR_KEYWORD for p in parameters) or (own and "from_config" in vars(kind)):
        return
    kind.from_config = classmethod(lambda cls, config: cls(**{k: v for k, v in config.items() if k in names}))


def _layers_in(dtype):
    """Makes layers compute in `dtype` that a constructor or `build` makes in another, which no configuration tells."""

    def make(original):
        def get(identifier):
            policy = original(identifier)
            return original(dtype) if policy.name in FLOATS else policy

        return get

    return runtime_keras._swapped(dtype_policies, "get", make)


def _named():
    """Gives layers the names that stand in the file: one whose constructor takes no name forgets its own."""

    def make(original):
        def deserialise(config, *args, **kwargs):
            made = original(config, *args, **kwargs)
            if (
                isinstance(made, keras.layers.Layer)
                and isinstance(config, dict)
                and isinstance(config.get("name"), str)
            ):
                made.name = config["name"]
            return made

        return deserialise

    return runtime_keras._swapped(serialization_lib, "deserialize_keras_object", make)


def _has_other_policies(path):
    """Whether layers of a `.keras` file have dtype policies of half precision."""
    with zipfile.ZipFile(path) as source:
        text = source.read("config.json").decode()
    return any(f'"{name}"' in text for name in FLOATS[2:])


def _in_dtype(path, dtype, folder):
    """A copy of a `.keras` file whose layers compute in `dtype`."""
    target = os.path.join(str(folder), f"{dtype}.keras")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as copy:
        for name in source.namelist():
            data = source.read(name)
            if name == "config.json":
                data = json.dumps(_retyped(json.load(io.BytesIO(data)), dtype)).encode()
            copy.writestr(name, data)
    return target


def _retyped(config, dtype):
    """A configuration with its dtype policies, and dtypes of floats, replaced."""
    if isinstance(config, list):
        return [_retyped(one, dtype) for one in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") in ("DTypePolicy", "FloatDTypePolicy"):
        return {**config, "config": {**config["config"], "name": dtype}}
    return {
        key: dtype if key == "dtype" and value in FLOATS else _retyped(value, dtype) for key, value in config.items()
    }
