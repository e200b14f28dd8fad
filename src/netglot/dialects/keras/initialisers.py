"""How the source initialises its parameters, said in Keras where Keras's own default is another distribution.

A Keras initialiser without a seed draws the same numbers each time it is asked for the same shape, so each layer
gets one of its own: the emitted file has small functions that make them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

from netglot.pivot.graph import Parameter
from netglot.source import spell

HELPERS = {
    "scaled_uniform": '''
def scaled_uniform():
    """PyTorch's default for weights: uniform, within 1 / sqrt(fan_in)."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
''',
    "uniform": '''
def uniform(fan_in):
    """PyTorch's default for biases and recurrent layers: uniform, within 1 / sqrt(fan_in)."""
    return keras.initializers.RandomUniform(-(fan_in**-0.5), fan_in**-0.5)
''',
    "normal": '''
def normal(stddev):
    """Normal around zero."""
    return keras.initializers.RandomNormal(stddev=stddev)
''',
    "truncated": '''
def truncated(stddev):
    """Normal around zero, cut at two deviations."""
    return keras.initializers.TruncatedNormal(stddev=stddev)
''',
    "he_normal": '''
def he_normal(mode="fan_out"):
    """Normal, with variance 2 / fan."""
    return keras.initializers.VarianceScaling(2.0, mode, "untruncated_normal")
''',
    "he_uniform": '''
def he_uniform(mode="fan_out"):
    """Uniform, with variance 2 / fan."""
    return keras.initializers.VarianceScaling(2.0, mode, "uniform")
''',
    "glorot_normal": '''
def glorot_normal():
    """Normal, with variance 2 / (fan_in + fan_out)."""
    return keras.initializers.VarianceScaling(1.0, "fan_avg", "untruncated_normal")
