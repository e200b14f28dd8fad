"""Activations with their options moved from the defaults."""

from netglot.pivot.op import rand
from samples import call

X = 4 * rand(2, 3, 4)

SAMPLES = [
    call("aten.threshold.default", X, 0.5, -2.0),
    call("aten.prelu.default", X, rand(3)),
    call("aten.prelu.default", X, rand(1)),
    call("aten.softmax.int", X, 1),
    call("aten.softmax.int", X.astype("float32"), -1, "float64"),
    call("aten.log_softmax.int", X, 0),
    call("aten._softmax.default", X, -1, False),
    call("aten._log_softmax.default", X, 1, False),
    call("aten.leaky_relu.default", X, 0.2),
    call("aten.elu.default", X, 0.7, 1.2, 0.5),
    call("aten.celu.default", X, 0.7),
    call("aten.gelu.default", X, approximate="tanh"),
    call("aten.gelu.default", X),
    call("aten.softplus.default", X, 2.0, 3.0),
    call("aten.hardtanh.default", X, -0.5, 2.0),
    call("aten.hardshrink.default", X, 1.5),
    call("aten.softshrink.default", X, 1.5),
    call("aten.glu.default", X, -1),
    call("aten.rrelu.default", X, 0.1, 0.4),
]
