"""Keras and TensorFlow made so that a run can be compared: double precision, known draws, nothing dropped."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import random
import re
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from keras.src.random import seed_generator
from tensorflow.python.autograph.pyct import inspect_utils
from tensorflow.python.ops import script_ops

from netglot.migrate.known import DATASETS, made_dataset


def no_dropping() -> None:
    """Nothing is dropped: the two frameworks could not drop the same."""

    def kept(self: Any, inputs: Any, training: Any = False) -> Any:
        return inputs

    for kind in (
        layers.Dropout, layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D, layers.AlphaDropout,
        layers.GaussianDropout, layers.GaussianNoise, layers.RandomFlip, layers.RandomRotation, layers.RandomZoom,
        layers.RandomTranslation, layers.RandomContrast, layers.RandomBrightness,
    ):  # fmt: skip
        kind.call = kept
    for module in ("keras.src.backend", "keras.src.random", "keras.src.backend.tensorflow.random"):
        holder: Any = importlib.import_module(module)
        holder = getattr(holder, "random", holder) if module == "keras.src.backend" else holder
        holder.dropout = lambda x, *args, **kwargs: x
    keras.random.dropout = lambda x, *args, **kwargs: x
    tf.nn.dropout = lambda x, *args, **kwargs: x


def known_draws(draws: Any) -> None:
    """Random tensors come from draws that the other side can repeat; Keras's own seeds leave Python's draws alone."""
    seed_generator.python_random = random.Random(0)

    symbolic = tf.random.normal

    def normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, **kwargs: Any) -> Any:
        if not _known(shape):
            return symbolic(shape, mean, stddev, tf.float64)
        return tf.convert_to_tensor(draws.take("normal", _plain(shape))) * stddev + mean

    def uniform(shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, **kwargs: Any) -> Any:
        if not _known(shape):
            return symbolic(shape, dtype=dtype or tf.float64)
        if dtype is not None and tf.as_dtype(dtype).is_integer:
            return integers(shape, minval, maxval, dtype)
        return tf.convert_to_tensor(draws.take("uniform", _plain(shape)) * (maxval - minval) + minval)

    def integers(shape: Any, minval: Any, maxval: Any, dtype: Any = "int32", **kwargs: Any) -> Any:
        return tf.cast(draws.take("integers", _plain(shape), int(minval), int(maxval)), dtype)

    def shuffled(x: Any, axis: int = 0, **kwargs: Any) -> Any:
        places = draws.take("uniform", (int(x.shape[axis]),)).argsort(kind="stable")
        return keras.ops.take(x, places, axis=axis)

    keras.random.randint, keras.random.shuffle = integers, shuffled
    keras.random.normal, keras.random.uniform = normal, uniform
    tf.random.normal, tf.random.uniform = normal, uniform


TORCH = re.compile(r"(?m)^\s*(?:import|from) torch")


def known_torch(draws: Any) -> None:
    """What a migrated file still has of PyTorch, such as its data sets, draws as the source does."""
    import torch

    from netglot.migrate import alike_torch

    torch.set_default_dtype(torch.float64)
    alike_torch.known_draws(draws)


def eager_data() -> None:
    """Data sets run as plain Python; what they call is kept for as long as the worker lives."""
    tf.data.experimental.enable_debug_mode()
    inspect_utils._fix_linecache_record = lambda function: None  # AutoGraph reads what runs, not what lies on the disk
    registry = script_ops._py_funcs
    registry._funcs = dict(registry._funcs)


def _known(shape: Any) -> bool:
    """Whether a shape is of numbers: while a network is written down it may be of symbols."""
    try:
        _plain(shape)
    except TypeError:
        return False
    return True


def _plain(shape: Any) -> tuple[int, ...]:
    return tuple(int(s) for s in shape)


def double_pooling() -> None:
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


def double_numbers() -> None:
    """A number of Python becomes one of single precision on its way to double: here it does not."""
    from keras.src import backend
    from keras.src.backend.tensorflow import core

    own = core.cast

    def cast(x: Any, dtype: Any) -> Any:
        return tf.constant(x, dtype) if isinstance(x, float) else own(x, dtype)

    for holder in (core, backend, backend.core):
        holder.cast = cast
    made = keras.ops.convert_to_tensor

    def convert_to_tensor(x: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
        if dtype is None and isinstance(x, (list, tuple)) and any(isinstance(one, float) for one in _leaves(x)):
            dtype = "float64"
        return made(x, dtype, *args, **kwargs)

    keras.ops.convert_to_tensor = convert_to_tensor
    approximate = tf.nn.gelu

    def gelu(features: Any, approximate_: bool = False, **kwargs: Any) -> Any:
        """TensorFlow's own takes the root of two in single precision."""
        if kwargs.get("approximate", approximate_):
            return approximate(features, True)
        x = tf.convert_to_tensor(features)
        return 0.5 * x * tf.math.erfc(-x * tf.constant(0.5**0.5, x.dtype))

    tf.nn.gelu = gelu
    ranked = tf.math.in_top_k
    tf.math.in_top_k = lambda targets, predictions, k, **kw: ranked(targets, tf.cast(predictions, tf.float32), k, **kw)


