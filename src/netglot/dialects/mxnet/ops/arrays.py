"""The operators of `mx.np` and `mx.npx`, which Gluon exports where NumPy's semantics are set.

Most are the older ones under other names; the rest differ in how options are called and in comparisons being truths.
"""

from __future__ import annotations

from netglot.dialects.mxnet.dialect import mxnet
from netglot.dialects.mxnet.ops import neural, recurrent  # noqa: F401  (declare what is named here)
from netglot.dialects.mxnet.ops.arithmetic import COMPARISONS, UNARY, axes_of, number_for
from netglot.dialects.mxnet.ops.shape import _completed, _cut
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import product
from netglot.pivot.op import normal_axis, shape_of, type_of

_SAME = {
    "_npi_add_scalar": "_plus_scalar", "_npi_subtract_scalar": "_minus_scalar", "_npi_mod_scalar": "_mod_scalar",
    "_npi_multiply_scalar": "_mul_scalar", "_npi_true_divide_scalar": "_div_scalar",
    "_npi_power_scalar": "_power_scalar", "_npi_maximum_scalar": "_maximum_scalar",
    "_npi_minimum_scalar": "_minimum_scalar", "_npi_rsubtract_scalar": "_rminus_scalar",
    "_npi_rtrue_divide_scalar": "_rdiv_scalar", "_npi_rpower_scalar": "_rpower_scalar",
    "_np_sum": "sum", "_npi_mean": "mean", "_np_max": "max", "_np_min": "min", "_np_prod": "prod", "_np_copy": "_copy",
    "_np_amax": "max", "_np_amin": "min", "_np_product": "prod", "_npi_absolute": "abs", "_npi_clip": "clip",
    "_npi_cast": "Cast", "_npi_expand_dims": "expand_dims", "_npi_stack": "stack", "_npi_tile": "tile",
    "_npi_swapaxes": "SwapAxis", "_npi_flip": "reverse", "_np_repeat": "repeat", "_npi_slice": "slice",
    "_npi_take": "take", "_npi_broadcast_to": "broadcast_to", "_np_squeeze": "squeeze", "_np_transpose": "transpose",
    "_npi_zeros": "_zeros", "_npi_ones": "_ones", "_npi_full": "_full", "_npi_arange": "_arange",
    "_npx_convolution": "Convolution", "_npx_deconvolution": "Deconvolution", "_npx_pooling": "Pooling",
    "_npx_batch_norm": "BatchNorm", "_npx_layer_norm": "LayerNorm", "_npx_fully_connected": "FullyConnected",
    "_npx_embedding": "Embedding", "_npx_dropout": "Dropout", "_npx_activation": "Activation",
    "_npx_leaky_relu": "LeakyReLU", "_npx_softmax": "softmax", "_npx_log_softmax": "log_softmax",
    "_npx_batch_dot": "batch_dot", "_npx_batch_flatten": "Flatten", "_npx_one_hot": "one_hot", "_npx_pick": "pick",
    "_npx_topk": "topk", "_npx_rnn": "RNN", "_npi_rnn_param_concat": "_rnn_param_concat", "_npx_cast": "Cast",
    "_npx_sequence_mask": "SequenceMask", "_npx_reshape_like": "reshape_like", "_npx_smooth_l1": "smooth_l1",
    "_npx_slice": "slice", "_npx_arange_like": "_contrib_arange_like",
}  # fmt: skip
"""Operators that read as older ones do."""

_BINARY = {
    "add": ops.Add, "subtract": ops.Subtract, "multiply": ops.Multiply, "true_divide": ops.Divide,
    "power": ops.Power, "mod": ops.Remainder, "maximum": ops.Maximum, "minimum": ops.Minimum,
}  # fmt: skip


def _alike(x, y):
    """Two operands with the dtype of the one that is no truth."""
    kinds = [type_of(one).dtype for one in (x, y)]
    if kinds[0] == kinds[1] or "bool" not in kinds:
        return x, y
    kind = next(kind for kind in kinds if kind != "bool")
    return tuple(ops.Cast(one, kind) if own == "bool" else one for one, own in zip((x, y), kinds, strict=True))


