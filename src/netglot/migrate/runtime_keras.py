"""Keras's and TensorFlow's side of a migration: running a network for the proof."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from netglot.migrate.known import cotangent, made_array
from netglot.migrate.runtime import Side, flat
from netglot.verify.runtime_keras import REPAIRS

TF_TENSOR = (tf.Tensor, tf.Variable, keras.Variable)


class Runtime(Side):
    """The operations of the worker."""

    OPERATIONS = (*Side.OPERATIONS, "match")

    def prepare(self) -> None:
        keras.config.set_floatx("float64")
        keras.config.disable_traceback_filtering()
        _no_dropping()
        _known_draws(self.draws)
        _double_pooling()
        _double_leaky()
        for holder, name, repaired in REPAIRS.values():
            setattr(holder, name, repaired(getattr(holder, name)))

    def tensors(self, inputs: list) -> list:
        return [(one.get("name"), _made(one)) for one in inputs]

    def _call(self, inputs: list, training: bool) -> list:
        self.draws.reset()
        args, kwargs = [], {n: v for n, v in inputs if n is not None}
        plain = [v for n, v in inputs if n is None]
        names = _parameters(self.model)
        for position, value in enumerate(plain):
            if flat(value, tf.is_tensor) or value is None:
                args.append(value)
            else:
                kwargs[names[position]] = value
        return flat(self.model(*args, training=training, **kwargs), lambda v: isinstance(v, TF_TENSOR))

    def match(self, entries: list, inputs: list) -> dict[str, Any]:
        """Calls the network once, so that its weights are made, and finds the variable of each entry
        `[path, attribute]`; says which are missing and which of the network's variables are in no entry."""
        self._call(self.tensors(inputs), False)
        self.variables, missing = [], []
        for path, attribute in entries:
            try:
                self.variables.append(_variable(self.model, path, attribute))
            except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
                self.variables.append(None)
                missing.append(f"{path}.{attribute}: {type(error).__name__}: {error}")
        known = {id(v) for v in self.variables}
        every = {id(v): v.path for v in [*_all(self.model)]}
        left = [name for key, name in every.items() if key not in known and "seed_generator" not in name]
        return {
            "missing": missing,
            "left": left,
            "shapes": [None if v is None else list(v.shape) for v in self.variables],
        }

    def weights(self, randomised: bool = False) -> dict[str, Any]:
        """The weights of the matched variables."""
        values = {f"w:{i}": np.asarray(v) for i, v in enumerate(self.variables) if v is not None}
        return {"arrays": self.written(values)}

    def set_weights(self, arrays: list) -> None:
        """Overwrites the matched variables, in order."""
        for variable, array in zip(self.variables, self.arrays(arrays), strict=True):
            variable.assign(array.astype(np.asarray(variable).dtype))

    def save_weights(self, path: str) -> None:
        self.model.save_weights(path)

    def run(self, inputs: list, training: bool = False) -> list:
        """The outputs."""
        outputs = self._call(self.tensors(inputs), training)
        return self.written({f"o:{i}": np.asarray(t) for i, t in enumerate(outputs)})

    def gradients(self, inputs: list, trained: list[bool]) -> dict[str, Any]:
        """Gradients of the sum of all outputs, each weighted by known numbers, to weights and floating inputs."""
        given = self.tensors(inputs)
        leaves = [t for _, v in given for t in flat(v, tf.is_tensor) if t.dtype.is_floating]
        variables = [v for v, is_trained in zip(self.variables, trained, strict=True) if is_trained]
        values = [v.value if isinstance(v, keras.Variable) else v for v in variables]
        with tf.GradientTape() as tape:
            for one in leaves:
                tape.watch(one)
            outputs = [t for t in self._call(given, False) if _floating(t)]
            total = tf.add_n([tf.reduce_sum(t * cotangent(t.shape)) for t in outputs])
        found = tape.gradient(total, [*values, *leaves], unconnected_gradients="zero")
        numbers = [i for i, is_trained in enumerate(trained) if is_trained]
        names = [f"g:{i}" for i in numbers] + [f"i:{i}" for i in range(len(leaves))]
        return {
            "arrays": self.written({n: np.asarray(tf.convert_to_tensor(g)) for n, g in zip(names, found, strict=True)})
        }

    def train(self, batches: list, rate: float, trained: list[bool]) -> dict[str, Any]:
        """Plain gradient descent, as the other side does."""
        losses = []
        variables = [v for v, is_trained in zip(self.variables, trained, strict=True) if is_trained]
        for inputs in batches:
            with tf.GradientTape() as tape:
                outputs = [t for t in self._call(self.tensors(inputs), True) if _floating(t)]
                loss = tf.add_n([tf.reduce_mean((t - cotangent(t.shape)) ** 2) for t in outputs])
            values = [v.value if isinstance(v, keras.Variable) else v for v in variables]
            for variable, gradient in zip(variables, tape.gradient(loss, values), strict=True):
                if gradient is not None:
                    variable.assign(tf.convert_to_tensor(variable) - rate * tf.convert_to_tensor(gradient))
            losses.append(float(loss))
        return {"losses": losses}


