"""What a Keras worker can do: load an emitted folder, change its state, run it, differentiate and train it.

Computes on Keras's TensorFlow backend. Randomness and precision are held by patches on the backend that are in force
only while an operation runs.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import os
from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf
from keras.src import backend

from netglot.verify.arrays import build_call, each_array, read_arrays, write_arrays
from netglot.verify.emitted import import_emitted
from netglot.verify.paths import resolve

OPTIMISERS = {"sgd": keras.optimizers.SGD, "adam": functools.partial(keras.optimizers.Adam, epsilon=1e-8)}


class Runtime:
    """The operations of the worker; each takes and returns JSON, arrays by way of `arrays`."""

    OPERATIONS = (
        "load", "describe", "set_state", "state", "run", "gradients", "train", "dropout", "intermediates",
    )  # fmt: skip

    def __init__(self, folder):
        self.folder = folder
        self.model = None
        self.emitted = ""
        self.dtype = "float32"
        self.call: dict = {}
        self.exact: tuple = ()

    def load(self, call, path, dtype="float32", entry="load", exact=()):
        """Imports `model.py` from the folder `path` and calls its `load()`, computing in `dtype`.

        `call` is a JSON tree, see `arrays.build_call`; `exact` names known imprecisions of the framework that are
        repaired (see `REPAIRS`), so that what is left is not theirs.
        """
        keras.config.set_floatx(dtype)
        self.model = None  # the memory of the last one
        keras.backend.clear_session()
        self.call, self.dtype, self.emitted, self.exact = call, dtype, str(path), tuple(exact)
        with self._patched():
            self.model = getattr(import_emitted(os.path.join(path, "model.py")), entry)()
        return self.describe([])

    def describe(self, paths):
        """The variables at `paths`: `[[path, shape, dtype, trainable], ...]`, and those of the model that `paths`
        leaves out (the state of random generators apart), by the names that Keras gives them."""
        found = [(path, resolve(self.model, path)) for path in paths]
        listed = {id(variable) for _, variable in found}
        trainable = {id(v) for v in self.model.trainable_variables}
        left = [v for v in self.model.variables if id(v) not in listed and "seed_generator" not in v.path]
        return {
            "state": [[p, list(v.shape), backend.standardize_dtype(v.dtype), id(v) in trainable] for p, v in found],
            "left_out": [[v.path, list(v.shape), id(v) in trainable] for v in left],
            "parameters": {
                "trainable": sum(int(np.prod(v.shape)) for v in self.model.trainable_variables),
                "frozen": sum(
                    int(np.prod(v.shape)) for v in self.model.non_trainable_variables if "seed_generator" not in v.path
                ),
            },
            "framework": f"keras {keras.__version__} on tensorflow {tf.__version__}",
        }

    def set_state(self, arrays):
        """Overwrites variables by path."""
        for path, array in each_array(arrays):
            variable = resolve(self.model, path)
            if tuple(variable.shape) != array.shape:
                raise ValueError(f"{path} has shape {tuple(variable.shape)} and is given {array.shape}")
            variable.assign(array.astype(backend.standardize_dtype(variable.dtype)))

    def state(self, paths):
        """The variables at `paths`."""
        return self._write({path: resolve(self.model, path) for path in paths})

    def run(self, inputs, training=False, steady=False):
        """The outputs by name; of a network that keeps states between calls, those of a second call.

        `steady` switches all random dropping off."""
        with self._patched(steady), self._kept_states() as changed:
            given = self._inputs(inputs)
            outputs = self._outputs(given, training)
            return self._write(self._outputs(given, training) if not training and changed() else outputs)

    @contextlib.contextmanager
    def _kept_states(self):
        """Puts the variables back that calls write to; yields whether some were changed."""
        layers = [layer for layer in self.model._flatten_layers() if getattr(layer, "stateful", False)]
        states = [one for layer in layers for one in keras.tree.flatten(getattr(layer, "states", None) or [])]
        states += [one for one in self.model.non_trainable_variables if "seed_generator" not in one.path]
        before = [np.array(one) for one in states]

        def changed():
            return any((np.array(one) != array).any() for one, array in zip(states, before, strict=True))

        yield changed
        for one, array in zip(states, before, strict=True):
            one.assign(array)

    def gradients(self, inputs, cotangents, paths):
        """Gradients of `sum(output * cotangent)` to the variables at `paths` and to every input of floats, in
        inference mode. Inputs are named `input:NAME`."""
        weights = {name: self._tensor(array) for name, array in each_array(cotangents)}
        given = self._inputs(inputs)
        watched = {f"input:{name}": t for name, t in given.items() if t.dtype.is_floating}
        variables = {path: resolve(self.model, path).value for path in paths}
        with self._patched(steady=True), self._kept_states(), tf.GradientTape(watch_accessed_variables=False) as tape:
            for tensor in (*watched.values(), *variables.values()):
                tape.watch(tensor)
            outputs = self._outputs(given, False)
            total = tf.add_n([tf.reduce_sum(outputs[name] * weight) for name, weight in weights.items()])
        watched.update(variables)
        found = tape.gradient(total, list(watched.values()), unconnected_gradients="zero")
        return self._write(dict(zip(watched, map(tf.convert_to_tensor, found), strict=True)))

    def train(self, inputs, targets, steps, rate, paths, statistics, optimiser="sgd"):
        """Trains the variables at `paths` on one batch, nothing dropped, as `runtime_torch` does.

        Returns:
            `losses`; `first`, the `statistics` after the first step; `last`, the state of `paths` and `statistics`
            after the last.
        """
        wanted = {name: self._tensor(array) for name, array in read_arrays(targets).items()}
        given, result, losses = self._inputs(inputs), {}, []
        variables = [resolve(self.model, path) for path in paths]
        stepper = OPTIMISERS[optimiser](learning_rate=rate)
        stepper.build(variables)
        outputs: dict = {}
        for step in range(steps):
            with self._patched(steady=True), tf.GradientTape() as tape:
                outputs = self._outputs(given, True)
                loss = tf.add_n([tf.reduce_mean((outputs[name] - target) ** 2) for name, target in wanted.items()])
            found = tape.gradient(loss, [v.value for v in variables], unconnected_gradients="zero")
            stepper.apply(list(found), variables)
            losses.append(float(loss))
            if step == 0:
                result["first"] = self.state(statistics)
        return {"losses": losses, "outputs": list(outputs), **result, "last": self.state([*paths, *statistics])}

    def dropout(self, inputs, runs, statistics=()):
        """How random dropping behaves in training, see `runtime_torch`; `statistics` are put back afterwards."""
        before = {path: np.array(resolve(self.model, path)) for path in statistics}
        given, places = self._inputs(inputs), []
        for _ in range(runs):
            drawn: list = []
            with self._patched(drawn=drawn):
                self._outputs(given, True)
            for index, (rate, size, dropped, scale, counted) in enumerate(drawn):
                if index == len(places):
                    places.append([rate, size, 0.0, scale, 0])
                places[index][2] += dropped * counted
                places[index][4] += counted
        for place in places:  # a zero that was there before says nothing of the dropping
            place[2] = place[2] / place[4] if place[4] else place[0]
        for path, array in before.items():
            resolve(self.model, path).assign(array)
        return places

    def intermediates(self, inputs):
        """What the folder's `trace.py` records: `trace(model, *arguments)` calls `record(name, value)` as it goes."""
        seen: dict = {}
        module = import_emitted(
            os.path.join(self.emitted, "trace.py"), record=lambda name, value: seen.update({name: value})
        )
        args, kwargs = self._arguments(self._inputs(inputs))
        with self._patched(steady=True):
            module.trace(self.model, *args, **kwargs)
        return self._write(seen)

    # -- pieces

    @contextlib.contextmanager
    def _patched(self, steady=False, drawn=None):
        with contextlib.ExitStack() as stack:
            if self.dtype == "float64":
                stack.enter_context(_widened())
                stack.enter_context(wide_spectrograms())
                stack.enter_context(wide_pools())
            if steady or drawn is not None:
                stack.enter_context(_swapped(backend.random, "dropout", _still if steady else _counting(drawn)))
            for name in self.exact:
                stack.enter_context(_swapped(*REPAIRS[name]))
            yield

    def _inputs(self, table):
        return {name: self._tensor(array) for name, array in each_array(table)}

    def _tensor(self, array):
        floating = array.dtype.kind == "f" or str(array.dtype) in ("bfloat16", "float8_e4m3fn", "float8_e5m2")
        return tf.convert_to_tensor(array.astype(self.dtype) if floating else array)

    def _arguments(self, given):
        args = tuple(build_call(tree, given.__getitem__) for tree in self.call.get("args", []))
        return args, {k: build_call(tree, given.__getitem__) for k, tree in self.call.get("kwargs", {}).items()}

    def _outputs(self, given, training):
        args, kwargs = self._arguments(given)
        return dict(flatten(self.model(*args, training=training, **kwargs)))

    def _write(self, tensors):
        return write_arrays(self.folder, {name: keras.ops.convert_to_numpy(t) for name, t in tensors.items()})


