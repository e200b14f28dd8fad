"""ATen's losses, read as what they compute."""

from __future__ import annotations

import math

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.numbers import as_dtype, as_float, is_float, is_whole
from netglot.dialects.torch.ops.matmul import pairwise_distance
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.op import shape_of, type_of

_NONE, _MEAN, _SUM = 0, 1, 2
"""ATen's numbers for the reductions."""


def reduced(loss, reduction: int):
    """The loss of each element, their mean, or their sum."""
    if reduction == _NONE:
        return loss
    if not shape_of(loss):
        return ops.Identity(loss)
    axes = tuple(range(len(shape_of(loss))))
    return (ops.Mean if reduction == _MEAN else ops.Sum)(loss, axes=axes, keepdims=False)


def _floats(x, target):
    """Input and target in the dtype of the input, which integers lack: they become floats first."""
    x = as_float(x)
    return x, as_dtype(target, type_of(x).dtype) if is_whole(target) else target


def _difference(x, target):
    return ops.Subtract(*_floats(x, target))


# --- regression


@torch.reads("aten.mse_loss.default")
def mse_loss(self, target, reduction=1):
    return reduced(ops.Square(_difference(self, target)), reduction)


@torch.reads("aten.l1_loss.default")
def l1_loss(self, target, reduction=1):
    return reduced(ops.Abs(_difference(self, target)), reduction)


def _huber(x, target, bend):
    """Half the square up to `bend`, then the tangent."""
    size = ops.Abs(_difference(x, target))
    line = ops.Multiply(ops.Subtract(size, 0.5 * bend), bend)
    return ops.Where(ops.Less(size, bend), ops.Multiply(ops.Square(size), 0.5), line)


@torch.reads("aten.huber_loss.default")
def huber_loss(self, target, reduction=1, delta=1.0):
    return reduced(_huber(self, target, float(delta)), reduction)


@torch.reads("aten.smooth_l1_loss.default")
def smooth_l1_loss(self, target, reduction=1, beta=1.0):
    if beta == 0:
        return l1_loss(self, target, reduction)
    return reduced(ops.Divide(_huber(self, target, float(beta)), float(beta)), reduction)


@torch.reads("aten.poisson_nll_loss.default")
def poisson_nll_loss(input, target, log_input, full, eps, reduction):
    input, target = _floats(input, target)
    if log_input:
        loss = ops.Subtract(ops.Exp(input), ops.Multiply(target, input))
    else:
        loss = ops.Subtract(input, ops.Multiply(target, ops.Log(ops.Add(input, eps))))
    if full:
        large = ops.Where(ops.Greater(target, 1.0), target, 1.0)  # Stirling's formula is for these alone
        stirling = ops.Add(
            ops.Subtract(ops.Multiply(target, ops.Log(large)), target),
            ops.Multiply(ops.Log(ops.Multiply(large, 2 * math.pi)), 0.5),
        )
        loss = ops.Add(loss, ops.Where(ops.LessEqual(target, 1.0), 0.0, stirling))
    return reduced(loss, reduction)


# --- probabilities


def _clamped_log(x):
    """The logarithm, not below -100."""
    return ops.Clip(ops.Log(x), low=-100.0, high=None)


@torch.reads("aten.binary_cross_entropy.default")
def binary_cross_entropy(self, target, weight=None, reduction=1):
    self, target = _floats(self, target)
    right = ops.Multiply(target, _clamped_log(self))
    wrong = ops.Multiply(ops.Subtract(1.0, target), _clamped_log(ops.Subtract(1.0, self)))
    return reduced(_weighted(ops.Negative(ops.Add(right, wrong)), weight), reduction)


def _weighted(loss, weight):
    return loss if weight is None else ops.Multiply(loss, weight)


