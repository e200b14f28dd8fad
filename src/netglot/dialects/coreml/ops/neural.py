"""Convolutions, pools, norms, activations and arithmetic."""

from __future__ import annotations

from netglot.dialects.coreml.dialect import coreml
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.op import shape_of
from netglot.pivot.windows import reach


def borders(record, count: int = 2) -> list[tuple[int, int]]:
    """What is added around the spatial axes."""
    found = [
        (one.integer("startEdgeSize", 0), one.integer("endEdgeSize", 0)) for one in record.records("borderAmounts")
    ]
    if (found and len(found) != count) or any(side < 0 for pair in found for side in pair):
        raise InputError(f"borders of {found} for {count} axes")
    return found or [(0, 0)] * count


def _pair(options, name: str, default: int) -> tuple[int, int]:
    held = tuple(int(one) for one in options.all(name)) or (default, default)
    if len(held) != 2 or min(held) < 1:
        raise InputError(f"{name} is {list(held)}")
    return held  # type: ignore[return-value]


def same_padding(sizes, kernel, stride, dilation, heavy_first: bool) -> list[tuple]:
    """The padding that leaves the size divided by the stride, rounded up."""
    found = []
    for size, k, s, d in zip(sizes, kernel, stride, dilation, strict=True):
        if not isinstance(size, int):
            raise Refusal(notimpl("padding that depends on a size that is not known", "fix the size with --input"))
        total = max((-(-size // s) - 1) * s + reach(k, d) - size, 0)
        less = total // 2
        found.append((total - less, less) if heavy_first else (less, total - less))
    return found


def _padding(options, x, kernel, stride, dilation):
    if "same" in options:
        return same_padding(
            shape_of(x)[2:], kernel, stride, dilation, options.record("same").integer("asymmetryMode", 0) == 1
        )
    return borders(options.record("valid").record("paddingAmounts"))


@coreml.reads("convolution")
def convolution(layer, x):
    options, x = layer.options, layer.picture(x)
    kernel, stride, dilation = (
        _pair(options, name, default) for name, default in (("kernelSize", 3), ("stride", 1), ("dilationFactor", 1))
    )
    out, inside, groups = (
        options.integer("outputChannels"),
        options.integer("kernelChannels"),
        options.integer("nGroups", 1),
    )
    groups = groups or 1
    transposed = options.flag("isDeconvolution")
    if out % groups or shape_of(x)[1] != (inside if transposed else inside * groups):
        raise InputError(
            f"{layer.name}: {shape_of(x)[1]} channels to {out}, the kernel for {inside} in {groups} groups"
        )
    bias = layer.weight("bias", "bias", (out,)) if options.flag("hasBias") else None
    if not transposed:
        weight = layer.weight("weights", "weight", (out, inside, *kernel))
        return ops.Conv(
            x, weight, bias, stride, tuple(_padding(options, x, kernel, stride, dilation)), dilation, groups, 1
        )
    weight = layer.weight("weights", "weight", (inside, out // groups, *kernel))
    wanted = tuple(int(one) for one in options.all("outputShape"))
    if wanted or "same" in options:
        wanted = wanted or tuple(size * s for size, s in zip(shape_of(x)[2:], stride, strict=True))
        pads, more = [], []
        for size, want, k, s, d in zip(shape_of(x)[2:], wanted, kernel, stride, dilation, strict=True):
            total = (size - 1) * s + reach(k, d) - want
            if not isinstance(total, int):
                raise Refusal(notimpl("a transposed convolution to a size that is not known"))
            pads.append((max(total, 0) // 2, max(total, 0) - max(total, 0) // 2))
            more.append(max(-total, 0))
    else:
        pads, more = borders(options.record("valid").record("paddingAmounts")), [0, 0]
    return ops.ConvTranspose(x, weight, bias, stride, tuple(pads), tuple(more), dilation, groups, 1)


@coreml.reads("pooling")
def pooling(layer, x):
    options, x = layer.options, layer.picture(x)
    kind = options.integer("type", 0)
    if kind not in (0, 1):
        raise Refusal(notimpl("pooling by the norm"))
    if options.flag("globalPooling"):
        return (ops.AdaptiveAvgPool if kind else ops.AdaptiveMaxPool)(x, (1, 1), (2, 3))
    kernel, stride = _pair(options, "kernelSize", 3), _pair(options, "stride", 1)
    ceil = "includeLastPixel" in options
    if ceil:
        amounts = [int(one) for one in options.record("includeLastPixel").all("paddingAmounts")] or [0, 0]
        pads = [(one, one) for one in amounts]
    else:
        pads = _padding(options, x, kernel, stride, (1, 1))
    if kind == 0:
        return ops.MaxPool(x, kernel, stride, tuple(pads), (1, 1), ceil, (2, 3))
    counted = not options.flag("avgPoolExcludePadding")
    return ops.AvgPool(x, kernel, stride, tuple(pads), ceil, counted, None, (2, 3))


@coreml.reads("innerProduct")
def inner_product(layer, x):
    options, shape = layer.options, shape_of(x)
    out, features = options.integer("outputChannels"), options.integer("inputChannels")
    if layer.exact and len(shape) < 5:
        if shape[-1] != features:
            raise InputError(f"{layer.name}: {list(shape)} and weights for {features}")
    elif len(shape) != 2:
        if product(shape[1:]) != features:
            raise InputError(f"{layer.name}: {list(shape[1:])} and weights for {features}")
        x = ops.Reshape(x, (shape[0], features))
    bias = layer.weight("bias", "bias", (out,)) if options.flag("hasBias") else None
    return ops.Linear(x, layer.weight("weights", "weight", (out, features)), bias)


@coreml.reads("batchnorm")
def batchnorm(layer, x):
    options = layer.options
    channels, epsilon = (options.integer("channels"),), options.number("epsilon", 1e-5)
    scale, offset = layer.weight("gamma", "weight", channels), layer.weight("beta", "bias", channels)
    if layer.exact and len(shape_of(x)) != 4:
        raise Refusal(notimpl(f"a batch norm of a tensor with {len(shape_of(x))} axes"))
    if options.flag("instanceNormalization"):
        return ops.InstanceNorm(x, scale, offset, epsilon, 1)
    if options.flag("computeMeanVar"):
        raise Refusal(notimpl("a batch norm by the batch's own statistics"))
    mean = layer.weight("mean", "running_mean", channels, "buffer")
    variance = layer.weight("variance", "running_var", channels, "buffer")
    return ops.BatchNorm(x, scale, offset, mean, variance, epsilon, 0.1, True, 1)


@coreml.reads("lrn")
def lrn(layer, x):
    options = layer.options
    size, k = options.integer("localSize"), options.number("k", 1.0)
    return ops.LocalResponseNorm(x, size, options.number("alpha"), options.number("beta"), k, 1)


@coreml.reads("l2normalize")
def l2normalize(layer, x):
    axes = tuple(range(1, len(shape_of(x))))
    total = ops.Add(ops.Sum(ops.Square(x), axes, True), layer.options.number("epsilon", 1e-6))
    return ops.Divide(x, ops.Sqrt(total))


@coreml.reads("softmax")
def softmax(layer, x):
    return ops.Softmax(x, max(len(shape_of(x)) - 3, 0) if layer.exact else 1)


def _affine(x, factor: float, offset: float):
    y = x if factor == 1 else ops.Multiply(x, factor)
    return y if offset == 0 else ops.Add(y, offset)


_ACTIVATIONS = {
    "linear": lambda layer, o, x: _affine(x, o.number("alpha", 0.0), o.number("beta", 0.0)),
    "ReLU": lambda layer, o, x: ops.Relu(x),
    "leakyReLU": lambda layer, o, x: ops.LeakyRelu(x, o.number("alpha", 0.0)),
    "thresholdedReLU": lambda layer, o, x: ops.Threshold(x, o.number("alpha", 0.0), 0.0),
    "tanh": lambda layer, o, x: ops.Tanh(x),
    "scaledTanh": lambda layer, o, x: ops.Multiply(
        ops.Tanh(ops.Multiply(x, o.number("beta", 0.0))), o.number("alpha", 0.0)
    ),
    "sigmoid": lambda layer, o, x: ops.Sigmoid(x),
    "sigmoidHard": lambda layer, o, x: ops.Clip(_affine(x, o.number("alpha", 0.0), o.number("beta", 0.0)), 0.0, 1.0),
    "ELU": lambda layer, o, x: ops.Elu(x, o.number("alpha", 0.0)),
    "softsign": lambda layer, o, x: ops.Softsign(x),
    "softplus": lambda layer, o, x: ops.Softplus(x, 1.0, float("inf")),
}


@coreml.reads("activation")
def activation(layer, x):
    kind = next(iter(layer.options), "")
    if kind == "PReLU":
        held = layer.options.record("PReLU").record("alpha")
        size = sum(getattr(one, "size", 1) for one in held.raw("floatValue"))
        layer.options = layer.options.record("PReLU")
        axis = layer.axis(0, len(shape_of(x)))
        return ops.Prelu(x, layer.weight("alpha", "weight", (1 if size == 1 else shape_of(x)[axis],)), axis)
    if kind not in _ACTIVATIONS:
        raise Refusal(notimpl(f"the activation {kind or 'of an unknown kind'}"))
    return _ACTIVATIONS[kind](layer, layer.options.record(kind), x)


@coreml.reads("unary")
def unary(layer, x):
    o = layer.options
    x = _affine(x, o.number("scale", 0.0) or 1.0, o.number("shift", 0.0))
    alpha, epsilon = o.number("alpha", 0.0), o.number("epsilon", 1e-6)
    table = {
        0: lambda: ops.Sqrt(x),
        1: lambda: ops.Rsqrt(ops.Add(x, epsilon)),
        2: lambda: ops.Reciprocal(ops.Add(x, epsilon)),
        3: lambda: ops.Power(x, alpha),
        4: lambda: ops.Exp(x),
        5: lambda: ops.Log(x),
        6: lambda: ops.Abs(x),
        7: lambda: ops.Maximum(x, alpha),
    }
    kind = o.integer("type", 0)
    if kind not in table:
        raise Refusal(notimpl(f"the function {kind}"))
    return table[kind]()


def _joined(op):
    def read(layer, *xs):
        if len(xs) == 1 and "alpha" in layer.options:
            return op(xs[0], layer.options.number("alpha"))
        if len({len(shape_of(x)) for x in xs}) > 1 and not layer.exact:
            xs = tuple(layer.picture(x) for x in xs)
        total, *rest = xs
        for one in rest:
            total = op(total, one)
        return total if rest else ops.Identity(total)

    return read


for _name, _op in {"add": ops.Add, "multiply": ops.Multiply, "max": ops.Maximum, "min": ops.Minimum}.items():
    coreml.reads(_name)(_joined(_op))


@coreml.reads("average")
def average(layer, *xs):
    return ops.Divide(_joined(ops.Add)(layer, *xs), float(len(xs)))


@coreml.reads("clip")
def clip(layer, x):
    return ops.Clip(x, layer.options.number("minVal", 0.0), layer.options.number("maxVal", 0.0))


def _vector(layer, x, field: str, shape_field: str, role: str):
    """Weights as they broadcast against `x`: one number, one a channel, or one an element."""
    shape = tuple(int(one) for one in layer.options.all(shape_field))
    weight = layer.weight(field, role, shape)
    if len(shape_of(x)) == 2 or len(shape) == 3:
        return ops.Reshape(weight, (product(shape),)) if len(shape) != 1 and len(shape_of(x)) == 2 else weight
    return ops.Reshape(weight, (*shape, 1, 1)) if len(shape) == 1 else weight


@coreml.reads("scale")
def scale(layer, x):
    y = ops.Multiply(x, _vector(layer, x, "scale", "shapeScale", "weight"))
    return ops.Add(y, _vector(layer, x, "bias", "shapeBias", "bias")) if layer.options.flag("hasBias") else y


@coreml.reads("bias")
def bias(layer, x):
    return ops.Add(x, _vector(layer, x, "bias", "shape", "bias"))
