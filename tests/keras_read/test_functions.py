"""Functions of `keras.ops` inside a layer's call: the pivot means what Keras computes."""

import keras
import numpy as np
import pytest
from keras import ops
from keras_reading import compare, read

from netglot.dialects.keras import functions as _functions  # noqa: F401
from netglot.dialects.keras import ops as _families  # noqa: F401
from netglot.dialects.keras.dialect import keras as dialect

UNARY = (
    "abs absolute fabs negative sign exp expm1 sin cos tan arctan sinh cosh tanh arcsinh sinc floor ceil trunc "
    "erf erfc square reciprocal isnan isinf isfinite isposinf isneginf signbit relu relu6 sigmoid silu selu softsign "
    "softplus hard_sigmoid hard_silu hard_tanh log_sigmoid tanh_shrink sparse_plus sparse_sigmoid squareplus elu celu "
    "hard_shrink soft_shrink softmax log_softmax zeros_like ones_like cumsum cumprod ravel flip stop_gradient copy "
    "deg2rad rad2deg cbrt logsumexp count_nonzero nan_to_num round"
).split()
POSITIVE = "sqrt rsqrt log log1p log2 log10".split()
WITHIN_ONE = "arcsin arccos arctanh erfinv".split()
BINARY = (
    "add subtract multiply divide floor_divide mod maximum minimum arctan2 logaddexp hypot fmax fmin equal not_equal "
    "less less_equal greater greater_equal logical_and logical_or logical_xor divide_no_nan heaviside isclose "
    "true_divide logaddexp2"
).split()
REDUCTIONS = "sum mean prod max min amax amin any all var std logsumexp ptp".split()