def _leaves(value: Any) -> Any:
    """The numbers in nested lists."""
    if isinstance(value, (list, tuple)):
        for one in value:
            yield from _leaves(one)
    else:
        yield value


def double_leaky() -> None:
    """TensorFlow holds the slope of a leaky rectifier in single precision, whatever it computes in."""
    from keras.src.backend.tensorflow import nn as backend

    def leaky_relu(x: Any, negative_slope: Any = 0.2) -> Any:
        x = tf.convert_to_tensor(x)
        return tf.where(x > 0, x, x * tf.constant(negative_slope, x.dtype))

    backend.leaky_relu = leaky_relu
    tf.nn.leaky_relu = lambda features, alpha=0.2, name=None: leaky_relu(features, alpha)


def unshuffled_files() -> None:
    """Data sets that are read from folders come in the order of their names."""
    for name in ("image_dataset_from_directory", "timeseries_dataset_from_array", "text_dataset_from_directory"):
        own = getattr(keras.utils, name)

        def read(*args: Any, own: Any = own, **options: Any) -> Any:
            return own(*args, **(options | {"shuffle": False}))

        for module in ("keras.utils", "keras._tf_keras.keras.utils", "keras._tf_keras.keras.preprocessing"):
            holder = importlib.import_module(module)
            if hasattr(holder, name):
                setattr(holder, name, read)


def _made_wide(own: Any) -> Any:
    """A function that makes a tensor of a shape, in double precision where nothing is said."""
    return lambda shape, dtype=tf.float64, *rest, **options: own(shape, dtype, *rest, **options)


def double_made() -> None:
    """What TensorFlow makes in single precision where nothing is said is made in double."""
    for name in ("ones", "zeros"):
        setattr(tf, name, _made_wide(getattr(tf, name)))
    tf.eye = functools.partial(tf.eye, dtype=tf.float64)
    wide = tf.constant

    def numbers(value: Any) -> bool:
        """Whether these are numbers of Python, some of them with a point."""
        leaves = [value]
        while any(isinstance(one, (list, tuple)) for one in leaves):
            leaves = [leaf for one in leaves for leaf in (one if isinstance(one, (list, tuple)) else [one])]
        return all(isinstance(one, (int, float)) for one in leaves) and any(isinstance(one, float) for one in leaves)

    def constant(value: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
        return wide(value, tf.float64 if dtype is None and numbers(value) else dtype, *args, **kwargs)

    own, cast, hot, spaced = tf.convert_to_tensor, tf.cast, tf.one_hot, tf.linspace

    def converted(value: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
        return constant(value, dtype) if numbers(value) else own(value, dtype, *args, **kwargs)

    tf.constant, tf.convert_to_tensor = constant, converted
    for holder in (tf, tf.math):
        for name in (
            "exp",
            "log",
            "sqrt",
            "square",
            "abs",
            "pow",
            "sin",
            "cos",
            "tanh",
            "sigmoid",
            "maximum",
            "minimum",
        ):
            if hasattr(holder, name):
                setattr(holder, name, _of_numbers(getattr(holder, name), constant))
    tf.cast = lambda x, dtype, name=None: cast(constant(x) if isinstance(x, float) else x, dtype)
    tf.one_hot = lambda indices, depth, *args, **kwargs: hot(indices, depth, *args, **({"dtype": tf.float64} | kwargs))
    tf.linspace = lambda start, stop, num, *args, **kwargs: spaced(
        constant(float(start)), constant(float(stop)), num, *args
    )


def _of_numbers(function: Any, constant: Any) -> Any:
    """A function of tensors to which numbers of Python are numbers in double precision."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(one, tf.Tensor) for one in args):
            return function(*args, **kwargs)
        return function(*(constant(one) if isinstance(one, float) else one for one in args), **kwargs)

    return called


def made_data() -> None:
    """Made data in place of Keras's data sets, which may not be here."""
    for name in DATASETS:
        module = getattr(keras.datasets, name)

        def load_data(path: Any = None, name: str = name, **options: Any) -> Any:
            return made_dataset(name)

        for holder in (module, importlib.import_module(f"keras.src.datasets.{name}")):
            holder.load_data = load_data
        importlib.import_module(f"keras._tf_keras.keras.datasets.{name}").load_data = load_data