@torch.reads("aten.binary_cross_entropy_with_logits.default")
def binary_cross_entropy_with_logits(self, target, weight=None, pos_weight=None, reduction=1):
    self, target = _floats(self, target)
    wrong = ops.Multiply(ops.Subtract(1.0, target), self)
    logarithm = ops.LogSigmoid(self)
    if pos_weight is not None:
        logarithm = ops.Multiply(ops.Add(ops.Multiply(ops.Subtract(pos_weight, 1.0), target), 1.0), logarithm)
    return reduced(_weighted(ops.Subtract(wrong, logarithm), weight), reduction)


@torch.reads("aten.kl_div.default")
def kl_div(self, target, reduction=1, *, log_target=False):
    self, target = _floats(self, target)
    if log_target:
        loss = ops.Multiply(ops.Exp(target), ops.Subtract(target, self))
    else:
        void = ops.Equal(target, 0.0)
        entropy = ops.Multiply(target, ops.Log(ops.Where(void, 1.0, target)))
        loss = ops.Subtract(entropy, ops.Multiply(target, self))
    return reduced(loss, reduction)


def _class_axis(x) -> int:
    return 0 if len(shape_of(x)) == 1 else 1


def _of_classes(weight, rank: int, axis: int):
    """A vector of one number for each class, broadcast along `axis`."""
    return ops.Reshape(weight, shape=tuple(shape_of(weight)[0] if a == axis else 1 for a in range(rank)))


def _picked(log_probs, target, weight, ignore_index):
    """Minus the logarithm at each target class, and the weight that it has: 0 for ignored targets."""
    axis, dtype = _class_axis(log_probs), type_of(log_probs).dtype
    counted = ops.NotEqual(target, ignore_index)
    target = ops.Where(counted, target, 0)
    place = (*shape_of(target)[:axis], 1, *shape_of(target)[axis:])
    picked = ops.TakeAlongAxis(log_probs, ops.Reshape(target, shape=place), axis=axis)
    loss = ops.Negative(ops.Reshape(picked, shape=tuple(shape_of(target))))
    weights = ops.Cast(counted, dtype=dtype)
    if weight is not None:
        weights = ops.Multiply(weights, ops.Take(weight, target, axis=0))
    return ops.Where(counted, ops.Multiply(loss, weights), 0.0), weights


def _nll(log_probs, target, weight, reduction, ignore_index):
    loss, weights = _picked(log_probs, target, weight, ignore_index)
    return _averaged(loss, weights, reduction)


def _averaged(loss, weights, reduction):
    """The reduced loss, where the mean divides by the sum of the weights."""
    if reduction != _MEAN:
        return reduced(loss, reduction)
    return ops.Divide(reduced(loss, _SUM), reduced(weights, _SUM))


@torch.reads("aten.nll_loss.default", "aten.nll_loss_nd.default", "aten.nll_loss2d.default")
def nll_loss(self, target, weight=None, reduction=1, ignore_index=-100):
    return _nll(self, target, weight, reduction, ignore_index)


@torch.reads("aten.cross_entropy_loss.default")
def cross_entropy_loss(self, target, weight=None, reduction=1, ignore_index=-100, label_smoothing=0.0):
    axis = _class_axis(self)
    log_probs = ops.LogSoftmax(self, axis=axis)
    if is_float(target):
        return _soft_cross_entropy(log_probs, target, weight, reduction, label_smoothing, axis)
    if not label_smoothing:
        return _nll(log_probs, target, weight, reduction, ignore_index)
    loss, weights = _picked(log_probs, target, weight, ignore_index)
    smooth = log_probs
    if weight is not None:
        smooth = ops.Multiply(log_probs, _of_classes(weight, len(shape_of(self)), axis))
    smooth = ops.Negative(ops.Sum(smooth, axes=(axis,), keepdims=False))
    smooth = ops.Where(ops.NotEqual(target, ignore_index), smooth, 0.0)
    hard, soft = (_averaged(part, weights, reduction) for part in (loss, smooth))
    share = label_smoothing / _classes(self, axis)
    return ops.Add(ops.Multiply(hard, 1 - label_smoothing), ops.Multiply(soft, share))


def _classes(x, axis) -> int:
    count = shape_of(x)[axis]
    if not isinstance(count, int):
        raise Refusal(notimpl("label smoothing over a symbolic number of classes"))
    return count


