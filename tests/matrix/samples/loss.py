"""Losses with every reduction, weight and option."""

import numpy as np

from netglot.pivot.op import rand
from samples import call

LOG = np.log(np.exp(rand(5, 4)) / np.exp(rand(5, 4)).sum(1, keepdims=True))
LABELS = np.array([0, 3, 1, 3, 2])
SHARE, TRUTH = rand(3, 4, low=0.1, high=0.9), rand(3, 4, low=0.0, high=1.0, seed=1)

SAMPLES = (
    [
        call(f"aten.{name}.default", LOG, LABELS, weight, reduction, ignore)
        for name in ("nll_loss", "nll_loss_nd", "cross_entropy_loss")
        for weight in (None, rand(4, low=0.1))
        for reduction in (0, 1, 2)
        for ignore in (-100, 3)
    ]
    + [call("aten.cross_entropy_loss.default", LOG, LABELS, None, 1, -100, 0.1)]
    + [call("aten.nll_loss2d.default", rand(2, 4, 3, 3), rand(2, 3, 3, dtype="int64", low=0, high=3), None)]
    + [
        call("aten.binary_cross_entropy.default", SHARE, TRUTH, weight, reduction)
        for weight in (None, rand(3, 4, low=0.1))
        for reduction in (0, 1, 2)
    ]
    + [call("aten.poisson_nll_loss.default", SHARE, TRUTH, log, False, 1e-8, 1) for log in (True, False)]
    + [call(f"aten.{name}.default", SHARE, TRUTH, r) for name in ("mse_loss", "l1_loss") for r in (0, 1, 2)]
    + [call("aten.smooth_l1_loss.default", SHARE, TRUTH, 1, 0.3), call("aten.huber_loss.default", SHARE, TRUTH, 1, 0.3)]
    + [call("aten.kl_div.default", LOG, np.exp(LOG), 1, log_target=log) for log in (False, True)]
)
