"""What graphs of TensorFlow 1 hold and those of TensorFlow 2 seldom do: its oldest ops, quantised training, regions."""

from __future__ import annotations

from typing import Any

import numpy as np

from netglot.dialects.keras.functions import windows
from netglot.dialects.keras.functions.index import scatter
from netglot.dialects.tensorflow.dialect import tensorflow
from netglot.dialects.tensorflow.ops.neural import _pool, _spatial
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.graph import Parameter
from netglot.pivot.op import dtype_of, shape_of

Known = np.ndarray


@tensorflow.reads("Gather")
def gather(params, indices):
    return ops.Take(params, indices, 0)


@tensorflow.reads("BatchNormWithGlobalNormalization")
def batch_norm(t, m, v, beta, gamma, variance_epsilon, scale_after_normalization):
    scale, epsilon = gamma if scale_after_normalization else None, float(f"{variance_epsilon:.7g}")
    return ops.BatchNorm(t, scale, beta, m, v, epsilon, 0.01, False, len(shape_of(t)) - 1)


@tensorflow.reads("MaxPoolV2")
def max_pool_v2(input, ksize: Known, strides: Known, padding, data_format="NHWC"):
    return _pool(ops.MaxPool, input, list(map(int, ksize)), list(map(int, strides)), padding, (), data_format)


@tensorflow.reads("MaxPoolWithArgmax")
def max_pool_with_argmax(input, ksize, strides, padding, include_batch_in_index=False):
    """The places count rows, columns and channels of a picture in one."""
    if include_batch_in_index:
        raise Refusal(notimpl("places that count the pictures of a batch"))
    found = _pool(ops.MaxPool, input, ksize, strides, padding, (), "NHWC")
    if not isinstance(found, ops.MaxPool):
        raise Refusal(notimpl("places of the largest elements in windows whose padding depends on an open size"))
    plane = ops.MaxPoolIndices(
        found.x, found.kernel, found.stride, found.padding, found.dilation, found.ceil_mode, found.axes
    )
    count = shape_of(input)[3]
    return found, ops.Add(ops.Multiply(plane, count), ops.Arange(0, count, 1, "int64"))


@tensorflow.reads("Dilation2D")
def dilation(input, filter, strides, rates, padding):
    """The largest sum of a window and a structuring element, offset by offset."""
    (high, wide, _), stride, rate = shape_of(filter), _spatial(strides, "NHWC"), _spatial(rates, "NHWC")
    pads = windows.paddings(input, (1, 2), (high, wide), stride, rate, padding.lower())
    around = [(0, 0), *pads, (0, 0)]
    x = ops.Pad(input, *map(tuple, zip(*around, strict=True)), "constant", float(np.finfo(dtype_of(input)).min))
    sizes = [shape_of(x)[1 + i] - (k - 1) * rate[i] for i, k in enumerate((high, wide))]
    best: Any = None
    for i in range(high):
        for j in range(wide):
            part = ops.Slice(x, 1, i * rate[0], i * rate[0] + sizes[0], stride[0])
            part = ops.Slice(part, 2, j * rate[1], j * rate[1] + sizes[1], stride[1])
            total = ops.Add(part, ops.Select(ops.Select(filter, 0, i), 0, j))
            best = total if best is None else ops.Maximum(best, total)
    return best


# -- quantised training


def _held(bound: Any, what: str) -> np.ndarray:
    """The numbers of a bound.

    Raises:
        Refusal: it is computed while the network runs.
    """
    if isinstance(bound, Parameter):
        return np.asarray(bound.load())
    if isinstance(bound, np.ndarray | np.generic | int | float):
        return np.asarray(bound)
    raise Refusal(notimpl(f"{what} that the network computes"))


def _rounded(x: Any, low: Any, high: Any, num_bits: int, narrow_range: bool) -> Any:
    """`x` bounded, and rounded to as many numbers as some bits tell apart, zero among them; its gradient is that of
    bounding."""
    low, high = (_held(one, "bounds of quantisation").astype("float32") for one in (low, high))
    first, last = np.float32(bool(narrow_range)), np.float32(2**num_bits - 1)
    scale = (high - low) / (last - first)
    if not np.all(scale > 0):
        raise Refusal(never("the bounds of a quantisation leave no room between them"))
    zero = np.clip(np.floor(first - low / scale + np.float32(0.5)), first, last)
    low, high = (first - zero) * scale, (last - zero) * scale
    low, high, scale = (float(one) if one.ndim == 0 else one for one in (low, high, scale))
    bounded = ops.Minimum(ops.Maximum(x, low), high)
    steps = ops.Floor(ops.Add(ops.Divide(ops.Subtract(bounded, low), scale), 0.5))
    whole = ops.Add(ops.Multiply(steps, scale), low)
    return ops.Add(bounded, ops.StopGradient(ops.Subtract(whole, bounded)))