SHAPED = {
    "reshape": lambda x: ops.reshape(x, (-1, 6, 2)),
    "reshape-batch": lambda x: ops.reshape(x, (ops.shape(x)[0] * 3, 4)),
    "transpose": lambda x: ops.transpose(x, (0, 2, 1)),
    "transpose-all": lambda x: ops.transpose(x),
    "swapaxes": lambda x: ops.swapaxes(x, 1, -1),
    "moveaxis": lambda x: ops.moveaxis(x, (1, 2), (2, 1)),
    "expand-squeeze": lambda x: ops.squeeze(ops.expand_dims(x, (1, -1)), 1),
    "concatenate": lambda x: ops.concatenate([x, x * 2], -1),
    "stack": lambda x: ops.stack([x, -x], axis=-2),
    "hstack": lambda x: ops.hstack([x, x]),
    "split": lambda x: ops.split(x, 2, axis=-1),
    "split-at": lambda x: ops.split(x, [1, 3], axis=2),
    "array_split": lambda x: ops.array_split(x, 3, axis=2),
    "unstack": lambda x: ops.unstack(x, axis=1),
    "roll": lambda x: ops.roll(x, 2, axis=-1),
    "roll-flat": lambda x: ops.roll(x[0], 2),
    "repeat": lambda x: ops.repeat(x, 3, axis=1),
    "repeat-unevenly": lambda x: ops.repeat(x, [1, 0, 2], axis=1),
    "tile": lambda x: ops.tile(x, (1, 2, 3)),
    "pad": lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 1)), constant_values=3.0),
    "pad-reflect": lambda x: ops.pad(x, ((0, 0), (1, 1), (2, 0)), mode="reflect"),
    "broadcast_to": lambda x: ops.broadcast_to(x[:, :1], ops.shape(x)),
    "tril": lambda x: ops.tril(x, 1),
    "triu": lambda x: ops.triu(x),
    "diagonal": lambda x: ops.diagonal(x, 1, 1, 2),
    "rot90": lambda x: ops.rot90(x, axes=(1, 2)),
    "diff": lambda x: ops.diff(x, axis=-1),
    "flip": lambda x: ops.flip(x, (1, 2)),
    "depth_to_space": lambda x: ops.depth_to_space(ops.reshape(x, (-1, 1, 3, 4)), 2),
    "space_to_depth": lambda x: ops.space_to_depth(ops.reshape(x, (-1, 6, 2, 1)), 2),
    "item": lambda x: x[:, 1],
    "take-list": lambda x: ops.take(x, [1, 0], 2),
    "clip-list": lambda x: ops.clip(x, [0.0, 0.1, -1.0, 0.0], [1.0, 0.5, 1.0, 0.2]),
    "equal-list": lambda x: ops.equal(ops.argmax(x, -1), [0, 1, 2]),
    "layer_normalization-small": lambda x: ops.layer_normalization(x * 0.01),
    "layer_normalization-two": lambda x: ops.layer_normalization(x * 0.01, axis=[1, 2]),
    "rms_normalization-small": lambda x: ops.rms_normalization(x * 0.01),
    "sparsemax": lambda x: ops.sparsemax(x, 1),
    "quantile": lambda x: ops.quantile(x, 0.375, axis=1),
    "quantile-several": lambda x: ops.quantile(x, [0.125, 0.5, 0.75], axis=(1, 2), keepdims=True),
    "median": lambda x: ops.median(x, axis=-1),
    "nansum": lambda x: ops.nansum(ops.where(x > 1, float("nan"), x), -1),
    "nanmean": lambda x: ops.nanmean(ops.where(x > 1, float("nan"), x), (1, 2), keepdims=True),
    "trapezoid": lambda x: ops.trapezoid(x, dx=0.5, axis=1),
    "select": lambda x: ops.select([x > 1, x < 0], [x, -x], 0.5),
    "unravel_index": lambda x: ops.unravel_index(ops.argmax(ops.reshape(x, (-1, 12)), -1), (3, 4))[1],
    "in_top_k": lambda x: ops.in_top_k(ops.argmax(x[:, 0], -1), ops.cast(x[:, 1], "float32"), 2),
    "angle": lambda x: ops.angle(x),
    "item-negative": lambda x: x[:, -1, ::2],
    "item-ellipsis": lambda x: x[..., None, 1:3],
    "item-backwards": lambda x: x[:, ::-1],
    "item-new-axis": lambda x: x[:, None, :, 0],
    "item-beyond": lambda x: x[:, :100],
    "rearrange": lambda x: ops.rearrange(x, "b h (w c) -> b c (h w)", w=2),
    "einsum": lambda x: ops.einsum("bij,bkj->bik", x, x),
    "einsum-implicit": lambda x: ops.einsum("bij,bkj", x, x),
    "matmul": lambda x: ops.matmul(x, ops.transpose(x, (0, 2, 1))),
    "dot": lambda x: ops.dot(x, x[0, 0]),
    "tensordot": lambda x: ops.tensordot(x, x[0], axes=[[2, 1], [1, 0]]),
    "outer": lambda x: ops.outer(x[0, 0], x[0, 1]),
    "inner": lambda x: ops.inner(x, x[0]),
    "trace": lambda x: ops.trace(x, axis1=1, axis2=2),
    "cross": lambda x: ops.cross(x[..., :3], x[..., 1:]),
    "clip": lambda x: ops.clip(x, -0.3, 0.4),
    "where": lambda x: ops.where(x > 0, x, -1.0),
    "power": lambda x: ops.power(ops.abs(x) + 1, 1.7),
    "round-decimals": lambda x: ops.round(x, 2),
    "argmax": lambda x: ops.argmax(x, axis=-1),
    "argmin-flat": lambda x: ops.argmin(x[0]),
    "sort": lambda x: ops.sort(x, axis=1),
    "argsort": lambda x: ops.argsort(x, axis=-1),
    "top_k": lambda x: ops.top_k(x, 2),
    "take": lambda x: ops.take(x, np.array([2, 0]), axis=-1),
    "take_along_axis": lambda x: ops.take_along_axis(x, ops.argsort(x, axis=-1), axis=-1),
    "one_hot": lambda x: ops.one_hot(ops.argmax(x, axis=-1), 4),
    "moments": lambda x: ops.moments(x, axes=[1], keepdims=True),
    "average": lambda x: ops.average(x, axis=1, weights=ops.abs(x) + 1),
    "norm": lambda x: ops.norm(x, axis=-1),
    "norm-1": lambda x: ops.norm(x, ord=1, axis=1, keepdims=True),
    "normalize": lambda x: ops.normalize(x, axis=1),
    "layer_normalization": lambda x: ops.layer_normalization(x, np.ones(4) * 2.0, np.ones(4), axis=-1, epsilon=1e-5),
    "rms_normalization": lambda x: ops.rms_normalization(x, np.arange(1.0, 5.0), axis=-1),
    "batch_normalization": lambda x: ops.batch_normalization(x, np.ones(4), np.ones(4) * 2, axis=-1),
    "conv": lambda x: ops.conv(x, np.ones((2, 4, 3)), strides=1, padding="same"),
    "depthwise_conv": lambda x: ops.depthwise_conv(x, np.ones((2, 4, 2)), padding="same"),
    "max_pool": lambda x: ops.max_pool(x, 2, 1, padding="same"),
    "average_pool": lambda x: ops.average_pool(x, 2, 2, padding="same"),
    "glu": lambda x: ops.glu(x),
    "gelu-tanh": lambda x: ops.gelu(x, approximate=True),
    "saturate_cast": lambda x: ops.saturate_cast(x * 100, "int8"),
    "cast-bool": lambda x: ops.cast(ops.cast(x > 0, "int32"), "float64"),
    "integers": lambda x: ops.add(ops.cast(x * 4, "int32"), 1.5),
    "mean-of-integers": lambda x: ops.mean(ops.cast(x * 4, "int32"), axis=-1),
    "sum-of-truth": lambda x: ops.sum(x > 0, axis=-1),
    "zeros": lambda x: ops.zeros((ops.shape(x)[0], 2), dtype="float64") + 1,
    "arange": lambda x: ops.arange(ops.shape(x)[0]),
    "eye": lambda x: ops.eye(ops.shape(x)[1], dtype=x.dtype) @ x,
    "full": lambda x: ops.full((ops.shape(x)[0], 3), 2.5, dtype=x.dtype),
    "slice": lambda x: ops.slice(x, (0, 1, 1), (-1, 2, 2)) if False else x[:, 1:3, 1:3],
    "slice_update": lambda x: ops.slice_update(x, (0, 1, 1), x[:, :1, :2] * 0),
    "scatter_update": lambda x: ops.scatter_update(x[0], np.array([[0, 1], [2, 3]]), np.array([5.0, 6.0])),
    "digitize": lambda x: ops.digitize(x, np.array([-0.5, 0.0, 0.5])),
    "searchsorted": lambda x: ops.searchsorted(np.array([-0.5, 0.0, 0.5]), x[0, 0]),
    "meshgrid": lambda x: ops.meshgrid(x[0, 0], x[0, :, 0]),
    "numbers": lambda x: 1.0 - 2 * x / 3 + x**2 - (x // 1) * (x % 0.7),
    "comparisons": lambda x: ops.logical_not((x > 0) & (x <= 0.5) | (x == 1)),
    "convert_to_tensor": lambda x: ops.convert_to_tensor(x > 0, dtype="int32"),
    "bits": lambda x: [
        getattr(ops, name)(ops.cast(x * 9, "int32"), 3)
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift")
    ],
    "swish": lambda x: ops.swish(x) + ops.hard_swish(x),
    "full_like": lambda x: ops.full_like(x, 3.5),
    "multi_hot": lambda x: ops.multi_hot(ops.argmax(x, axis=-1), 4),
    "vdot": lambda x: ops.vdot(x[0], x[0]),
    "linear-algebra": lambda x: [
        ops.inv(ops.matmul(ops.transpose(x, (0, 2, 1)), x) + ops.eye(4, dtype=x.dtype)),
        ops.det(ops.matmul(x, ops.transpose(x, (0, 2, 1)))),
        ops.cholesky(ops.matmul(ops.transpose(x, (0, 2, 1)), x) + ops.eye(4, dtype=x.dtype)),
        ops.solve(ops.matmul(ops.transpose(x, (0, 2, 1)), x) + ops.eye(4, dtype=x.dtype), ops.transpose(x, (0, 2, 1))),
    ],
    "separable_conv": lambda x: ops.separable_conv(x, np.ones((2, 4, 2)), np.ones((1, 8, 3)), padding="same"),
    "conv_transpose": lambda x: ops.conv_transpose(x, np.ones((3, 5, 4)), strides=2, padding="same"),
    "dot_product_attention": lambda x: ops.dot_product_attention(
        *(ops.reshape(part, (-1, 3, 2, 2)) for part in (x, x * 2, x * 3)), is_causal=True, scale=0.5
    ),
    "vstack": lambda x: ops.vstack([x, x]),
    "dstack": lambda x: ops.dstack([x[0], x[0]]),
    "append": lambda x: ops.append(x, x, axis=1),
    "diag": lambda x: [ops.diag(x[0, 0]), ops.diag(x[0])],
    "leaky_relu": lambda x: ops.leaky_relu(x, 0.25),
    "threshold": lambda x: ops.threshold(x, 0.1, -2.0),
    "real": lambda x: ops.real(x) + ops.conj(x),
    "fft": lambda x: [*ops.fft((x, x * 0.5)), *ops.fft2((x, x * 0.3)), *ops.ifft2((x, x * 0.2))],
    "rfft": lambda x: [*ops.rfft(x), *ops.rfft(x, 3), *ops.rfft(x, 7), ops.irfft((x[..., :3], x[..., 1:]))],
    "stft": lambda x: [
        *ops.stft(ops.reshape(x, (-1, 12)), 5, 2, 8),
        *ops.stft(ops.reshape(x, (-1, 12)), 4, 3, 4, window="hamming", center=False),
    ],
    "extract_sequences": lambda x: ops.extract_sequences(x, 2, 1),
    "segment_sum": lambda x: ops.segment_sum(x[0], np.array([2, 0, 2]), num_segments=4),
    "repeat-by-a-size": lambda x: [ops.repeat(x[:1], ops.shape(x)[0], axis=0), ops.repeat(x, ops.shape(x)[0], axis=1)],
    "list-operand": lambda x: x * np.array([1.0, 2.0, 3.0, 4.0]),
}


