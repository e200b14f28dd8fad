"""How the variables of a Keras network are first filled: training from scratch starts from there.

Built-in layers keep their initialisers. A variable that a layer of the user's own makes with `add_weight` forgets
it, so the making of variables is watched:

    with watching():
        model = Net()
"""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Iterable, Iterator
from typing import Any

import keras

from netglot.pivot.initialiser import Initialiser

_SEEN = "_netglot_initializer"
"""The attribute of a variable that holds the initialiser that was seen."""

_DEVIATION_WHEN_CUT = 0.87962566103423978
"""The deviation of a normal distribution that is cut at two deviations."""


_GIVEN = "_netglot_arguments"
"""The attribute of a model that holds what its constructor was given."""


@contextlib.contextmanager
def watching() -> Iterator[None]:
    """Lets each variable made meanwhile remember its initialiser, and each model what its constructor was given."""
    with _remembering_initialisers(), _remembering_arguments():
        yield


@contextlib.contextmanager
def _remembering_arguments() -> Iterator[None]:
    original = keras.Model.__new__

    def make(cls, *args, **kwargs):
        made = original(cls, *args, **kwargs)
        vars(made)[_GIVEN] = (args, kwargs)  # not by setattr, which tracks what is a layer
        return made

    keras.Model.__new__ = make
    try:
        yield
    finally:
        keras.Model.__new__ = original


@contextlib.contextmanager
def saying_how_they_are_made(models: Iterable[Any]) -> Iterator[None]:
    """Gives the classes of models that have no `get_config` one, which says what their constructors were given."""
    kinds = {type(one) for one in models if _GIVEN in vars(one)}
    silent = [kind for kind in kinds if _says_nothing(kind)]
    for kind in silent:
        kind.get_config = _given
    try:
        yield
    finally:
        for kind in silent:
            del kind.get_config


def _says_nothing(kind: type) -> bool:
    """Whether neither a class of the user's nor its parents have a `get_config` that knows their arguments."""
    home = next(parent for parent in kind.__mro__ if "get_config" in vars(parent))
    return home in (keras.Model, keras.Layer)


def _given(model: Any) -> dict[str, Any]:
    """The configuration of a model: its name, and its constructor's arguments by name."""
    args, kwargs = vars(model)[_GIVEN]
    bound = inspect.signature(type(model).__init__).bind(model, *args, **kwargs)
    found = {"name": model.name, "trainable": model.trainable}
    for parameter in list(bound.signature.parameters.values())[1:]:
        if parameter.name in bound.arguments:
            held = bound.arguments[parameter.name]
            found |= held if parameter.kind is parameter.VAR_KEYWORD else {parameter.name: held}
    return found


@contextlib.contextmanager
def _remembering_initialisers() -> Iterator[None]:
    kind = keras.Variable
    original = kind._initialize_with_initializer

    def fill(self, initializer):
        setattr(self, _SEEN, initializer)
        original(self, initializer)

    kind._initialize_with_initializer = fill
    try:
        yield
    finally:
        kind._initialize_with_initializer = original


def initialiser_of(layer: Any, variable: Any, name: str) -> Initialiser | None:
    """The distribution with which a variable was first filled; None where nobody says so."""
    held = _of_layer(layer, name) or getattr(variable, _SEEN, None)
    if not isinstance(held, keras.initializers.Initializer):
        return None
    shape, config = tuple(int(size) for size in variable.shape), held.get_config()
    match type(held).__name__:
        case "Zeros":
            return Initialiser("constant", 0.0)
        case "Ones":
            return Initialiser("constant", 1.0)
        case "Constant" if isinstance(config["value"], int | float):
            return Initialiser("constant", float(config["value"]))
        case "RandomUniform":
            return Initialiser("uniform", float(config["minval"]), float(config["maxval"]))
        case "RandomNormal":
            return Initialiser("normal", float(config["mean"]), float(config["stddev"]))
        case "TruncatedNormal":
            return Initialiser("truncated", float(config["mean"]), float(config["stddev"]))
        case "Orthogonal" if len(shape) == 2:
            return Initialiser("orthogonal", float(config["gain"]))
    return _scaled(held, shape) if isinstance(held, keras.initializers.VarianceScaling) else None


def _of_layer(layer: Any, name: str) -> Any:
    """The initialiser that a built-in layer keeps for its variable of that name."""
    short = name.removesuffix("_kernel")  # `depthwise_kernel` has a `depthwise_initializer`
    options = [f"{name}_initializer", f"{short}_initializer", *(["depthwise_initializer"] if name == "kernel" else [])]
    return next((held for one in options if (held := getattr(layer, one, None)) is not None), None)


def _scaled(initialiser: Any, shape: tuple[int, ...]) -> Initialiser:
    """A distribution whose spread depends on how many numbers go in and out (Glorot and Bengio, 2010)."""
    field = math.prod(shape[:-2])
    fans = (shape[-2] * field, shape[-1] * field) if len(shape) > 1 else (shape[0] if shape else 1,) * 2
    fan = {"fan_in": fans[0], "fan_out": fans[1], "fan_avg": sum(fans) / 2}[initialiser.mode]
    variance = initialiser.scale / max(1.0, fan)
    if initialiser.distribution == "uniform":
        return Initialiser("uniform", -math.sqrt(3 * variance), math.sqrt(3 * variance))
    if initialiser.distribution == "truncated_normal":
        return Initialiser("truncated", 0.0, math.sqrt(variance) / _DEVIATION_WHEN_CUT)
    return Initialiser("normal", 0.0, math.sqrt(variance))
