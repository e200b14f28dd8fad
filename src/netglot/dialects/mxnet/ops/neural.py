"""Convolutions, pools, activations, norms and losses. Data is channels-first unless a layout says otherwise."""

from __future__ import annotations

from netglot.dialects.mxnet.dialect import mxnet
from netglot.dialects.mxnet.work import Missing
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.op import normal_axis, shape_of
from netglot.pivot.windows import count


def _window(work, names=("kernel", "stride", "dilate", "pad")):
    node = work.node
    kernel = node.integers(names[0])
    rank = len(kernel)
    found = [kernel]
    for name, default in zip(names[1:], (1, 1, 0), strict=True):
        held = node.integers(name) or (default,) * rank
        found.append(held if len(held) == rank else held * rank)
    kernel, stride, dilation, pad = found
    if not kernel or min(*kernel, *stride, *dilation, 1) < 1 or min(pad) < 0:
        raise InputError(f"{node.name}: windows of {list(kernel)} every {list(stride)}")
    return kernel, stride, dilation, tuple((p, p) for p in pad)


def _plain_layout(work, rank: int) -> None:
    layout = work.node.text("layout", "None")
    if layout not in ("None", "NCW", "NCHW", "NCDHW"):
        raise Refusal(notimpl(f"the layout {layout}"))


