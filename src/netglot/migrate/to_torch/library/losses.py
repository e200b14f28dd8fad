"""Keras's losses: of targets and outputs, in this order, one number for each sample."""

import math

import torch
import torch.nn.functional as F


def alike(y_true, y_pred):
    """The targets in the dtype of the outputs and, where only an axis of size one tells them apart, in their shape."""
    y_true = torch.as_tensor(y_true).to(y_pred.dtype)
    if y_true.ndim == y_pred.ndim - 1 and y_pred.shape[-1] == 1:
        return y_true.unsqueeze(-1)
    return y_true.squeeze(-1) if y_true.ndim == y_pred.ndim + 1 and y_true.shape[-1] == 1 else y_true


def weighed(values, weights=None, mask=None, reduction="mean"):
    """Losses by the weights of their samples; steps that are masked do not count, and a mean is that of the others."""
    if weights is not None:
        weights = torch.as_tensor(weights).to(values.dtype)
        if weights.ndim == values.ndim + 1 and weights.shape[-1] == 1:
            weights = weights[..., 0]
        values = values * weights.reshape(*weights.shape, *[1] * (values.ndim - weights.ndim))
    if mask is not None and mask.shape == values.shape:
        mask = mask.to(values.dtype)
        mean = reduction not in ("sum", "none", None)
        values = values * (mask * mask.numel() / mask.sum().clamp(min=1e-7) if mean else mask)
    return values


class Loss:
    """The mean of a function of targets and outputs over all samples, or their sum, or as it is."""

    def __init__(self, function=None, reduction="sum_over_batch_size", name=None, **options):
        self.function = function or self.call
        self.reduction, self.options, self.name = reduction, options, name

    def each(self, y_true, y_pred):
        """The losses of the samples."""
        return self.function(y_true, y_pred, **self.options)

    def __call__(self, y_true, y_pred, sample_weight=None):
        values = self.each(y_true, y_pred)
        values = weighed(values, sample_weight, getattr(y_pred, "mask", None), self.reduction)
        return {"none": lambda v: v, None: lambda v: v, "sum": torch.sum}.get(self.reduction, torch.mean)(values)


def sparse_categorical_crossentropy(y_true, y_pred, from_logits=False, ignore_class=None):
    """Cross-entropy of class indices."""
    logs = y_pred if from_logits else (y_pred / y_pred.sum(-1, keepdim=True)).clamp(1e-7, 1 - 1e-7).log()
    y_true = torch.as_tensor(y_true).long().reshape(logs.shape[:-1])
    losses = F.cross_entropy(logs.movedim(-1, 1) if logs.ndim > 1 else logs, y_true.clamp(min=0), reduction="none")
    return losses if ignore_class is None else losses * (y_true != ignore_class)


def categorical_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1):
    """Cross-entropy of class shares."""
    y_true = torch.as_tensor(y_true).to(y_pred.dtype)
    y_true = y_true * (1 - label_smoothing) + label_smoothing / y_true.shape[axis]
    if from_logits:
        return -(y_true * torch.log_softmax(y_pred, dim=axis)).sum(axis)
    y_pred = y_pred / y_pred.sum(axis, keepdim=True)
    return -(y_true * y_pred.clamp(1e-7, 1 - 1e-7).log()).sum(axis)


def binary_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1):
    """Cross-entropy of two classes."""
    y_true = alike(y_true, y_pred)
    y_true = y_true * (1 - label_smoothing) + 0.5 * label_smoothing
    if from_logits:
        return F.binary_cross_entropy_with_logits(y_pred, y_true, reduction="none").mean(axis)
    y_pred = y_pred.clamp(1e-7, 1 - 1e-7)
    return -(y_true * y_pred.log() + (1 - y_true) * (1 - y_pred).log()).mean(axis)


def binary_focal_crossentropy(
    y_true, y_pred, apply_class_balancing=False, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0
):
    """Cross-entropy of two classes in which what is told well counts little."""
    y_true = alike(y_true, y_pred)
    y_true = y_true * (1 - label_smoothing) + 0.5 * label_smoothing
    y_pred = torch.sigmoid(y_pred) if from_logits else y_pred
    y_pred = y_pred.clamp(1e-7, 1 - 1e-7)
    losses = -(y_true * y_pred.log() + (1 - y_true) * (1 - y_pred).log())
    losses = losses * (1 - (y_true * y_pred + (1 - y_true) * (1 - y_pred))) ** gamma
    if apply_class_balancing:
        losses = losses * (y_true * alpha + (1 - y_true) * (1 - alpha))
    return losses.mean(-1)