def _soft_cross_entropy(log_probs, target, weight, reduction, smoothing, axis):
    """The cross entropy of probabilities; its mean divides by the number of samples."""
    if smoothing:
        target = ops.Add(ops.Multiply(target, 1 - smoothing), smoothing / _classes(log_probs, axis))
    product = ops.Multiply(log_probs, target)
    if weight is not None:
        product = ops.Multiply(product, _of_classes(weight, len(shape_of(product)), axis))
    return reduced(ops.Negative(ops.Sum(product, axes=(axis,), keepdims=False)), reduction)


# --- margins


@torch.reads("aten.margin_ranking_loss.default")
def margin_ranking_loss(input1, input2, target, margin=0.0, reduction=1):
    difference, target = _floats(ops.Subtract(as_float(input1), as_float(input2)), target)
    order = ops.Multiply(ops.Negative(target), difference)
    return reduced(_hinge(ops.Add(order, float(margin))), reduction)


def _hinge(x):
    return ops.Clip(x, low=0.0, high=None)


@torch.reads("aten.hinge_embedding_loss.default")
def hinge_embedding_loss(self, target, margin=1.0, reduction=1):
    self, target = _floats(self, target)
    apart = ops.Where(ops.NotEqual(target, 1.0), _hinge(ops.Subtract(float(margin), self)), 0.0)
    together = ops.Where(ops.NotEqual(target, -1.0), self, 0.0)
    return reduced(ops.Add(apart, together), reduction)


@torch.reads("aten.soft_margin_loss.default")
def soft_margin_loss(self, target, reduction=1):
    self, target = _floats(self, target)
    return reduced(ops.Log1p(ops.Exp(ops.Multiply(ops.Negative(target), self))), reduction)


@torch.reads("aten.cosine_embedding_loss.default")
def cosine_embedding_loss(input1, input2, target, margin=0.0, reduction=1):
    axis = max(len(shape_of(input1)), len(shape_of(input2))) - 1
    input1, input2 = as_float(input1), as_float(input2)

    def summed(x, y):
        return ops.Sum(ops.Multiply(x, y), axes=(axis,), keepdims=False)

    epsilon = 1e-12
    sizes = ops.Multiply(ops.Add(summed(input1, input1), epsilon), ops.Add(summed(input2, input2), epsilon))
    cosine = ops.Divide(summed(input1, input2), ops.Sqrt(sizes))
    alike = ops.Where(ops.Equal(target, 1), ops.Subtract(1.0, cosine), 0.0)
    unlike = ops.Where(ops.Equal(target, -1), _hinge(ops.Subtract(cosine, float(margin))), 0.0)
    return reduced(ops.Add(alike, unlike), reduction)


@torch.reads("aten.triplet_margin_loss.default")
def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2.0, eps=1e-06, swap=False, reduction=1):
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = ops.Minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduced(_hinge(ops.Add(ops.Subtract(near, far), float(margin))), reduction)


@torch.reads("aten.multi_margin_loss.default")
def multi_margin_loss(self, target, p=1, margin=1, weight=None, reduction=1):
    if not shape_of(self):
        one = ops.Reshape(self, shape=(1,))
        return multi_margin_loss(one, ops.Reshape(target, shape=(1,)), p, margin, weight, reduction)
    shape = tuple(shape_of(self))
    batched = len(shape) == 2
    classes = shape[-1]
    target = target if batched else ops.Reshape(target, shape=())
    place = (*shape[:-1], 1)
    picked = ops.TakeAlongAxis(self, ops.Reshape(target, shape=place), axis=len(shape) - 1)
    gap = _hinge(ops.Add(ops.Subtract(self, picked), float(margin)))
    gap = ops.Square(gap) if p == 2 else gap
    if weight is not None:
        gap = ops.Multiply(gap, ops.Reshape(ops.Take(weight, target, axis=0), shape=place))
    own = ops.OneHot(target, classes=classes, dtype="bool")
    gap = ops.Where(own, 0.0, gap)
    return reduced(ops.Mean(gap, axes=(len(shape) - 1,), keepdims=False), reduction)


