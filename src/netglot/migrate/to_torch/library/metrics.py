"""Keras's metrics: they gather over batches, and tell."""

import torch

from netglot.migrate.to_torch.library.losses import loss_named


class Metric:
    """What gathers over batches."""

    def __init__(self, name=None, **options):
        self.name = name

    def add_weight(self, name=None, shape=(), initializer="zeros", **options):
        """A number that it counts in, or several."""
        made = torch.ones(shape) if initializer == "ones" else torch.zeros(shape)
        self.counted = [*getattr(self, "counted", ()), (made, made.clone())]
        return made

    def reset_state(self):
        """Begins anew."""
        for one, start in getattr(self, "counted", ()):
            one.copy_(start)

    def __call__(self, *given, **options):
        self.update_state(*given, **options)
        return self.result()


def weights_of(output, sample_weight=None):
    """What each step of an output counts, by its mask and by what is given; None where all count alike."""
    weights = None if sample_weight is None else torch.as_tensor(sample_weight).detach().double()
    mask = getattr(output, "mask", None)
    if mask is None:
        return weights
    if weights is None:
        return mask.double()
    if weights.ndim == mask.ndim + 1 and weights.shape[-1] == 1:
        weights = weights[..., 0]
    return mask.double() * weights.reshape(*weights.shape, *[1] * (mask.ndim - weights.ndim))


class Mean(Metric):
    """The mean of all numbers that it has seen, or of what a function makes of targets and outputs."""

    masks = True

    def __init__(self, function=None, name=None, **options):
        super().__init__(name)
        self.function, self.options = function, options
        self.reset_state()

    def reset_state(self):
        self.total, self.count = 0.0, 0.0

    reset_states = reset_state

    def values(self, *given):
        return self.function(*given, **self.options) if self.function else given[0]

    def update_state(self, *given, sample_weight=None):
        """Counts the mean of each sample; the masked steps of an output count nothing."""
        values = torch.as_tensor(self.values(*given)).detach().double()
        weights = weights_of(given[-1] if len(given) > 1 and self.masks else None, sample_weight)
        if weights is None:
            weights = torch.ones(values.shape[:1], dtype=values.dtype)
        else:
            if weights.ndim == values.ndim + 1 and weights.shape[-1] == 1:
                weights = weights[..., 0]
            if values.ndim > weights.ndim:
                values = values.flatten(weights.ndim).mean(-1)
            values, weights = values * weights, weights.expand(values.shape)
        self.total += float(values.mean(tuple(range(1, values.ndim))).sum() if values.ndim > 1 else values.sum())
        self.count += float(weights.mean(tuple(range(1, weights.ndim))).sum() if weights.ndim > 1 else weights.sum())

    def result(self):
        return torch.tensor(self.total / max(self.count, 1e-12))


class Sum(Mean):
    """The sum of all numbers that it has seen."""

    def result(self):
        return torch.tensor(self.total)


class SparseCategoricalAccuracy(Mean):
    """The share of samples whose largest output is the class."""

    def values(self, y_true, y_pred):
        return (y_pred.argmax(-1) == torch.as_tensor(y_true).reshape(y_pred.shape[:-1])).double()


class CategoricalAccuracy(Mean):
    """The share of samples whose largest output is where the largest target is."""

    def values(self, y_true, y_pred):
        return (y_pred.argmax(-1) == torch.as_tensor(y_true).argmax(-1)).double()


class BinaryAccuracy(Mean):
    """The share of outputs on the right side of a threshold."""

    def __init__(self, name=None, threshold=0.5):
        super().__init__(name=name)
        self.threshold = threshold

    def values(self, y_true, y_pred):
        y_true = torch.as_tensor(y_true).reshape(y_pred.shape)
        return ((y_pred > self.threshold).double() == y_true.double()).double().mean(-1)


class Accuracy(Mean):
    """The share of samples that are told right: by the largest output, or by one output above one half."""

    def values(self, y_true, y_pred):
        y_true = torch.as_tensor(y_true)
        if y_pred.shape[-1] == 1:
            return ((y_pred > 0.5).double() == y_true.double().reshape(y_pred.shape)).double().mean(-1)
        classes = y_true.argmax(-1) if y_true.shape == y_pred.shape else y_true.reshape(y_pred.shape[:-1])
        return (y_pred.argmax(-1) == classes).double()


class SparseTopKCategoricalAccuracy(Mean):
    """The share of samples whose class is among the largest outputs."""

    def __init__(self, k=5, name=None):
        super().__init__(name=name)
        self.k = k

    def values(self, y_true, y_pred):
        y_true = torch.as_tensor(y_true).reshape(-1, 1)
        return (y_pred.reshape(len(y_true), -1).topk(min(self.k, y_pred.shape[-1])).indices == y_true).any(-1).double()