def mean_squared_error(y_true, y_pred):
    """Squared errors."""
    return ((y_pred - alike(y_true, y_pred)) ** 2).mean(-1)


def mean_absolute_error(y_true, y_pred):
    """Absolute errors."""
    return (y_pred - alike(y_true, y_pred)).abs().mean(-1)


def mean_absolute_percentage_error(y_true, y_pred):
    """Absolute errors in hundredths of the target."""
    y_true = alike(y_true, y_pred)
    return 100 * ((y_true - y_pred) / y_true.abs().clamp(min=1e-7)).abs().mean(-1)


def mean_squared_logarithmic_error(y_true, y_pred):
    """Squared errors of logarithms."""
    y_true, y_pred = (torch.log(one.clamp(min=1e-7) + 1) for one in (alike(y_true, y_pred), y_pred))
    return ((y_true - y_pred) ** 2).mean(-1)


def huber(y_true, y_pred, delta=1.0):
    """Squared errors up to delta, absolute ones beyond."""
    return F.huber_loss(y_pred, alike(y_true, y_pred), reduction="none", delta=delta).mean(-1)


def log_cosh(y_true, y_pred):
    """Logarithms of hyperbolic cosines of errors."""
    error = y_pred - alike(y_true, y_pred)
    return (error + F.softplus(-2 * error) - math.log(2)).mean(-1)


def kl_divergence(y_true, y_pred):
    """How far one distribution is from another."""
    y_true, y_pred = alike(y_true, y_pred).clamp(1e-7, 1), y_pred.clamp(1e-7, 1)
    return (y_true * torch.log(y_true / y_pred)).sum(-1)


def cosine_similarity(y_true, y_pred, axis=-1):
    """Negative cosines between targets and outputs."""

    def unit(x):
        return x * torch.rsqrt((x**2).sum(axis, keepdim=True).clamp(min=1e-7))

    return -(unit(alike(y_true, y_pred)) * unit(y_pred)).sum(axis)


def poisson(y_true, y_pred):
    """Poisson's loss of counts."""
    return (y_pred - alike(y_true, y_pred) * torch.log(y_pred + 1e-7)).mean(-1)


def signed(y_true):
    """Targets of 0 and 1 as -1 and 1; others as they are."""
    return 2 * y_true - 1 if ((y_true == 0) | (y_true == 1)).all() else y_true


def hinge(y_true, y_pred):
    """How far outputs are from the right side of the margin."""
    return F.relu(1 - signed(alike(y_true, y_pred)) * y_pred).mean(-1)


def squared_hinge(y_true, y_pred):
    """Squares of how far outputs are from the right side of the margin."""
    return (F.relu(1 - signed(alike(y_true, y_pred)) * y_pred) ** 2).mean(-1)


def categorical_hinge(y_true, y_pred):
    """How far the best wrong output is above the right one."""
    y_true = alike(y_true, y_pred)
    return F.relu(((1 - y_true) * y_pred).amax(-1) - (y_true * y_pred).sum(-1) + 1)


def loss_named(given):
    """A loss by Keras's name for it, or as it is given; several are looked up one by one."""
    if isinstance(given, dict):
        return {name: loss_named(one) for name, one in given.items()}
    if isinstance(given, (list, tuple)):
        return [loss_named(one) for one in given]
    losses = [
        sparse_categorical_crossentropy, categorical_crossentropy, binary_crossentropy, mean_squared_error,
        mean_absolute_error, mean_absolute_percentage_error, mean_squared_logarithmic_error, huber, log_cosh,
        kl_divergence, cosine_similarity, poisson, hinge, squared_hinge, categorical_hinge, binary_focal_crossentropy,
    ]  # fmt: skip
    short = {
        "mse": "mean_squared_error", "mae": "mean_absolute_error", "mape": "mean_absolute_percentage_error",
        "msle": "mean_squared_logarithmic_error", "kld": "kl_divergence", "bce": "binary_crossentropy",
    }  # fmt: skip
    known = {one.__name__: one for one in losses}
    return known[short.get(given.lower(), given.lower())] if isinstance(given, str) else given


def sigmoid_cross_entropy_with_logits(labels=None, logits=None):
    """Cross-entropy of two classes, for each number."""
    return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), reduction="none")


def softmax_cross_entropy_with_logits(labels=None, logits=None, axis=-1):
    """Cross-entropy of class shares, for each sample."""
    return -(labels * torch.log_softmax(logits, dim=axis)).sum(axis)


def sparse_softmax_cross_entropy_with_logits(labels=None, logits=None):
    """Cross-entropy of class indices, for each sample."""
    return F.cross_entropy(logits.movedim(-1, 1) if logits.ndim > 1 else logits, labels.long(), reduction="none")
