"""Losses with PyTorch's options."""

from __future__ import annotations

from netglot.dialects.keras.helpers import HELPERS as SHARED

CTC = SHARED["ctc_loss"].lstrip("\n")
HELPERS: dict[str, str] = {
    "cross_entropy": '''
def cross_entropy(logits, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    """Cross-entropy of logits, the classes on axis 1, with class indices or probabilities."""
    if len(logits.shape) > 2:
        logits = ops.moveaxis(logits, 1, -1)
        target = ops.moveaxis(target, 1, -1) if len(target.shape) == len(logits.shape) else target
    count, logs = logits.shape[-1], ops.log_softmax(logits, axis=-1)
    seen = None
    if len(target.shape) < len(logits.shape):
        seen = ops.cast(target != ignore_index, logs.dtype)
        target = ops.one_hot(target, count, dtype=logs.dtype)
    scale = 1.0 if weight is None else ops.cast(weight, logs.dtype)
    shares = target * (1 - label_smoothing) + label_smoothing / count
    losses = -ops.sum(ops.where(shares == 0, ops.zeros_like(logs), shares * scale * logs), axis=-1)
    if seen is not None:
        losses = losses * seen
        total = ops.sum(seen if weight is None else seen * ops.sum(target * scale, axis=-1))
    else:
        total = ops.cast(ops.size(losses), logs.dtype)
    if reduction == "none":
        return losses
    return ops.sum(losses) / total if reduction == "mean" else ops.sum(losses)
''',
    "nll_loss": '''
def nll_loss(logs, target, weight=None, ignore_index=-100, reduction="mean"):
    """The negative log-likelihood of class indices, the classes on axis 1."""
    if len(logs.shape) > 2:
        logs = ops.moveaxis(logs, 1, -1)
    places = ops.one_hot(target, logs.shape[-1], dtype=logs.dtype)
    scale = 1.0 if weight is None else ops.cast(weight, logs.dtype)
    seen = ops.sum(places * scale, axis=-1) * ops.cast(target != ignore_index, logs.dtype)
    losses = -ops.sum(places * logs, axis=-1) * seen
    if reduction == "none":
        return losses
    return ops.sum(losses) / ops.sum(seen) if reduction == "mean" else ops.sum(losses)
''',
    "reduced": '''
def reduced(losses, reduction="mean"):
    """Losses as their mean, their sum, or as they are."""
    return {"mean": ops.mean, "sum": ops.sum, "none": lambda x: x}[reduction](losses)
''',
    "mse_loss": '''
def mse_loss(x, target, reduction="mean"):
    """Squared errors."""
    return reduced(ops.square(x - target), reduction)
''',
    "l1_loss": '''
def l1_loss(x, target, reduction="mean"):
    """Absolute errors."""
    return reduced(ops.abs(x - target), reduction)
''',
    "smooth_l1_loss": '''
def smooth_l1_loss(x, target, reduction="mean", beta=1.0):
    """Squared errors where they are below beta, absolute ones elsewhere."""
    error = ops.abs(x - target)
    return reduced(ops.where(error < beta, 0.5 * ops.square(error) / beta, error - 0.5 * beta), reduction)
''',
    "huber_loss": '''
def huber_loss(x, target, reduction="mean", delta=1.0):
    """Squared errors where they are below delta, absolute ones elsewhere."""
    error = ops.abs(x - target)
    return reduced(ops.where(error < delta, 0.5 * ops.square(error), delta * (error - 0.5 * delta)), reduction)
''',
    "binary_cross_entropy": '''
def binary_cross_entropy(x, target, weight=None, reduction="mean"):
    """Cross-entropy of probabilities; logarithms are held above -100."""
    losses = -target * ops.maximum(ops.log(x), -100.0) - (1 - target) * ops.maximum(ops.log(1 - x), -100.0)
    return reduced(losses if weight is None else losses * weight, reduction)
''',
    "binary_cross_entropy_with_logits": '''
def binary_cross_entropy_with_logits(x, target, weight=None, reduction="mean", pos_weight=None):
    """Cross-entropy of logits."""
    scale = 1.0 if pos_weight is None else 1.0 + (pos_weight - 1.0) * target
    losses = (1 - target) * x + scale * (ops.softplus(-ops.abs(x)) + ops.relu(-x))
    return reduced(losses if weight is None else losses * weight, reduction)
''',
    "kl_div": '''
def kl_div(x, target, reduction="mean", log_target=False):
    """The Kullback-Leibler divergence of log-probabilities from a target."""
    if log_target:
        losses = ops.exp(target) * (target - x)
    else:
        losses = ops.where(target > 0, target * (ops.log(ops.where(target > 0, target, 1.0)) - x), 0.0)
    if reduction == "batchmean":
        return ops.sum(losses) / x.shape[0]
    return reduced(losses, reduction)
''',
    "triplet_margin_loss": '''
def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2.0, eps=1e-6, reduction="mean"):
    """How much nearer the positive should be than the negative."""
    near, far = pairwise_distance(anchor, positive, p, eps), pairwise_distance(anchor, negative, p, eps)
    return reduced(ops.relu(near - far + margin), reduction)
''',
    "cosine_embedding_loss": '''
def cosine_embedding_loss(x, y, target, margin=0.0, reduction="mean"):
    """One minus the cosine for pairs of target 1, the cosine above the margin for those of -1."""
    cosine = cosine_similarity(x, y)
    return reduced(ops.where(target > 0, 1 - cosine, ops.relu(cosine - margin)), reduction)
''',
    "margin_ranking_loss": '''
def margin_ranking_loss(x, y, target, margin=0.0, reduction="mean"):
    """How far x misses to be above y by the margin for pairs of target 1, below it for those of -1."""
    return reduced(ops.relu(margin - target * (x - y)), reduction)
''',
    "hinge_embedding_loss": '''
def hinge_embedding_loss(x, target, margin=1.0, reduction="mean"):
    """Distances of target 1 as they are, of those of -1 what they miss of the margin."""
    return reduced(ops.where(target == 1, x, ops.relu(margin - x)), reduction)
''',
    "soft_margin_loss": '''
def soft_margin_loss(x, target, reduction="mean"):
    """The logistic loss of targets 1 and -1."""
    return reduced(ops.softplus(-target * x), reduction)
''',
    "poisson_nll_loss": '''
def poisson_nll_loss(x, target, log_input=True, eps=1e-8, reduction="mean"):
    """The negative log-likelihood of counts, of which x is the logarithm of the mean."""
    return reduced(ops.exp(x) - target * x if log_input else x - target * ops.log(x + eps), reduction)
''',
    "gaussian_nll_loss": '''
def gaussian_nll_loss(x, target, var, full=False, eps=1e-6, reduction="mean"):
    """The negative log-likelihood of values around x; the variance is held above `eps` without a gradient."""
    var = var + ops.stop_gradient(ops.maximum(var, eps) - var)
    losses = 0.5 * (ops.log(var) + ops.square(x - target) / var)
    return reduced(losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)
''',
    "ctc_losses": CTC.replace("def ctc_loss(", "def ctc_losses("),
    "ctc_loss": '''
def ctc_loss(logs, target, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False):
    """Connectionist temporal classification of (time, batch, classes); targets padded, or one after the other."""
    times, lengths = (ops.convert_to_tensor(one, dtype="int64") for one in (input_lengths, target_lengths))
    if len(target.shape) == 1:
        ends = ops.expand_dims(ops.cumsum(lengths), 1)
        places = ends - ops.expand_dims(lengths, 1) + ops.arange(int(ops.max(lengths)), dtype="int64")
        target = ops.take(target, ops.minimum(places, ends - 1), axis=0)
    losses = ctc_losses(ops.transpose(logs, (1, 0, 2)), target, times, lengths, blank)
    if zero_infinity:
        losses = ops.where(ops.isinf(losses), 0, losses)
    if reduction == "mean":
        return ops.mean(losses / ops.cast(ops.maximum(lengths, 1), losses.dtype))
    return reduced(losses, reduction)
''',
    "Loss": '''
class Loss:
    """A loss function with its options held, called as (outputs, target)."""

    def __init__(self, function, **options):
        self.function, self.options = function, options

    def __call__(self, *values):
        return self.function(*values, **self.options)
''',
}