def _truth_of(op, x, other):
    return op(x, number_for(x, other) if isinstance(other, float) else other)


def _declare() -> None:
    for name, older in _SAME.items():
        mxnet.readers[name] = mxnet.readers[older]
    for name, op in _BINARY.items():
        mxnet.reads(f"_npi_{name}")(lambda work, x, y, op=op: op(*_alike(work.tensor(x), work.tensor(y))))
    for name in sorted(set(UNARY) - {"identity"}):
        mxnet.readers.setdefault(f"_npi_{name}", mxnet.readers[name])
        mxnet.readers.setdefault(f"_npx_{name}", mxnet.readers[name])
    for name, op in COMPARISONS.items():
        word = name.replace("lesser", "less")
        mxnet.reads(f"_npi_{word}")(lambda work, x, y, op=op: op(x, y))
        mxnet.reads(f"_npi_{word}_scalar")(lambda work, x, op=op: _truth_of(op, x, work.node.number("scalar")))


_declare()


@mxnet.reads("_npi_logical_not")
def logical_not(work, x):
    return ops.LogicalNot(x if type_of(x).dtype == "bool" else ops.NotEqual(x, number_for(x, 0.0)))


@mxnet.reads("_npi_rint", "_npi_around")
def rint(work, x):
    if work.node.integer("decimals", 0):
        raise Refusal(notimpl("rounding to decimals"))
    return ops.Round(x)


@mxnet.reads("_npi_where")
def where(work, condition, x, y):
    truth = condition if type_of(condition).dtype == "bool" else ops.NotEqual(condition, number_for(condition, 0.0))
    return ops.Where(truth, x, y)


@mxnet.reads("_npi_where_lscalar", "_npi_where_rscalar")
def where_scalar(work, condition, x):
    truth = condition if type_of(condition).dtype == "bool" else ops.NotEqual(condition, number_for(condition, 0.0))
    value = number_for(x, work.node.number("scalar"))
    return ops.Where(truth, value, x) if work.node.op == "_npi_where_lscalar" else ops.Where(truth, x, value)


@mxnet.reads("_npi_var", "_npi_std")
def variance(work, x):
    op = ops.Variance if work.node.op == "_npi_var" else ops.StandardDeviation
    return op(x, axes_of(work, x), work.node.flag("keepdims"), work.node.integer("ddof", 0))


@mxnet.reads("_npi_argmax", "_npi_argmin")
def argmax(work, x):
    axis = work.node.value("axis")
    if axis is None:
        raise Refusal(notimpl("the place of the largest element of all"))
    op = ops.Argmax if work.node.op == "_npi_argmax" else ops.Argmin
    return op(x, normal_axis(int(axis), len(shape_of(x))), work.node.flag("keepdims"))


@mxnet.reads("_npi_concatenate")
def concatenate(work, *xs):
    axis = normal_axis(work.node.integer("axis", 0), len(shape_of(xs[0])))
    return ops.Concat(tuple(work.tensor(x) for x in xs), axis) if len(xs) > 1 else ops.Identity(xs[0])


