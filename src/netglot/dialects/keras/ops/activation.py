"""Keras's activations: a layer where the source had one, else a function."""

from __future__ import annotations

from netglot.dialects.keras.dialect import keras
from netglot.dialects.keras.ops.shape import from_end
from netglot.pivot import ops
from netglot.pivot.graph import Parameter
from netglot.pivot.op import shape_of
from netglot.source.spell import Layer, call, unless

_NAMED = {
    ops.Sigmoid: ("sigmoid", "ops.sigmoid"),
    ops.Silu: ("silu", "ops.silu"),
    ops.Selu: ("selu", "ops.selu"),
    ops.Softsign: ("softsign", "ops.softsign"),
    ops.Mish: ("mish", "keras.activations.mish"),
    ops.Hardswish: ("hard_silu", "ops.hard_silu"),
    ops.Hardsigmoid: ("hard_sigmoid", "ops.hard_sigmoid"),
    ops.LogSigmoid: ("log_sigmoid", "ops.log_sigmoid"),
    ops.Tanhshrink: ("tanh_shrink", "ops.tanh_shrink"),
}
"""Activations without options: the name that `layers.Activation` knows, and the function."""


def _activation(name: str, function):
    """`layers.Activation(name)`, or the function."""
    return Layer("layers.Activation", function.arguments[:1], arguments=(name,), function=function)


@keras.writes(*_NAMED)
def named(op):
    name, function = _NAMED[type(op)]
    return _activation(name, call(function, op.x))


@keras.writes(ops.Relu)
def relu(op):
    return Layer("layers.ReLU", (op.x,), function=call("ops.relu", op.x))


@keras.writes(ops.Gelu)
def gelu(op):
    # `keras.ops.gelu` approximates by default, the activation called "gelu" does not.
    function = call("ops.gelu", op.x, approximate=op.approximate)
    return function if op.approximate else _activation("gelu", function)


@keras.maps("ops.leaky_relu", layer="layers.LeakyReLU", always=("negative_slope",))
def leaky_relu(x, negative_slope=0.2):
    return ops.LeakyRelu(x, slope=negative_slope)


@keras.maps("ops.elu", layer="layers.ELU", layer_defaults={"alpha": 1.0})
def elu(x, alpha=1.0):
    return ops.Elu(x, alpha=alpha)


@keras.lowers(ops.Celu)
def lower_celu(op):
    """Keras's own function has the gradient 2 where `x` is 0."""
    return ops.Multiply(ops.Elu(ops.Divide(op.x, op.alpha), 1.0), op.alpha) if op.alpha != 1 else ops.Elu(op.x, 1.0)


@keras.writes(ops.Hardshrink)
def hard_shrink(op):
    function = call("ops.hard_shrink", op.x, threshold=unless(op.lambd, 0.5))
    return _activation("hard_shrink", function) if op.lambd == 0.5 else function


@keras.writes(ops.Softshrink)
def soft_shrink(op):
    function = call("ops.soft_shrink", op.x, threshold=unless(op.lambd, 0.5))
    return _activation("soft_shrink", function) if op.lambd == 0.5 else function


@keras.maps("ops.threshold")
def threshold(x, threshold, default_value):
    return ops.Threshold(x, threshold=threshold, value=default_value)


@keras.lowers(ops.Softplus)
def lower_softplus(op):
    """Keras has neither option. From 20 on, what the threshold cuts off is below 1e-10 of the result."""
    if op.beta == 1 and op.threshold >= 20:
        return None
    x = ops.Multiply(op.x, op.beta)
    smooth = ops.Divide(ops.Softplus(x, beta=1.0, threshold=20.0), op.beta)
    return ops.Where(ops.Greater(x, op.threshold), op.x, smooth)


@keras.writes(ops.Softplus)
def softplus(op):
    return _activation("softplus", call("ops.softplus", op.x))


@keras.writes(ops.Rrelu)
def random_relu(op):
    return Layer("RandomReLU", (op.x,), options={"lower": op.lower, "upper": op.upper}, helper="RandomReLU")


@keras.writes(ops.Softmax)
def softmax(op):
    axis = unless(from_end(op.axis, len(shape_of(op.x))), -1)
    function = call("ops.softmax", op.x, axis=axis)
    return Layer("layers.Softmax", (op.x,), options=dict(function.options), function=function)


@keras.writes(ops.LogSoftmax)
def log_softmax(op):
    axis = from_end(op.axis, len(shape_of(op.x)))
    function = call("ops.log_softmax", op.x, axis=unless(axis, -1))
    return _activation("log_softmax", function) if axis == -1 else function


@keras.lowers(ops.Glu)
def lower_glu(op):
    """Keras halves axes of known sizes alone."""
    size = shape_of(op.x)[op.axis]
    if isinstance(size, int):
        return None
    halves = (ops.Slice(op.x, op.axis, start, stop, 1) for start, stop in ((0, size // 2), (size // 2, size)))
    value, gate = halves
    return ops.Multiply(value, ops.Sigmoid(gate))


@keras.writes(ops.Glu)
def glu(op):
    axis = from_end(op.axis, len(shape_of(op.x)))
    function = call("ops.glu", op.x, axis=unless(axis, -1))
    return Layer("GLU", (op.x,), helper="GLU", function=function) if axis == -1 else function


def _slope_shape(op) -> tuple[int, ...]:
    """The shape in which the slopes meet `x`: their number at `axis`, 1 elsewhere."""
    (count,) = shape_of(op.slope)
    return tuple(count if a == op.axis else 1 for a in range(len(shape_of(op.x))))


def _is_layer(op) -> bool:
    """Whether Keras's layer can hold the slopes: they belong to the network, and not to the axis of the batch."""
    return isinstance(op.slope, Parameter) and op.axis > 0


@keras.lowers(ops.Prelu)
def lower_prelu(op):
    if _is_layer(op):
        return None
    slope = ops.Reshape(op.slope, shape=_slope_shape(op))
    return ops.Where(ops.Greater(op.x, 0.0), op.x, ops.Multiply(slope, op.x))


@keras.writes(ops.Prelu)
def prelu(op):
    if op.axis == 0:  # the slopes' axis came first where axes were arranged, and the layer holds none for each example
        slope = call("ops.reshape", op.slope, _slope_shape(op))
        return call("ops.where", call("ops.greater", op.x, 0.0), op.x, call("ops.multiply", slope, op.x))
    shape = _slope_shape(op)[1:]
    own = shape_of(op.slope)[0] > 1
    shared = [axis for axis in range(1, len(shape) + 1) if not (own and axis == op.axis)]
    weights = {"alpha": ops.Reshape(op.slope, shape=shape)}
    return Layer("layers.PReLU", (op.x,), options={"shared_axes": shared} if shared else {}, weights=weights)