def flatten(tree, prefix=""):
    """The tensors in what a model returned, named as `pivot.graph.flatten_tree` names them; None is left out."""
    if isinstance(tree, Mapping):
        branches = tree.items()
    elif isinstance(tree, list | tuple):
        branches = enumerate(branch for branch in tree if branch is not None)
    else:
        if tree is not None:
            yield prefix or "output", tree
        return
    for key, branch in branches:
        yield from flatten(branch, f"{prefix}.{key}" if prefix else str(key))


@contextlib.contextmanager
def _swapped(holder, name, make):
    """`holder.name` replaced by `make(original)` and put back."""
    original = getattr(holder, name)
    setattr(holder, name, make(original))
    try:
        yield
    finally:
        setattr(holder, name, original)


def _still(original):
    return lambda inputs, rate, noise_shape=None, seed=None: inputs


def _counting(drawn):
    """Notes rate, noise elements, fraction dropped and scale of each dropout."""

    def make(original):
        def dropout(inputs, rate, noise_shape=None, seed=None):
            result = original(inputs, rate, noise_shape=noise_shape, seed=seed)
            before, after = np.asarray(inputs), np.asarray(result)
            alive = before != 0
            kept = alive & (after != 0)
            # noise may be shared along axes: it has one element there, kept if anything under it is
            noise = noise_shape or before.shape
            shared = tuple(axis for axis, size in enumerate(noise) if size == 1)
            seen = kept.any(shared, keepdims=True)[alive.any(shared, keepdims=True)]
            size = before.size // int(np.prod([before.shape[axis] for axis in shared], dtype=int))
            scale = float((after[kept] / before[kept]).mean()) if kept.any() else 1.0
            fraction = 1.0 - float(seen.mean()) if seen.size else float(rate)
            drawn.append([float(rate), size, fraction, scale, int(seen.size)])
            return result

        return dropout

    return make