def _floating(t: Any) -> bool:
    return tf.as_dtype(t.dtype).is_floating


def _parameters(model: Any) -> list[str]:
    import inspect

    return list(inspect.signature(model.call).parameters)


def _made(one: dict[str, Any]) -> Any:
    if "value" in one:
        return one["value"]
    if "items" in one:
        return [_made(each) for each in one["items"]]
    return tf.convert_to_tensor(made_array(one, double=True))


def _variable(model: Any, path: str, attribute: str) -> Any:
    """The variable at a path of the source's module tree."""
    place = model
    for part in path.split(".") if path else []:
        if isinstance(place, keras.Sequential) and part.isdigit():
            place = place.layers[int(part)]
        elif isinstance(place, (list, tuple)):
            place = place[int(part)]
        elif hasattr(place, "keys"):
            place = place[part]
        else:
            place = getattr(place, part)
    found = getattr(place, attribute)
    if not isinstance(found, (keras.Variable, tf.Variable)):
        raise ValueError("it is no variable")
    return found


def _all(model: Any) -> list:
    return list(getattr(model, "variables", []))


def _no_dropping() -> None:
    """Nothing is dropped: the two frameworks could not drop the same."""

    def kept(self: Any, inputs: Any, training: Any = False) -> Any:
        return inputs

    for kind in (
        layers.Dropout, layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D, layers.AlphaDropout,
        layers.GaussianDropout, layers.GaussianNoise,
    ):  # fmt: skip
        kind.call = kept
    keras.random.dropout = lambda x, *args, **kwargs: x
    tf.nn.dropout = lambda x, *args, **kwargs: x


def _known_draws(draws: Any) -> None:
    """Random tensors come from draws that the other side can repeat."""

    def normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, **kwargs: Any) -> Any:
        return tf.convert_to_tensor(draws.take("normal", _plain(shape))) * stddev + mean

    def uniform(shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, **kwargs: Any) -> Any:
        return tf.convert_to_tensor(draws.take("uniform", _plain(shape)) * (maxval - minval) + minval)

    keras.random.normal, keras.random.uniform = normal, uniform
    tf.random.normal, tf.random.uniform = normal, uniform


def _plain(shape: Any) -> tuple[int, ...]:
    return tuple(int(s) for s in shape)


def _double_pooling() -> None:
    """TensorFlow has no pooling of volumes in double precision: it is taken axis by axis."""
    from keras.src.backend.tensorflow import nn as backend

    for name, reduce in (("max_pool", tf.reduce_max), ("average_pool", tf.reduce_mean)):
        own = getattr(backend, name)

        def pooled(inputs, pool_size, strides=None, padding="valid", data_format=None, own=own, reduce=reduce):
            if len(inputs.shape) != 5 or inputs.dtype != tf.float64:
                return own(inputs, pool_size, strides, padding, data_format)
            size = (pool_size,) * 3 if isinstance(pool_size, int) else tuple(pool_size)
            step = size if strides is None else (strides,) * 3 if isinstance(strides, int) else tuple(strides)
            if data_format == "channels_first":
                inputs = tf.transpose(inputs, (0, 2, 3, 4, 1))
            assert padding == "valid"
            for axis in range(3):
                count = (inputs.shape[axis + 1] - size[axis]) // step[axis] + 1
                places = np.arange(count)[:, None] * step[axis] + np.arange(size[axis])[None]
                inputs = reduce(tf.gather(inputs, places, axis=axis + 1), axis=axis + 2)
            if data_format == "channels_first":
                inputs = tf.transpose(inputs, (0, 4, 1, 2, 3))
            return inputs

        setattr(backend, name, pooled)


def _double_leaky() -> None:
    """TensorFlow holds the slope of a leaky rectifier in single precision, whatever it computes in."""
    from keras.src.backend.tensorflow import nn as backend

    def leaky_relu(x: Any, negative_slope: Any = 0.2) -> Any:
        x = tf.convert_to_tensor(x)
        return tf.where(x > 0, x, x * tf.constant(negative_slope, x.dtype))

    backend.leaky_relu = leaky_relu
    tf.nn.leaky_relu = lambda features, alpha=0.2, name=None: leaky_relu(features, alpha)
