"""Keras's metrics: they gather over batches, and tell."""

import torch


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


class Mean(Metric):
    """The mean of all numbers that it has seen, or of what a function makes of targets and outputs."""

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
        values = torch.as_tensor(self.values(*given)).detach().double()
        if values.ndim == 0 and self.function:  # a function that gives one number for a whole batch
            values = values.expand(len(given[-1]))
        weights = (
            torch.ones_like(values) if sample_weight is None else torch.as_tensor(sample_weight).expand(values.shape)
        )
        self.total, self.count = self.total + float((values * weights).sum()), self.count + float(weights.sum())

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

    def values(self, y_true, y_pred):
        return (torch.as_tensor(y_true).reshape(y_pred.shape) - y_pred) ** 2

    def result(self):
        return super().result() ** 0.5


class Counted(Metric):
    """Right and wrong positives and negatives at thresholds."""

    def __init__(self, thresholds=0.5, name=None):
        self.thresholds = torch.as_tensor([thresholds] if isinstance(thresholds, (int, float)) else thresholds)
        super().__init__(name)
        self.reset_state()

    def reset_state(self):
        self.tp, self.fp, self.fn, self.tn = (torch.zeros(len(self.thresholds)) for _ in range(4))

    def update_state(self, y_true, y_pred, sample_weight=None):
        truth = torch.as_tensor(y_true).reshape(-1).bool()
        told = y_pred.detach().reshape(-1) > self.thresholds[:, None]
        self.tp = self.tp + (told & truth).sum(1)
        self.fp = self.fp + (told & ~truth).sum(1)
        self.fn = self.fn + (~told & truth).sum(1)
        self.tn = self.tn + (~told & ~truth).sum(1)

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
        super().update_state(y_true, torch.sigmoid(y_pred) if self.from_logits else y_pred)

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
        places = torch.as_tensor(y_true).reshape(-1).long() * self.num_classes + y_pred.detach().reshape(-1).long()
        self.counts = self.counts + places.bincount(minlength=self.num_classes**2).reshape(self.counts.shape)

    def result(self):
        both, either = self.counts.diag(), self.counts.sum(0) + self.counts.sum(1) - self.counts.diag()
        return (both[either > 0] / either[either > 0]).mean()