@contextlib.contextmanager
def _widened():
    """Makes an explicit "float32" in emitted code mean float64, so that a float64 run is one throughout."""
    with contextlib.ExitStack() as stack:
        for name, function in list(vars(keras.ops).items()):
            if callable(function) and not inspect.isclass(function) and "dtype" in _parameters(function):
                stack.enter_context(_swapped(keras.ops, name, _widen))
        yield


def wide_spectrograms():
    """Makes spectrograms in decibels compute in float64, in which Keras's own raise."""

    def make(_):
        def decibels(self, power):
            loudness = 10.0 * keras.ops.log10(keras.ops.maximum(power, self.min_power))
            loudness -= 10.0 * math.log10(max(abs(self.ref_power), self.min_power))
            return keras.ops.maximum(loudness, keras.ops.max(loudness) - self.top_db)

        return decibels

    return _swapped(keras.layers.MelSpectrogram, "_dbscale", make)


@contextlib.contextmanager
def wide_pools():
    """Makes 3-D pools compute in float64, for which TensorFlow has no kernel: over the planes, then over depth.

    Where elements tie, both ways take the first, so that gradients go the same way too; a mean of means is the mean,
    since windows are boxes at the borders too.
    """

    def make(original):
        def pool(input, ksize, strides, padding, data_format=None, **options):
            input = tf.convert_to_tensor(input)
            if input.dtype != tf.float64 or input.shape.rank != 5:
                return original(input, ksize, strides, padding, data_format, **options)
            kernel, steps = ((one,) * 3 if isinstance(one, int) else tuple(one) for one in (ksize, strides))
            count, depth, *_ = tf.unstack(tf.shape(input))
            channels = input.shape[4]
            planes = tf.reshape(input, (-1, *tf.unstack(tf.shape(input))[2:4], channels))
            planes = original(planes, kernel[1:], steps[1:], padding)
            height, width = tf.unstack(tf.shape(planes))[1:3]
            lines = original(
                tf.reshape(planes, (count, depth, height * width, channels)), (kernel[0], 1), (steps[0], 1), padding
            )
            made = tf.reshape(lines, (count, tf.shape(lines)[1], height, width, channels))
            sizes = zip(input.shape[1:4], kernel, steps, strict=True)
            made.set_shape((input.shape[0], *(_pooled(*one, padding) for one in sizes), channels))
            return made

        return pool

    with _swapped(tf.nn, "max_pool", make), _swapped(tf.nn, "avg_pool", make):
        yield