@mxnet.reads("Convolution", "Convolution_v1")
def convolution(work, x, weight, bias=None):
    node = work.node
    kernel, stride, dilation, padding = _window(work)
    _plain_layout(work, len(kernel))
    shape, out, groups = shape_of(x), node.integer("num_filter"), node.integer("num_group", 1)
    if groups < 1 or shape[1] % groups or out % groups or len(shape) != len(kernel) + 2:
        raise InputError(f"{node.name}: {list(shape)} to {out} channels in {groups} groups")
    weight = work.weight(weight, "weight", (out, shape[1] // groups, *kernel))
    bias = None if bias is None or node.flag("no_bias") else work.weight(bias, "bias", (out,))
    return ops.Conv(x, weight, bias, stride, padding, dilation, groups, 1)


@mxnet.reads("Deconvolution")
def deconvolution(work, x, weight, bias=None):
    node = work.node
    kernel, stride, dilation, padding = _window(work)
    _plain_layout(work, len(kernel))
    shape, out, groups = shape_of(x), node.integer("num_filter"), node.integer("num_group", 1)
    more = node.integers("adj") or (0,) * len(kernel)
    wanted = node.integers("target_shape")
    if wanted and any(wanted):  # the padding follows from the size
        pads, more = [], []
        for size, want, k, s, d in zip(shape[2:], wanted, kernel, stride, dilation, strict=True):
            total = s * (size - 1) + d * (k - 1) + 1 - want
            if not isinstance(total, int) or total < 0:
                raise Refusal(notimpl("a transposed convolution to a size that is not known"))
            pads.append(((total + 1) // 2,) * 2)
            more.append(total % 2)
        padding, more = tuple(pads), tuple(more)
    weight = work.weight(weight, "weight", (shape[1], out // groups, *kernel))
    bias = None if bias is None or node.flag("no_bias", True) else work.weight(bias, "bias", (out,))
    return ops.ConvTranspose(x, weight, bias, stride, padding, tuple(more), dilation, groups, 1)


@mxnet.reads("FullyConnected")
def fully_connected(work, x, weight, bias=None):
    node = work.node
    x = work.flat(x) if node.flag("flatten", True) else x
    out, features = node.integer("num_hidden"), shape_of(x)[-1]
    if not isinstance(features, int):
        raise Refusal(notimpl("a layer connected to a size that is not known"))
    weight = work.weight(weight, "weight", (out, features))
    return ops.Linear(x, weight, None if bias is None or node.flag("no_bias") else work.weight(bias, "bias", (out,)))


@mxnet.reads("Embedding")
def embedding(work, ids, weight):
    node = work.node
    weight = work.weight(weight, "weight", (node.integer("input_dim"), node.integer("output_dim")))
    return ops.Embedding(ops.Cast(ids, "int64"), weight, None)


@mxnet.reads("Pooling", "Pooling_v1")
def pooling(work, x):
    node = work.node
    shape = shape_of(x)
    axes = tuple(range(2, len(shape)))
    kind = node.text("pool_type", "max")
    _plain_layout(work, len(axes))
    if node.flag("global_pool"):
        if kind == "sum":
            return ops.Sum(x, axes, True)
        if kind not in ("max", "avg"):
            raise Refusal(notimpl(f"global pooling by {kind}"))
        return (ops.AdaptiveMaxPool if kind == "max" else ops.AdaptiveAvgPool)(x, (1,) * len(axes), axes)
    kernel, stride, dilation, padding = _window(work)
    convention = node.text("pooling_convention", "valid")
    if convention not in ("valid", "full"):
        raise Refusal(notimpl(f"pooling by the convention {convention}"))
    ceil = convention == "full"
    for size, k, s, (p, _) in zip(shape[2:], kernel, stride, padding, strict=True):
        if ceil and isinstance(size, int) and -((k - size - 2 * p) // s) + 1 != count(size, k, s, (p, p), 1, True):
            raise Refusal(notimpl("pooling whose last window lies behind the data"))
    if kind == "max":
        return ops.MaxPool(x, kernel, stride, padding, dilation, ceil, axes)
    if kind == "lp":
        if any(before for before, _ in padding):
            raise Refusal(notimpl("pooling by a norm with padding"))
        return ops.LpPool(x, float(node.integer("p_value", 2)), kernel, stride, ceil, axes)
    counted = node.flag("count_include_pad", True)
    if kind not in ("avg", "sum"):
        raise Refusal(notimpl(f"pooling by {kind}"))
    return ops.AvgPool(x, kernel, stride, padding, ceil, counted, 1 if kind == "sum" else None, axes)


@mxnet.reads("_contrib_AdaptiveAvgPooling2D")
def adaptive_pooling(work, x):
    size = work.node.integers("output_size") or (1,)
    return ops.AdaptiveAvgPool(x, size * 2 if len(size) == 1 else size, (2, 3))


@mxnet.reads("BatchNorm", "BatchNorm_v1", "CuDNNBatchNorm", "_contrib_SyncBatchNorm")
def batch_norm(work, x, gamma, beta, mean, variance):
    node = work.node
    axis = normal_axis(node.integer("axis", 1), len(shape_of(x)))
    channels = (shape_of(x)[axis],)
    scale = None if node.flag("fix_gamma", True) else work.weight(gamma, "weight", channels)
    offset = work.weight(beta, "bias", channels)
    mean = work.weight(mean, "running_mean", channels, "buffer")
    variance = work.weight(variance, "running_var", channels, "buffer")
    momentum = round(1 - node.number("momentum", 0.9), 9)
    return ops.BatchNorm(x, scale, offset, mean, variance, node.number("eps", 1e-3), momentum, False, axis)


@mxnet.reads("LayerNorm")
def layer_norm(work, x, gamma, beta):
    axis = normal_axis(work.node.integer("axis", -1), len(shape_of(x)))
    size = (shape_of(x)[axis],)
    scale, offset = work.weight(gamma, "weight", size), work.weight(beta, "bias", size)
    return ops.LayerNorm(x, scale, offset, work.node.number("eps", 1e-5), (axis,))


@mxnet.reads("InstanceNorm")
def instance_norm(work, x, gamma, beta):
    size = (shape_of(x)[1],)
    scale, offset = work.weight(gamma, "weight", size), work.weight(beta, "bias", size)
    return ops.InstanceNorm(x, scale, offset, work.node.number("eps", 1e-3), 1)


@mxnet.reads("GroupNorm")
def group_norm(work, x, gamma, beta):
    node = work.node
    groups, channels = node.integer("num_groups", 1), shape_of(x)[1]
    if isinstance(gamma, Missing) or shape_of(gamma)[0] == channels:
        scale, offset = work.weight(gamma, "weight", (channels,)), work.weight(beta, "bias", (channels,))
        return ops.GroupNorm(x, scale, offset, groups, node.number("eps", 1e-5), 1)
    each = channels // groups
    pair = [work.weight(held, role, (groups,)) for held, role in ((gamma, "weight"), (beta, "bias"))]
    scale, offset = (ops.Repeat(one, each, 0) for one in pair)
    return ops.GroupNorm(x, scale, offset, groups, node.number("eps", 1e-5), 1)


@mxnet.reads("LRN")
def lrn(work, x):
    node = work.node
    return ops.LocalResponseNorm(
        x, node.integer("nsize"), node.number("alpha", 1e-4), node.number("beta", 0.75), node.number("knorm", 2.0), 1
    )


@mxnet.reads("L2Normalization")
def l2_normalization(work, x):
    rank = len(shape_of(x))
    mode = work.node.text("mode", "instance")
    axes = {"instance": tuple(range(1, rank)), "channel": (1,), "spatial": tuple(range(2, rank))}.get(mode)
    if axes is None:
        raise Refusal(notimpl(f"a normalisation by {mode}"))
    total = ops.Add(ops.Sum(ops.Square(x), axes, True), work.node.number("eps", 1e-10))
    return ops.Divide(x, ops.Sqrt(total))


_ACTIVATIONS = {
    "relu": lambda x: ops.Relu(x),
    "sigmoid": lambda x: ops.Sigmoid(x),
    "tanh": lambda x: ops.Tanh(x),
    "softrelu": lambda x: ops.Softplus(x, 1.0, float("inf")),
    "softsign": lambda x: ops.Softsign(x),
    "log_sigmoid": lambda x: ops.LogSigmoid(x),
    "mish": lambda x: ops.Mish(x),
}


@mxnet.reads("Activation")
def activation(work, x):
    kind = work.node.text("act_type")
    if kind not in _ACTIVATIONS:
        raise Refusal(notimpl(f"the activation {kind}"))
    return _ACTIVATIONS[kind](x)


@mxnet.reads("LeakyReLU")
def leaky_relu(work, x, gamma=None):
    node = work.node
    kind, slope = node.text("act_type", "leaky"), node.number("slope", 0.25)
    if kind == "prelu":
        size = 1 if not isinstance(gamma, Missing) and shape_of(gamma) == (1,) else shape_of(x)[1]
        return ops.Prelu(x, work.weight(gamma, "weight", (size,)), 1)
    if kind == "rrelu":
        return ops.Rrelu(x, node.number("lower_bound", 0.125), node.number("upper_bound", 0.334))
    table = {
        "leaky": lambda: ops.LeakyRelu(x, slope),
        "elu": lambda: ops.Elu(x, slope),
        "selu": lambda: ops.Selu(x),
        "gelu": lambda: ops.Gelu(x, False),
    }
    if kind not in table:
        raise Refusal(notimpl(f"the activation {kind}"))
    return table[kind]()


@mxnet.reads("softmax", "log_softmax", "softmin")
def softmax(work, x, length=None):
    node = work.node
    if length is not None or node.flag("use_length"):
        raise Refusal(notimpl("a softmax over a part of the axis"))
    axis = normal_axis(node.integer("axis", -1), len(shape_of(x)))
    temperature = node.value("temperature")
    x = ops.Divide(x, float(temperature)) if temperature not in (None, 1, 1.0) else x
    if node.op == "softmin":
        return ops.Softmax(ops.Negative(x), axis)
    return (ops.Softmax if node.op == "softmax" else ops.LogSoftmax)(x, axis)


@mxnet.reads("SoftmaxActivation")
def softmax_activation(work, x):
    if work.node.text("mode", "instance") == "channel":
        return ops.Softmax(x, 1)
    return ops.Reshape(ops.Softmax(work.flat(x), 1), shape_of(x))


@mxnet.reads("SoftmaxOutput", "Softmax")
def softmax_output(work, x, label=None):
    node = work.node
    if node.flag("preserve_shape"):
        return ops.Softmax(x, len(shape_of(x)) - 1)
    if node.flag("multi_output") or len(shape_of(x)) == 2:
        return ops.Softmax(x, 1)
    return ops.Reshape(ops.Softmax(work.flat(x), 1), shape_of(x))


@mxnet.reads("LinearRegressionOutput", "MAERegressionOutput", "SVMOutput")
def regression(work, x, label=None):
    return ops.Identity(x)


@mxnet.reads("LogisticRegressionOutput")
def logistic_regression(work, x, label=None):
    return ops.Sigmoid(x)


@mxnet.reads("Dropout")
def dropout(work, x):
    node = work.node
    axes = node.integers("axes")
    noise = tuple(i for i in range(len(shape_of(x))) if i not in axes)
    return ops.Dropout(x, node.number("p", 0.5), noise)


@mxnet.reads("UpSampling")
def upsampling(work, x, *weights):
    node = work.node
    scale = node.integer("scale")
    if scale < 1 or len(weights) > 1:
        raise Refusal(notimpl("several tensors brought to one size"))
    if node.text("sample_type") == "nearest":
        size = tuple(side * scale for side in shape_of(x)[2:])
        return ops.Resize(x, size, None, "nearest", False, False, (2, 3))
    kernel, pad, channels = 2 * scale - scale % 2, -(-(scale - 1) // 2), shape_of(x)[1]
    weight = work.weight(weights[0], "weight", (channels, 1, kernel, kernel))
    pads = ((pad, pad),) * 2
    return ops.ConvTranspose(x, weight, None, (scale,) * 2, pads, (0, 0), (1, 1), channels, 1)


@mxnet.reads("_contrib_BilinearResize2D")
def bilinear_resize(work, x, like=None):
    node = work.node
    mode = node.text("mode", "size")
    corners = node.flag("align_corners", True)
    if mode == "like" and like is not None:
        size = shape_of(like)[2:]
    elif mode != "size":
        raise Refusal(notimpl(f"a resize by the mode {mode}"))
    elif node.value("scale_height") is not None:
        size = tuple(
            int(side * node.number(name))
            for side, name in zip(shape_of(x)[2:], ("scale_height", "scale_width"), strict=True)
        )
    else:
        size = (node.integer("height", 1), node.integer("width", 1))
    return ops.Resize(x, size, None, "linear", corners, False, (2, 3))