class Calling(keras.layers.Layer):
    """A layer that calls one function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, x):
        return self.function(x)


def check(function, *, prepare=lambda x: x, tolerance=1e-9):
    given = keras.Input((3, 4))
    found = Calling(lambda x: function(prepare(x)))(given)
    model = keras.Model(given, found)
    compare(model, read(model), tolerance=tolerance)


@pytest.mark.parametrize("name", UNARY)
def test_unary(name):
    check(getattr(ops, name))


@pytest.mark.parametrize("name", POSITIVE)
def test_positive(name):
    check(getattr(ops, name), prepare=lambda x: ops.abs(x) + 0.1)


@pytest.mark.parametrize("name", WITHIN_ONE)
def test_within_one(name):
    check(getattr(ops, name), prepare=lambda x: ops.tanh(x) * 0.9)


@pytest.mark.parametrize("name", BINARY)
def test_binary(name):
    tolerance = 1e-8 if name == "logaddexp2" else 1e-9  # Keras holds log(2) in single precision
    check(lambda x: getattr(ops, name)(x, ops.flip(x, axis=-1) * 0.7), tolerance=tolerance)


@pytest.mark.parametrize("axis", [None, -1, (1, 2)])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reduction(name, axis):
    check(lambda x: getattr(ops, name)(x, axis=axis, keepdims=axis == -1))


@pytest.mark.parametrize("name", list(SHAPED))
def test_shaped(name):
    check(SHAPED[name])


def test_most_readers_are_tried():
    """A reader that no test calls is a guess."""
    tried = {*UNARY, *POSITIVE, *WITHIN_ONE, *BINARY, *REDUCTIONS}
    text = inspect_source()
    untried = [
        name
        for spelling in dialect.readers
        if spelling.startswith("ops.") and not spelling.startswith("ops.image.")
        for name in [spelling.partition(".")[2]]
        if name not in tried and f"ops.{name}(" not in text and f'"{name}"' not in text
    ]
    assert not untried, untried


UNTRIED = {
    "adaptive_average_pool": "tried by its layer",
    "adaptive_max_pool": "tried by its layer",
    "arccosh": "as arcsinh",
    "array": "as convert_to_tensor",
    "bitwise_invert": "as bitwise_not",
    "bitwise_not": "integers",
    "cdist": "Keras computes it for tensors with a known batch only",
    "conjugate": "as conj",
    "empty_like": "what it holds is anything",
    "fmod": "as mod",
    "fold": "channels first, which TensorFlow lacks on a CPU",
    "gcd": "integers",
    "get_item": "written x[...]",
    "i0": "TensorFlow computes it in single precision",
    "kron": "Keras computes it for tensors with a known batch only",
    "lcm": "integers",
    "ldexp": "as power",
    "left_shift": "as bitwise_left_shift",
    "nextafter": "refused",
    "right_shift": "as bitwise_right_shift",
    "scatter": "as scatter_update",
    "unfold": "channels first, which TensorFlow lacks on a CPU",
}


def inspect_source() -> str:
    """The text of this file."""
    from pathlib import Path

    return Path(__file__).read_text(encoding="utf-8")
