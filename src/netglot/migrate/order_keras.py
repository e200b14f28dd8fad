"""The variables of a Keras network in the order in which its layers were made."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from netglot.migrate.observe_keras import Keras, functional

_ORDER: dict[int, int] = {}


def stamp() -> None:
    """Layers are numbered in the order in which they are made: a functional network keeps no names."""
    if hasattr(layers.Layer, "_netglot_stamped"):
        return
    own = layers.Layer.__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        own(self, *args, **kwargs)
        if "_netglot_order" not in self.__dict__:
            object.__setattr__(self, "_netglot_order", len(_ORDER))
            _ORDER[len(_ORDER)] = 1

    layers.Layer.__init__ = init
    layers.Layer._netglot_stamped = True


def ordered(model: Any) -> list:
    """The layers of a functional network that hold weights, in the order in which they were made."""
    found = [one for one in model.layers if one.weights]
    return sorted(found, key=lambda one: getattr(one, "_netglot_order", 0))


def named_entries(model: Any) -> Any:
    """Each weight: its layer's path and class, its name there, the variable."""
    names = Keras()
    seen: set[int] = set()

    def walk(place: Any, path: str) -> Any:
        if isinstance(place, (keras.Variable, tf.Variable)):
            return
        if id(place) in seen:
            return
        seen.add(id(place))
        if isinstance(place, layers.Layer):
            kind = names.name(type(place))
            if kind == "keras.layers.Normalization":
                return  # what it holds it takes from the data, on both sides
            if kind and kind.startswith("keras.") and not isinstance(place, keras.Model) and kind not in _WRAPPERS:
                yield from own(place, path, kind)
                return
            if isinstance(place, keras.Sequential):
                for number, layer in enumerate(one for one in place.layers if one.weights):
                    yield from walk(layer, f"{path}.{number}")
                return
            if functional(place):
                for number, layer in enumerate(ordered(place)):
                    yield from walk(layer, f"{path}.layers.{number}")
                if type(place).__name__ == "Functional":
                    return
            for name, value in list(vars(place).items()):
                if name.startswith("_"):
                    continue
                if isinstance(value, (keras.Variable, tf.Variable)):
                    if id(value) not in seen:
                        seen.add(id(value))
                        yield path.removeprefix("."), "user", name, value
                    continue
                yield from walk(value, f"{path}.{name}")
        elif isinstance(place, (list, tuple)):
            for number, one in enumerate(place):
                yield from walk(one, f"{path}.{number}")
        elif hasattr(place, "items") and hasattr(place, "keys"):
            for key, one in place.items():
                yield from walk(one, f"{path}.{key}")

    def own(layer: Any, path: str, kind: str) -> Any:
        for variable in layer.weights:
            if "seed_generator" in variable.path or id(variable) in seen:
                continue
            seen.add(id(variable))
            name = _inner_name(layer, variable)
            yield path.removeprefix("."), kind, name, variable

    yield from walk(model, "")


_WRAPPERS = {"keras.layers.TimeDistributed", "keras.layers.Layer"}


def _inner_name(layer: Any, variable: Any) -> str:
    """A variable's name in its layer: `kernel`, `forward_layer.kernel`."""
    for name, value in vars(layer).items():
        if value is variable:
            return name.removeprefix("_")
    for name, value in vars(layer).items():
        if isinstance(value, layers.Layer) and any(v is variable for v in value.weights):
            return f"{name}.{_inner_name(value, variable)}"
    return variable.name
