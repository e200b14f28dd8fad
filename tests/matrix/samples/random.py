"""What is random in training and nothing in inference."""

from netglot.pivot.op import rand
from samples import call

X = rand(2, 3, 4)

SAMPLES = [
    call(f"aten.{name}.default", X, 0.4, False)
    for name in ("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")
]
