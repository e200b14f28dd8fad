"""Losses that are no plain composition of other ops. The others are read as what they compute."""

from __future__ import annotations

import numpy as np

from netglot.pivot.op import Op, Tensor, TensorType, dtype_of, rand, shape_of


class CtcLoss(Op):
    """Minus the log-probability of each label sequence under all its alignments (Graves et al., 2006).

    `log_probs` is (batch, time, classes) and normalised; `labels` (batch, length) are padded at the end; the
    lengths say how much of each counts. `blank` is the class that stands for no label.
    """

    log_probs: Tensor
    labels: Tensor
    time_lengths: Tensor
    label_lengths: Tensor
    blank: int

    def infer(self):
        return TensorType(dtype_of(self.log_probs), (shape_of(self.log_probs)[0],))

    def reference(self):
        batch = zip(self.log_probs, self.labels, self.time_lengths, self.label_lengths, strict=True)
        return np.array([_alignments(p[:t], list(y[:n]), self.blank) for p, y, t, n in batch])

    cases = [
        dict(
            log_probs=np.log(_probabilities),
            labels=np.array([[1, 2, 2], [3, 1, 0]]),
            time_lengths=np.array([6, 5]),
            label_lengths=np.array([3, 2]),
            blank=0,
        )
        for _probabilities in [np.exp(rand(2, 6, 4)) / np.exp(rand(2, 6, 4)).sum(-1, keepdims=True)]
    ]


def _alignments(log_probs, labels, blank):
    """The forward recursion of the paper, over the labels with blanks between them."""
    states = [blank]
    for label in labels:
        states += [label, blank]
    alpha = np.full(len(states), -np.inf)
    alpha[:2] = log_probs[0, states[:2]]
    for frame in log_probs[1:]:
        previous = alpha
        alpha = previous.copy()
        for i in range(1, len(states)):
            alpha[i] = np.logaddexp(alpha[i], previous[i - 1])
            if i > 1 and states[i] != blank and states[i] != states[i - 2]:
                alpha[i] = np.logaddexp(alpha[i], previous[i - 2])
        alpha = alpha + frame[states]
    return -np.logaddexp.reduce(alpha[-2:])