@tensorflow.reads("FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel")
def fake_quant_with_min_max_vars(inputs, min: Known, max: Known, num_bits=8, narrow_range=False):
    return _rounded(inputs, min, max, num_bits, narrow_range)


@tensorflow.reads("FakeQuantWithMinMaxArgs")
def fake_quant_with_min_max_args(inputs, min=-6.0, max=6.0, num_bits=8, narrow_range=False):
    return _rounded(inputs, min, max, num_bits, narrow_range)


# -- pictures and regions


@tensorflow.reads("AdjustContrastv2")
def adjust_contrast(images, contrast_factor):
    rank = len(shape_of(images))
    mean = ops.Mean(images, (rank - 3, rank - 2), True)
    return ops.Add(ops.Multiply(ops.Subtract(images, mean), contrast_factor), mean)


@tensorflow.reads("CropAndResize")
def crop_and_resize(image, boxes, box_ind, crop_size: Known, method="bilinear", extrapolation_value=0.0):
    """Parts of pictures, `(top, left, bottom, right)` between 0 and 1 from the first pixel's centre to the last's."""
    if method != "bilinear":
        raise Refusal(notimpl("regions by their nearest pixels"))
    count, sizes = shape_of(boxes)[0], [int(one) for one in np.ravel(crop_size)]
    places, inside = [], []
    for axis, size in enumerate(sizes):
        first, last = (ops.Reshape(ops.Select(boxes, 1, axis + 2 * end), (count, 1)) for end in (0, 1))
        share = np.linspace(0, 1, size, dtype="float32") if size > 1 else np.asarray([0.5], "float32")
        at = ops.Add(first, ops.Multiply(ops.Subtract(last, first), share.reshape(1, -1)))
        shape = (count, size, 1) if axis == 0 else (count, 1, size)
        within = ops.LogicalAnd(ops.GreaterEqual(at, 0.0), ops.LessEqual(at, 1.0))
        inside.append(ops.Reshape(within, (*shape, 1)))
        whole = ops.Subtract(ops.Multiply(at, 2.0), 1.0)
        places.append(ops.Broadcast(ops.Reshape(whole, shape), (count, *sizes)))
    grid = ops.Stack((places[1], places[0]), 3)
    found = ops.GridSample(ops.Take(image, box_ind, 0), grid, "linear", "border", True, 3)
    return ops.Where(ops.LogicalAnd(*inside), found, float(extrapolation_value))


for _name in ("NonMaxSuppression", "NonMaxSuppressionV2", "NonMaxSuppressionV3", "NonMaxSuppressionV4"):
    tensorflow.refuses_reading(
        _name, never("how many boxes are left depends on what is seen", "cut the graph before it: boxes and scores")
    )
tensorflow.refuses_reading("Unique", never("how many different elements there are depends on the data"))


# -- matrices and segments


@tensorflow.reads("MatrixDiagPart")
def matrix_diag_part(input):
    rank = len(shape_of(input))
    return ops.Diagonal(input, 0, rank - 2, rank - 1)


@tensorflow.reads("MatrixDiag")
def matrix_diag(diagonal):
    rank = len(shape_of(diagonal))
    return ops.DiagonalEmbed(diagonal, 0, rank - 1, rank)


@tensorflow.reads("UnsortedSegmentSum")
def unsorted_segment_sum(data, segment_ids, num_segments: Known):
    count = len(shape_of(segment_ids))
    indices = ops.Reshape(segment_ids, (*shape_of(segment_ids), 1))
    return scatter(indices, data, (int(num_segments), *shape_of(data)[count:]))


@tensorflow.reads("Xlogy")
def xlogy(x, y):
    return ops.Where(ops.Equal(x, 0.0), ops.Multiply(x, 0.0), ops.Multiply(x, ops.Log(y)))


@tensorflow.reads("Xdivy")
def xdivy(x, y):
    return ops.Where(ops.Equal(x, 0.0), ops.Multiply(x, 0.0), ops.Divide(x, y))