def _pooled(size: int | None, kernel: int, step: int, padding: str) -> int | None:
    """The number of windows along an axis; None where its size is open."""
    if size is None:
        return None
    return -(-size // step) if padding.upper() == "SAME" else (size - kernel) // step + 1


@functools.cache
def _parameters(function):
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()


@functools.cache
def _widen(function):
    position = _parameters(function).index("dtype")

    @functools.wraps(function)
    def wide(*args, **kwargs):
        if len(args) > position and args[position] == "float32":
            args = (*args[:position], "float64", *args[position + 1 :])
        if kwargs.get("dtype") == "float32":
            kwargs["dtype"] = "float64"
        return function(*args, **kwargs)

    return wide


def _exact_gelu(original):
    def gelu(x, approximate=True):
        if approximate:
            return original(x, approximate)
        x = tf.convert_to_tensor(x)
        return 0.5 * x * (1 + tf.math.erf(x / tf.constant(2**0.5, x.dtype)))

    return gelu


def _exact_resize(original):
    """Half-pixel linear and cubic resizing by two matrix products in the images' own precision."""

    def resize(images, size, interpolation="bilinear", antialias=False, **options):
        first = (options.get("data_format") or keras.config.image_data_format()) == "channels_first"
        if (
            interpolation not in ("bilinear", "bicubic")
            or options.get("crop_to_aspect_ratio")
            or options.get("pad_to_aspect_ratio")
        ):
            return original(images, size, interpolation=interpolation, antialias=antialias, **options)
        axes = (
            (len(images.shape) - 2, len(images.shape) - 1) if first else (len(images.shape) - 3, len(images.shape) - 2)
        )
        shape = list(images.shape)
        scale = [size[i] / shape[axis] for i, axis in enumerate(axes)]
        for i, axis in enumerate(axes):
            shape[axis] = size[i]
        return backend.image.scale_and_translate(
            images, tuple(shape), tf.constant(scale, images.dtype), tf.zeros(2, images.dtype), axes,
            {"bilinear": "linear", "bicubic": "cubic"}[interpolation], antialias,
        )  # fmt: skip

    return resize


def _exact_attention(original):
    """Attention whose scale is applied to the query in the query's own precision."""

    def dot_product_attention(query, key, value, *args, scale=None, **options):
        query = tf.convert_to_tensor(query)
        scale = query.shape[-1] ** -0.5 if scale is None else scale
        return original(query * tf.constant(scale, query.dtype), key, value, *args, scale=1.0, **options)

    return dot_product_attention


def _exact_leaky_relu(original):
    def leaky_relu(x, negative_slope=0.2):
        x = tf.convert_to_tensor(x)
        return tf.where(x > 0, x, x * tf.constant(negative_slope, x.dtype))

    return leaky_relu


REPAIRS = {
    "gelu": (backend.nn, "gelu", _exact_gelu),
    "resize": (backend.image, "resize", _exact_resize),
    "leaky_relu": (backend.nn, "leaky_relu", _exact_leaky_relu),
    "attention": (backend.nn, "dot_product_attention", _exact_attention),
}
"""Known imprecisions by name, with the function of the backend that has them and its repair; see `compare.KNOWN`."""
