"""A layer as its reader sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from netglot.dialects.keras.capture import Traced, TracedVariable, is_variable
from netglot.errors import Refusal, never
from netglot.pivot.graph import Value

if TYPE_CHECKING:
    from netglot.dialects.keras.trace import Tracer


class LayerView:
    """A layer as its reader sees it: the layer's own attributes, with values of the graph for its variables."""

    def __init__(self, tracer: Tracer, live: Any):
        self._tracer = tracer
        self.live = live

    def __getattr__(self, name: str) -> Any:
        held = getattr(self.live, name)
        if isinstance(held, TracedVariable):
            return self._tracer.value(self._cast(held))
        if isinstance(held, Traced):  # a property that is computed from variables
            return self._tracer.value(held)
        return self._tracer.value(held) if is_variable(held) else held

    def _cast(self, held: TracedVariable) -> Any:
        layer = self.live
        floats = "float" in held.dtype and getattr(held.variable, "autocast", True)
        if floats and layer.compute_dtype != layer.variable_dtype and "float" in layer.compute_dtype:
            return keras.ops.cast(held, layer.compute_dtype)
        return held

    @property
    def tracer(self) -> Tracer:
        """What reads the model."""
        return self._tracer

    @property
    def path(self) -> str:
        """The path of the layer."""
        return self._tracer.tree.paths[id(self.live)]

    def view(self, layer: Any) -> LayerView:
        """A layer within this one."""
        return LayerView(self._tracer, layer)

    def emit(self, tree: Any) -> Any:
        """Adds ops to the graph now."""
        return self._tracer.build(tree)

    def array(self, array: Any) -> Value:
        """A constant of the graph."""
        return self._tracer.constant_value(np.asarray(array, dtype=self.live.compute_dtype))

    def apply(self, function: Any, *trees: Any, **options: Any) -> Any:
        """Calls a layer or a function of Keras on values, and reads what it does."""
        traced = [self._tracer._wrap(self._tracer.build(tree)) for tree in trees]
        result = function(*traced, **self._tracer._wrap(options))
        return self._tracer.value(result)

    def activated(self, function: Any, tree: Any) -> Any:
        """`tree` with an activation behind it."""
        if function is None or function is keras.activations.linear:
            return tree
        return self.apply(function, tree)

    def note(self, text: str) -> None:
        """Leaves a sentence for the report."""
        self._tracer.note(text)

    def refuse_training(self, training: Any) -> None:
        """Refuses a layer that draws random numbers in inference because it is called with `training=True`."""
        if training is True:
            raise Refusal(never("it is called with training=True, so that it draws random numbers in inference"))


class traced_variables_as:
    """Puts other tensors in the place of a layer's traced variables for a while."""

    def __init__(self, layer: Any, convert: Any):
        self.layer = layer
        self.convert = convert
        self.before: dict[str, Any] = {}

    def __enter__(self) -> None:
        held = self.layer.__dict__
        for name, one in list(held.items()):
            if isinstance(one, TracedVariable):
                self.before[name] = one
                held[name] = self.convert(one)

    def __exit__(self, *_) -> None:
        self.layer.__dict__.update(self.before)
