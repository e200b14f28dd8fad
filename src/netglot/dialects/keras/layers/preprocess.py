"""Preprocessing inside a model: what is arithmetic is carried over, what augments is the identity in inference."""

from __future__ import annotations

from typing import Any

import numpy as np

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.functions.axes import axis_of, rank
from netglot.dialects.keras.functions.creation import one_hot
from netglot.dialects.keras.functions.image import resize
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.op import INTEGERS, shape_of, type_of


@keras.reads("layers.Rescaling")
def rescaling(layer, inputs):
    x = _in_dtype(inputs, layer.compute_dtype)
    scale, offset = (_scalar_or_constant(layer, one) for one in (layer.scale, layer.offset))
    x = ops.Multiply(x, scale) if not _is(scale, 1.0) else x
    return ops.Add(x, offset) if not _is(offset, 0.0) else x


def _is(one: Any, number: float) -> bool:
    return isinstance(one, float) and one == number


def _scalar_or_constant(layer, one: Any) -> Any:
    array = np.asarray(one, dtype="float64")
    if array.ndim == 0:
        return float(array)
    return layer._tracer.constant_value(array.astype(layer.compute_dtype))


def _in_dtype(x: Any, dtype: str) -> Any:
    return x if type_of(x).dtype == dtype else ops.Cast(x, dtype)


@keras.reads("layers.Normalization")
def normalization(layer, inputs):
    """Adapted statistics are constants of the network."""
    x = _in_dtype(inputs, layer.compute_dtype)
    mean, variance = (_statistic(layer, one) for one in (layer.live.mean, layer.live.variance))
    deviation = np.maximum(np.sqrt(variance), 1e-7).astype(variance.dtype)
    made = [layer._tracer.constant_value(one) for one in (mean, deviation)]
    if layer.invert:
        return ops.Add(made[0], ops.Multiply(x, made[1]))
    return ops.Divide(ops.Subtract(x, made[0]), made[1])


def _statistic(layer, one: Any) -> np.ndarray:
    held = one.numpy() if hasattr(one, "numpy") else one
    return np.asarray(held).astype(layer.compute_dtype)


@keras.reads("layers.Resizing")
def resizing(layer, data):
    if isinstance(data, dict):
        raise Refusal(notimpl("boxes and labels beside the image"))
    return resize(
        data,
        (layer.height, layer.width),
        layer.interpolation,
        layer.antialias,
        layer.crop_to_aspect_ratio,
        layer.pad_to_aspect_ratio,
        layer.fill_mode,
        layer.fill_value,
        layer.data_format,
    )


@keras.reads("layers.CenterCrop")
def center_crop(layer, data):
    """The middle of an image; one that is too small is resized first."""
    first = layer.data_format == "channels_first"
    axes = (rank(data) - 2, rank(data) - 1) if first else (rank(data) - 3, rank(data) - 2)
    sizes = [shape_of(data)[axis] for axis in axes]
    wanted = (layer.height, layer.width)
    if not all(isinstance(size, int) for size in sizes):
        raise Refusal(notimpl("the middle of an image whose size is not known"))
    if all(size >= want for size, want in zip(sizes, wanted, strict=True)):
        for axis, size, want in zip(axes, sizes, wanted, strict=True):
            start = int((size - want) / 2)
            data = ops.Slice(data, axis, start, start + want, 1)
        return data
    return resize(data, wanted, crop_to_aspect_ratio=True, data_format=layer.data_format)


def encoded(indices: Any, mode: str, depth: int, dtype: str) -> Any:
    """Category numbers as Keras encodes them: one-hot rows, all that occur, or how often each does."""
    if mode == "int":
        return indices
    counted = mode == "count"
    if mode == "one_hot":
        if rank(indices) > 1 and shape_of(indices)[-1] == 1:
            indices = ops.Reshape(indices, shape_of(indices)[:-1])
        return one_hot(indices, depth, -1, dtype)
    rows = one_hot(indices, depth, -1, dtype)
    axis = max(rank(indices) - 1, 0)
    if rank(indices) == 0:
        return rows
    return ops.Sum(rows, (axis,), False) if counted else ops.Max(rows, (axis,), False)


@keras.reads("layers.CategoryEncoding")
def category_encoding(layer, inputs, count_weights=None):
    if layer.sparse:
        raise Refusal(notimpl("a sparse result"))
    if layer.output_mode == "count" and count_weights is not None:
        raise Refusal(notimpl("weighted counts of categories"))
    whole = inputs if type_of(inputs).dtype in INTEGERS else ops.Cast(inputs, "int32")
    return encoded(whole, layer.output_mode, layer.num_tokens, layer.compute_dtype)


@keras.reads("layers.Discretization")
def discretization(layer, inputs):
    if layer.sparse:
        raise Refusal(notimpl("a sparse result"))
    boundaries = layer._tracer.constant_value(np.asarray(layer.bin_boundaries, dtype="float32"))
    x = _in_dtype(inputs, "float32")
    indices = ops.Searchsorted(boundaries, x, True, "int32")
    return encoded(indices, layer.output_mode, len(layer.bin_boundaries) + 1, layer.output_dtype)


@keras.reads("layers.IntegerLookup")
def integer_lookup(layer, inputs):
    """The place of each number in a vocabulary: found by comparing with all of it."""
    live = layer.live
    if layer.sparse:
        raise Refusal(notimpl("a sparse result"))
    x = inputs if type_of(inputs).dtype == "int64" else ops.Cast(inputs, "int64")
    if layer.invert:
        return _word(layer, x)
    place = _place(layer, x)
    if layer.output_mode == "int":
        return place
    depth = layer.max_tokens if layer.pad_to_max_tokens else live.vocabulary_size()
    weighted = layer.output_mode == "tf_idf"
    rows = encoded(place, "count" if weighted else layer.output_mode, depth, "int64")
    if not weighted:
        return rows
    weights = np.asarray(live.idf_weights_const)
    return ops.Multiply(ops.Cast(rows, str(weights.dtype)), layer._tracer.constant_value(weights))


