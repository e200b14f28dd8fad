"""ATen's dropouts. The network is read in inference; what is random there cannot be compared."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.ops.activation import RANDOM_IN_INFERENCE
from netglot.errors import Refusal
from netglot.pivot import ops
from netglot.pivot.op import shape_of


def _dropped(kind, x, rate, train, axes):
    if train and rate != 0:
        raise Refusal(RANDOM_IN_INFERENCE)
    if rate == 0 or not shape_of(x):
        return ops.Identity(x)
    return kind(x, rate=float(rate), noise_axes=axes)


def _all_axes(x) -> tuple[int, ...]:
    return tuple(range(len(shape_of(x))))


@torch.reads("aten.dropout.default")
def dropout(input, p, train):
    return _dropped(ops.Dropout, input, p, train, _all_axes(input))


@torch.reads("aten.native_dropout.default")
def native_dropout(input, p, train):
    kept = ops.Full(shape_of(input), value=True, dtype="bool")
    return _dropped(ops.Dropout, input, p, bool(train), _all_axes(input)), kept


@torch.reads("aten.feature_dropout.default")
def feature_dropout(input, p, train):
    return _dropped(ops.Dropout, input, p, train, (0, 1))


@torch.reads("aten.alpha_dropout.default")
def alpha_dropout(input, p, train):
    return _dropped(ops.AlphaDropout, input, p, train, _all_axes(input))


@torch.reads("aten.feature_alpha_dropout.default")
def feature_alpha_dropout(input, p, train):
    return _dropped(ops.AlphaDropout, input, p, train, (0, 1))


_DRAWS = {
    "bernoulli": ("default", "p", "Tensor"),
    "rand": ("default", "generator"),
    "rand_like": ("default", "generator"),
    "randn": ("default", "generator"),
    "randn_like": ("default", "generator"),
    "randint": ("default", "generator", "low", "low_generator"),
    "randint_like": ("default", "low_dtype", "Tensor"),
    "randperm": ("default", "generator"),
    "normal": ("Tensor_float", "float_Tensor", "Tensor_Tensor", "float_float", "default"),
    "random": ("default", "from", "to"),
    **dict.fromkeys(("multinomial", "poisson", "binomial", "uniform", "exponential", "geometric"), ("default",)),
    **dict.fromkeys(("cauchy", "log_normal", "rrelu_with_noise"), ("default",)),
}
"""What draws random numbers in inference too, by its overloads."""

for _name, _overloads in _DRAWS.items():
    for _overload in _overloads:
        torch.refuses_reading(f"aten.{_name}.{_overload}", RANDOM_IN_INFERENCE)


@torch.reads("netglot.noise.default")
def noise(x, rate, axes):
    return ops.Dropout(x, rate, noise_axes=tuple(axes))