@torch.reads("aten.multilabel_margin_loss.default")
def multilabel_margin_loss(self, target, reduction=1):
    if not shape_of(self):
        return multilabel_margin_loss(*(ops.Reshape(x, shape=(1,)) for x in (self, target)), reduction)
    shape = tuple(shape_of(self))
    classes, last = shape[-1], len(shape) - 1
    valid = ops.Equal(
        ops.CumulativeSum(ops.Cast(ops.Less(target, 0), dtype="int64"), axis=last), 0
    )  # labels end at the first negative one
    label = ops.Where(valid, target, 0)
    hits = ops.Where(_last(valid), ops.OneHot(label, classes=classes, dtype="int64"), 0)
    own = ops.Greater(ops.Sum(hits, axes=(last,), keepdims=False), 0)
    picked = _last(ops.TakeAlongAxis(self, label, axis=last))
    others = ops.Reshape(self, shape=(*shape[:-1], 1, classes))
    gap = _hinge(ops.Subtract(1.0, ops.Subtract(picked, others)))
    foreign = ops.LogicalNot(ops.Reshape(own, shape=(*shape[:-1], 1, classes)))
    counted = ops.LogicalAnd(_last(valid), foreign)
    total = ops.Sum(ops.Where(counted, gap, 0.0), axes=(last, last + 1), keepdims=False)
    return reduced(ops.Divide(total, float(classes)), reduction)


def _last(x):
    """`x` with a new last axis."""
    return ops.Reshape(x, shape=(*shape_of(x), 1))


# --- sequences


def _ctc(log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity):
    single = len(shape_of(log_probs)) == 2
    if single:
        log_probs = ops.Reshape(log_probs, (shape_of(log_probs)[0], 1, shape_of(log_probs)[1]))
    batch = shape_of(log_probs)[1]
    input_lengths, target_lengths = _lengths(input_lengths, batch), _lengths(target_lengths, batch)
    if len(shape_of(targets)) == 1:
        targets = _label_rows(targets, target_lengths, batch)
    loss = ops.CtcLoss(ops.Permute(log_probs, axes=(1, 0, 2)), targets, input_lengths, target_lengths, blank=blank)
    if zero_infinity:
        loss = ops.Where(ops.IsInf(loss), 0.0, loss)
    if reduction == _MEAN:
        lengths = ops.Clip(as_dtype(target_lengths, type_of(log_probs).dtype), low=1.0, high=None)
        loss = ops.Divide(loss, lengths)
    if single and reduction == _NONE:
        return ops.Reshape(loss, ())
    return reduced(loss, reduction)


def _lengths(held, batch):
    """A list of integers, or a tensor of them, as a vector."""
    if isinstance(held, list | tuple):
        return ops.Stack(tuple(ops.Full((), value=n, dtype="int64") for n in held), axis=0)
    return held if shape_of(held) == (batch,) else ops.Reshape(held, (batch,))


def _label_rows(targets, lengths, batch):
    """Label sequences that lie one after the other as the rows of a matrix; what follows a row's length is not used."""
    size = shape_of(targets)[0]
    start = ops.Reshape(ops.Subtract(ops.CumulativeSum(as_dtype(lengths, "int64"), axis=0), lengths), (batch, 1))
    places = ops.Add(start, ops.Reshape(ops.Arange(0, size, 1, "int64"), (1, size)))
    return ops.Take(targets, ops.Minimum(places, size - 1), axis=0)


@torch.reads("aten.ctc_loss.Tensor", "aten.ctc_loss.IntList")
def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction=1, zero_infinity=False):
    return _ctc(log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity)


@torch.reads("netglot.ctc_loss.default")
def whole_ctc_loss(log_probs, targets, inputs, lengths, input_list, target_list, blank, reduction, zero_infinity):
    given = (input_list, target_list) if inputs is None else (inputs, lengths)
    return _ctc(log_probs, targets, *given, blank, reduction, zero_infinity)
