"""Norms with and without weights, on more than one rank."""

from netglot.pivot.op import rand
from samples import call

IMAGE, LINE = rand(2, 6, 4, 5) + 2, rand(3, 6, 5)
SCALE, OFFSET, MEAN, VARIANCE = rand(6, seed=1), rand(6, seed=2), rand(6, seed=3), rand(6, seed=4, low=0.1)
STATE = (SCALE, OFFSET, MEAN, VARIANCE)

SAMPLES = [
    call("aten.batch_norm.default", IMAGE, *STATE, False, 0.1, 1e-3, True),
    call("aten.batch_norm.default", rand(4, 6), None, None, MEAN, VARIANCE, False, 0.1, 1e-3, True),
    call("aten.batch_norm.default", IMAGE, SCALE, OFFSET, None, None, True, 0.1, 1e-3, True),
    call("aten.native_batch_norm.default", LINE, *STATE, False, 0.1, 1e-3),
    call("aten.native_batch_norm.default", LINE, SCALE, OFFSET, None, None, True, 0.1, 1e-3),
    call("aten._native_batch_norm_legit_no_training.default", LINE, *STATE, 0.1, 1e-3),
    call("aten._native_batch_norm_legit.no_stats", LINE, SCALE, OFFSET, True, 0.1, 1e-3),
    call("aten.instance_norm.default", IMAGE, SCALE, OFFSET, None, None, True, 0.1, 1e-3, True),
    call("aten.instance_norm.default", IMAGE, *STATE, False, 0.1, 1e-3, True),
    call("aten.group_norm.default", IMAGE, 3, SCALE, OFFSET, 1e-3),
    call("aten.group_norm.default", LINE, 2),
    call("aten.native_group_norm.default", IMAGE, SCALE, OFFSET, 2, 6, 20, 3, 1e-3),
    call("aten.layer_norm.default", IMAGE, [4, 5], rand(4, 5), rand(4, 5, seed=1), 1e-3),
    call("aten.layer_norm.default", LINE, [5]),
    call("aten.native_layer_norm.default", LINE, [5], rand(5), None, 1e-3),
    call("aten.rms_norm.default", IMAGE, [4, 5], rand(4, 5), 1e-3),
    call("aten.rms_norm.default", LINE * 1e-8, [5]),
    call("aten._fused_rms_norm.default", LINE, [5], rand(5), 1e-3),
    call("aten._weight_norm.default", rand(4, 3, 2), rand(4, 1, 1)),
    call("aten._weight_norm.default", rand(4, 3, 2), rand(1, 1, 2), 2),
    call("aten._weight_norm_interface.default", rand(4, 3, 2), rand(4, 1, 1)),
]