class TopKCategoricalAccuracy(SparseTopKCategoricalAccuracy):
    """The share of samples whose largest target is among the largest outputs."""

    def values(self, y_true, y_pred):
        return super().values(torch.as_tensor(y_true).argmax(-1), y_pred)


class RootMeanSquaredError(Mean):
    """The root of the mean of squared errors."""

    masks = False

    def values(self, y_true, y_pred):
        return (torch.as_tensor(y_true).reshape(y_pred.shape) - y_pred) ** 2

    def result(self):
        return super().result() ** 0.5


def spread(weights, like):
    """Weights of samples as one for each number of a tensor; one for all where none are given."""
    weights = torch.ones(()) if weights is None else torch.as_tensor(weights).to(torch.get_default_dtype())
    if weights.ndim == like.ndim + 1 and weights.shape[-1] == 1:
        weights = weights[..., 0]
    return weights.reshape(*weights.shape, *[1] * (like.ndim - weights.ndim)).expand(like.shape).reshape(-1)


class Counted(Metric):
    """Right and wrong positives and negatives at thresholds."""

    def __init__(self, thresholds=0.5, name=None):
        self.thresholds = torch.as_tensor([thresholds] if isinstance(thresholds, (int, float)) else thresholds)
        super().__init__(name)
        self.reset_state()

    def reset_state(self):
        self.tp, self.fp, self.fn, self.tn = (torch.zeros(len(self.thresholds)) for _ in range(4))

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = torch.as_tensor(y_pred).detach()
        truth = torch.as_tensor(y_true).reshape(-1).bool()
        told = y_pred.reshape(-1) > self.thresholds[:, None]
        weights = spread(sample_weight, y_pred)
        self.tp = self.tp + ((told & truth) * weights).sum(1)
        self.fp = self.fp + ((told & ~truth) * weights).sum(1)
        self.fn = self.fn + ((~told & truth) * weights).sum(1)
        self.tn = self.tn + ((~told & ~truth) * weights).sum(1)

    def share(self, part, rest):
        """One count as a share of two."""
        return torch.where(part + rest > 0, part / (part + rest).clamp(min=1e-12), torch.zeros_like(part))

    def result(self):
        found = self.rate()
        return found[0] if len(found) == 1 else found


class Precision(Counted):
    """The share of what is told positive that is."""

    def rate(self):
        return self.share(self.tp, self.fp)


class Recall(Counted):
    """The share of what is positive that is told so."""

    def rate(self):
        return self.share(self.tp, self.fn)


class AUC(Counted):
    """The area under the curve of right over wrong positives, by trapezoids."""

    def __init__(self, num_thresholds=200, name=None, from_logits=False):
        inner = [(i + 1) / (num_thresholds - 1) for i in range(num_thresholds - 2)]
        self.from_logits = from_logits
        super().__init__([-1e-7, *inner, 1 + 1e-7], name)

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(y_true, torch.sigmoid(y_pred) if self.from_logits else y_pred, sample_weight)

    def result(self):
        right, wrong = self.share(self.tp, self.fn), self.share(self.fp, self.tn)
        return ((wrong[:-1] - wrong[1:]) * (right[:-1] + right[1:]) / 2).sum()


class MeanIoU(Metric):
    """What two divisions into classes have in common of what they cover, in the mean over classes."""

    def __init__(self, num_classes, name=None):
        self.num_classes = num_classes
        super().__init__(name or "mean_io_u")
        self.reset_state()

    def reset_state(self):
        self.counts = torch.zeros(self.num_classes, self.num_classes)

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = torch.as_tensor(y_pred).detach()
        places = torch.as_tensor(y_true).reshape(-1).long() * self.num_classes + y_pred.reshape(-1).long()
        weights = spread(sample_weight, y_pred).trunc()  # Keras counts in whole numbers
        counts = places.bincount(weights, self.num_classes**2)
        self.counts = self.counts + counts.reshape(self.counts.shape)

    def result(self):
        both, either = self.counts.diag(), self.counts.sum(0) + self.counts.sum(1) - self.counts.diag()
        return (both[either > 0] / either[either > 0]).mean()


def metrics_named(given):
    """Metrics by Keras's names for them, or as they are given."""
    if isinstance(given, dict):
        return {name: metrics_named(one) for name, one in given.items()}
    if isinstance(given, (list, tuple)):
        return [metrics_named(one) for one in given]
    if not isinstance(given, str):
        return given
    known = {
        "accuracy": Accuracy, "acc": Accuracy, "binary_accuracy": BinaryAccuracy, "auc": AUC, "precision": Precision,
        "recall": Recall, "sparse_categorical_accuracy": SparseCategoricalAccuracy,
        "categorical_accuracy": CategoricalAccuracy, "root_mean_squared_error": RootMeanSquaredError,
    }  # fmt: skip
    short = given.lower()
    return known[short](name=given) if short in known else Mean(loss_named(given), name=given)