''',
}
"""Functions that make an initialiser, by name."""

_OPTIONS = {
    "kernel": "kernel_initializer",
    "bias": "bias_initializer",
    "embeddings": "embeddings_initializer",
    "recurrent_kernel": "recurrent_initializer",
    "gamma": "gamma_initializer",
    "beta": "beta_initializer",
}
_CONSTANT_DEFAULTS = {"bias": 0.0, "beta": 0.0, "gamma": 1.0, "moving_mean": 0.0, "moving_variance": 1.0}


def usual_mode(parameters: Iterable[Parameter]) -> str:
    """The fan by which most normal kernels of a network are scaled; where both fans are equal, this one is meant."""
    votes = {"fan_out": 0, "fan_in": 0}
    for parameter in parameters:
        how, shape = parameter.initialiser, [int(s) for s in parameter.shape]
        if how is None or how.kind != "normal" or len(shape) < 2 or shape[0] == shape[1]:
            continue
        window = math.prod(shape[2:])
        for mode, fan in (("fan_out", shape[0] * window), ("fan_in", shape[1] * window)):
            votes[mode] += _near(how.b**2 * fan, 2)
    return max(votes, key=lambda mode: votes[mode])


def initialised(layer: spell.Layer, parameters_of, mode: str) -> tuple[spell.Layer, list[str], list[str]]:
    """The layer with its initialisers, the helpers that they need, and the parameters whose initialiser is unknown.

    `parameters_of` gives the parameters behind a weight, and `mode` is the network's usual fan.
    """
    chosen: dict[str, Any] = {}
    unknown: list[str] = []
    for key, tree in layer.weights.items():
        name = key.rpartition(".")[2]
        option = _OPTIONS.get(name)
        trained = [p for p in parameters_of(tree) if p.trainable]
        if option is None or not trained or layer.layer.startswith("Masked"):
            continue
        if "Depthwise" in layer.layer and name == "kernel":
            option = "depthwise_initializer"
        if trained[0].initialiser is None:
            unknown.append(trained[0].name)
            continue
        said = _said(trained[0], name, mode, "Depthwise" in layer.layer)
        chosen[option] = said if option not in chosen or _same(chosen[option], said) else None
    given = {k: v for k, v in chosen.items() if v is not None and k not in layer.options}
    helpers = [v.function for v in given.values() if isinstance(v, spell.Call) and v.function in HELPERS]
    if layer.layer == "layers.Bidirectional":  # both directions are made like the one that it is given
        inner = layer.arguments[0]
        assert isinstance(inner, spell.Call)
        inner = dataclasses.replace(inner, options={**inner.options, **given})
        return dataclasses.replace(layer, arguments=(inner,)), helpers, unknown
    return dataclasses.replace(layer, options={**layer.options, **given}), helpers, unknown


def bare(parameters: list[Parameter]) -> Any:
    """The initialiser of a variable outside of any layer; zeros where it is not known."""
    how = parameters[0].initialiser if parameters else None
    if how is None or (how.kind == "constant" and how.a == 0):
        return "zeros"
    if how.kind == "orthogonal":
        return _orthogonal(how, "")
    if how.kind == "constant":
        return "ones" if how.a == 1 else spell.call("keras.initializers.Constant", how.a)
    if how.kind == "uniform":
        fan_in = round(how.b**-2) if how.b > 0 and how.a == -how.b else 0
        if fan_in and abs(how.b**-2 - fan_in) < 1e-6 * fan_in:
            return spell.call("uniform", fan_in)
        return spell.call("keras.initializers.RandomUniform", how.a, how.b)
    return _normal(how, 0, 0, "", "")


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, spell.Call) and isinstance(b, spell.Call):
        return (a.function, a.arguments, a.options) == (b.function, b.arguments, b.options)
    return a == b


def _said(parameter: Parameter, name: str, mode: str, depthwise: bool = False) -> Any:
    """The initialiser as an argument; None where it is Keras's default."""
    how = parameter.initialiser
    if how.kind == "constant":
        if how.a == _CONSTANT_DEFAULTS.get(name):
            return None
        words = {0.0: "zeros", 1.0: "ones"}
        return words.get(how.a) or spell.call("keras.initializers.Constant", how.a)
    if how.kind == "orthogonal":
        return _orthogonal(how, name)
    shape = [int(s) for s in parameter.shape]
    fan_in = math.prod(shape[1:]) if len(shape) > 1 else 0
    fan_out = shape[0] * math.prod(shape[2:]) if len(shape) > 1 else 0
    if depthwise and len(shape) > 1:  # Keras counts the other way round where each channel has a kernel of its own
        fan_in, fan_out = fan_out, fan_in
    if how.kind == "uniform" and how.a == -how.b:
        return _uniform(how.b, fan_in, fan_out, name)
    if how.kind == "uniform":
        return spell.call("keras.initializers.RandomUniform", how.a, how.b)
    return _normal(how, fan_in, fan_out, name, mode)


def _orthogonal(how, name: str) -> Any:
    if how.a != 1:
        return spell.call("keras.initializers.Orthogonal", how.a)
    return None if name == "recurrent_kernel" else "orthogonal"


def _near(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-3)


def _uniform(bound: float, fan_in: int, fan_out: int, name: str) -> Any:
    fans = fan_in and name == "kernel"
    if fans and _near(bound**2 * (fan_in + fan_out) / 6, 1):
        return None  # glorot_uniform, Keras's default
    if fans and _near(bound**2 * fan_in, 1):
        return spell.call("scaled_uniform")
    if fans and _near(bound**2 * fan_in / 6, 1):
        return "he_uniform"
    if fans and _near(bound**2 * fan_out / 6, 1):
        return spell.call("he_uniform")
    fan = bound**-2
    if _near(fan, round(fan)):
        return spell.call("uniform", round(fan))
    return spell.call("keras.initializers.RandomUniform", -bound, bound)


def _normal(how, fan_in: int, fan_out: int, name: str, mode: str) -> Any:
    if how.kind == "normal" and how.a == 0 and fan_in and name == "kernel":
        inner, outer = (_near(how.b**2 * fan, 2) for fan in (fan_in, fan_out))
        if inner and not (outer and mode == "fan_out"):
            return spell.Call("he_normal", (), {"mode": "fan_in"})
        if outer:
            return spell.call("he_normal")
        if _near(how.b**2 * (fan_in + fan_out), 2):
            return spell.call("glorot_normal")
    if how.a == 0:
        return spell.call("normal" if how.kind == "normal" else "truncated", _short(how.b))
    kind = "RandomNormal" if how.kind == "normal" else "TruncatedNormal"
    return spell.Call(f"keras.initializers.{kind}", (), {"mean": how.a, "stddev": _short(how.b)})


def _short(number: float) -> float:
    """A deviation without the digits that its computation left behind."""
    return float(f"{number:.6g}")