def _place(layer, x: Any) -> Any:
    """The place of each number: those that are unknown share one, or one for each remainder."""
    live, several = layer.live, layer.num_oov_indices
    if several > 1 and getattr(live, "oov_method", "floormod") == "farmhash":
        raise Refusal(never("it hashes the text of each unknown number, which no other framework does alike"))
    words = np.asarray(live.get_vocabulary(include_special_tokens=False)).astype("int64")
    places = layer._tracer.constant_value(np.arange(len(words), dtype="int64"))
    same = ops.Equal(ops.Reshape(x, (*shape_of(x), 1)), layer._tracer.constant_value(words))
    found = ops.Sum(ops.Where(same, ops.Add(places, live._token_start_index()), 0), (rank(x),), False)
    unknown: Any = ops.Full((), -1 if several == 0 else live._oov_start_index(), "int64")
    if several == 0:
        layer.note(f"{layer.path}: a number that is not in the vocabulary is an error in the source and -1 here")
    elif several > 1:
        unknown = ops.Add(ops.Remainder(x, several), live._oov_start_index())
    place = ops.Where(ops.Any(same, (rank(x),), False), found, unknown)
    if layer.mask_token is not None:
        place = ops.Where(ops.Equal(x, int(layer.mask_token)), 0 if layer.output_mode == "int" else -1, place)
    return place


def _word(layer, x: Any) -> Any:
    """The number at each place of a vocabulary; that of unknown ones where there is none."""
    words = np.asarray(layer.live.get_vocabulary()).astype("int64")
    inside = ops.LogicalAnd(ops.GreaterEqual(x, 0), ops.Less(x, len(words)))
    held = ops.Take(layer._tracer.constant_value(words), ops.Where(inside, x, 0), 0)
    return ops.Where(inside, held, ops.Full((), int(layer.oov_token), "int64"))


@keras.reads("layers.AutoContrast")
def auto_contrast(layer, data=None, inputs=None, images=None):
    """Stretches the contrast of each channel of each image over the whole range, in inference too."""
    data = next(one for one in (data, inputs, images) if one is not None)
    if isinstance(data, dict) or rank(data) != 4:
        raise Refusal(notimpl("boxes and labels beside the image, or one image alone"))
    low, high = (float(one) for one in layer.value_range)
    x = _in_dtype(data, layer.compute_dtype)
    wide = ops.Multiply(ops.Divide(ops.Subtract(x, low), high - low), 255.0)
    least, most = ops.Min(wide, (1, 2), True), ops.Max(wide, (1, 2), True)
    scale = ops.Divide(255.0, ops.Subtract(most, least))
    made = ops.Clip(ops.Add(ops.Multiply(wide, scale), ops.Multiply(ops.Negative(least), scale)), 0.0, 255.0)
    made = ops.Add(ops.Multiply(ops.Divide(made, 255.0), high - low), low)
    return ops.Where(ops.IsNan(made), x, made)


@keras.reads("layers.RandomCrop")
def random_crop(layer, data=None, inputs=None, images=None):
    """Nothing where the image has the size already."""
    data = next(one for one in (data, inputs, images) if one is not None)
    if isinstance(data, dict):
        raise Refusal(notimpl("boxes and labels beside the image"))
    first = layer.data_format == "channels_first"
    sizes = shape_of(data)[-2:] if first else shape_of(data)[-3:-1]
    if tuple(sizes) != (layer.height, layer.width):
        reason = "in inference Keras leaves the image as large as it is, though it says that it crops it"
        raise Refusal(never(reason, "put CenterCrop or Resizing in its place"))
    return _in_dtype(data, layer.compute_dtype)


_AUGMENTING = (
    "AugMix CutMix MixUp RandAugment RandomBrightness RandomColorDegeneration "
    "RandomColorJitter RandomContrast RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur "
    "RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation RandomSaturation "
    "RandomSharpness RandomShear RandomTranslation RandomZoom Solarization"
).split()


def _augmenting(layer, data=None, inputs=None, images=None):
    """Random changes to images happen in training only."""
    data = next(one for one in (data, inputs, images) if one is not None)
    if isinstance(data, dict):
        raise Refusal(notimpl("boxes and labels beside the image"))
    layer.note(f"{layer.path} ({type(layer.live).__name__}) changes images at random in training, which is left out")
    return _in_dtype(data, layer.compute_dtype)


for _name in _AUGMENTING:
    keras.reads(f"layers.{_name}")(_augmenting)

_UNREAD = {
    "Equalization": "it equalises the histogram of each image, in inference too",
    "ContrastLimitedAdaptiveHistogramEqualization": "it equalises histograms of tiles of each image, in inference too",
    "MaxNumBoundingBoxes": "boxes beside images",
    "Pipeline": "a sequence of preprocessing layers applied to data outside the network",
}

for _name, _what in _UNREAD.items():
    keras.refuses_reading(f"layers.{_name}", notimpl(_what))

for _name in ("StringLookup", "TextVectorization"):
    keras.refuses_reading(
        f"layers.{_name}",
        never("no other framework computes with strings", "look words up outside the network and give it numbers"),
    )

for _name in ("Hashing", "HashedCrossing"):
    keras.refuses_reading(
        f"layers.{_name}",
        never(
            "it hashes the text of each value, which no other framework does alike",
            "hash outside the network and give it numbers",
        ),
    )

_AXIS = axis_of