@mxnet.reads("_npi_split", "_split_v2")
def split(work, x):
    node = work.node
    axis = normal_axis(node.integer("axis", 0), len(shape_of(x)))
    size, parts = shape_of(x)[axis], node.integer("sections", 0)
    if not isinstance(size, int):
        raise Refusal(notimpl("cutting an axis whose size is not known"))
    if parts and (parts < 0 or parts > 65536 or size % parts):
        raise InputError(f"{node.name}: {size} elements in {parts} parts")
    starts = [size // parts * i for i in range(parts)] if parts else list(node.integers("indices"))
    starts = starts if starts[:1] == [0] else [0, *starts]
    if node.flag("squeeze_axis"):
        return [ops.Select(x, axis, start) for start in starts]
    return [_cut(x, axis, a, b) for a, b in zip(starts, [*starts[1:], None], strict=True)]


@mxnet.reads("_npi_identity", "_npi_eye")
def eye(work):
    node = work.node
    rows = node.integers("shape")[0] if node.op == "_npi_identity" else node.integer("N")
    columns = rows if node.op == "_npi_identity" else node.integer("M", rows)
    if node.integer("k", 0) or not 0 < rows * columns < 2**28:
        raise Refusal(notimpl("ones beside the diagonal"))
    kind = node.text("dtype", "float32")
    return ops.Eye(rows, columns, "float32" if kind == "None" else kind)


@mxnet.reads("_npi_full_like")
def full_like(work, x):
    node = work.node
    kind = node.text("dtype", "None")
    return ops.Full(shape_of(x), number_for(x, node.number("fill_value")), type_of(x).dtype if kind == "None" else kind)


@mxnet.reads("_npi_matmul")
def matmul(work, x, y):
    return ops.Matmul(x, y)


@mxnet.reads("_np_dot")
def dot(work, x, y):
    if len(shape_of(y)) > 2:
        raise Refusal(notimpl("a product of tensors of more than two axes"))
    return ops.Matmul(x, y)


@mxnet.reads("_npi_einsum")
def einsum(work, *xs):
    return ops.Einsum(tuple(xs), work.node.text("subscripts"))


@mxnet.reads("_np_moveaxis")
def moveaxis(work, x):
    rank = len(shape_of(x))
    source, target = (
        [normal_axis(axis, rank) for axis in work.node.integers(name)] for name in ("source", "destination")
    )
    order = [axis for axis in range(rank) if axis not in source]
    for place, axis in sorted(zip(target, source, strict=True)):
        order.insert(place, axis)
    return ops.Permute(x, tuple(order))


@mxnet.reads("_np_reshape", "_npi_reshape")
def reshape(work, x):
    if work.node.text("order", "C") != "C":
        raise Refusal(notimpl("a reshape in Fortran's order"))
    return ops.Reshape(x, _completed(list(work.node.integers("newshape")), product(shape_of(x))))


@mxnet.reads("_npx_reshape")
def npx_reshape(work, x):
    """-1 is what is left, -2 keeps a size, -3 skips one that is 1, -4 keeps all, -5 joins two, -6 cuts one in two."""
    node = work.node
    if node.text("order", "C") != "C":
        raise Refusal(notimpl("a reshape in Fortran's order"))
    shape, wanted = list(shape_of(x)), list(node.integers("newshape"))
    if node.flag("reverse"):
        if -6 in wanted:
            raise Refusal(notimpl("a reshape that counts from the end and cuts a size in two"))
        made = _told(node, shape[::-1], wanted[::-1])[::-1]
    else:
        made = _told(node, shape, wanted)
    return ops.Reshape(x, _completed(made, product(shape)))


def _told(node, shape: list, wanted: list) -> list:
    """The sizes that the words of `npx.reshape` stand for; -1 stays."""
    made: list = []
    at = 0
    while wanted:
        one = wanted.pop(0)
        if one >= 0 or one == -1:
            made.append(one)
        elif one in (-2, -3):
            made += [shape[at]] if one == -2 else []
        elif one == -4:
            made += shape[at:]
        elif one == -5:
            made.append(shape[at] * shape[at + 1])
        elif one == -6:
            first, second = wanted.pop(0), wanted.pop(0)
            made += [shape[at] // second if first == -1 else first, shape[at] // first if second == -1 else second]
        else:
            raise InputError(f"{node.name}: the size {one}")
        at = len(shape) if one == -4 else at + (2 if one == -5 else 1)
    return made


@mxnet.reads("_npi_norm")
def norm(work, x):
    node = work.node
    if node.value("ord") not in (None, 2, 2.0) or len(node.integers("axis")) > 1:
        raise Refusal(notimpl("a norm of another order"))
    return ops.Norm(x, axes_of(work, x), node.flag("keepdims"), 2.0)


@mxnet.reads("_npi_tril")
def tril(work, x):
    return ops.Tril(x, work.node.integer("k", 0))
