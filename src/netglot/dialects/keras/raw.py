"""Layers whose call uses TensorFlow itself: traced by `tf.function`, and read op by op.

A layer that is called within is one node of the trace, and read as it would be outside of it: so it keeps what it does
in training. The name scopes that Keras opens for each layer say which layer any other op belongs to.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from keras.src.ops.operation import Operation

from netglot.dialects.keras.capture import Traced
from netglot.dialects.keras.sizes import Size
from netglot.dialects.tensorflow.graphdef import Resource
from netglot.dialects.tensorflow.joining import joined
from netglot.dialects.tensorflow.read import built, read_function
from netglot.errors import Refusal, RefusedOp, UserCodeError, notimpl
from netglot.pivot.graph import Frame, Value


def read_call(tracer: Any, layer: Any, args: tuple, kwargs: dict, error: Exception, untraced: Callable) -> Any:
    """Reads one call of a layer through TensorFlow's own trace of it; `untraced` gives layers their own variables.

    Raises:
        UserCodeError: the call fails there too.
    """
    flat = keras.tree.flatten((args, kwargs))
    tensors = [one for one in flat if isinstance(one, Traced)]
    within = _Within()

    def call(*given):
        held = iter(given)
        filled = [next(held) if isinstance(one, Traced) else one for one in flat]
        inner_args, inner_kwargs = keras.tree.pack_sequence_as((args, kwargs), filled)
        return layer.call(*inner_args, **inner_kwargs)

    specs = [tf.TensorSpec([None if isinstance(s, Size) else s for s in t.shape], t.dtype) for t in tensors]
    try:
        with untraced(), within.noting():
            function = tf.function(call).get_concrete_function(*specs)
    except Exception as second:
        raise UserCodeError(
            f"the call of {layer.name} runs neither on Keras's symbolic tensors ({_first(error)}) "
            f"nor in tf.function ({_first(second)})"
        ) from second
    start = len(tracer.nodes)
    handles = {id(_handle(v)): p for p in tracer.tree.parameters.values() for v in [tracer.tree.variables[p.name]]}
    results = read_function(
        function,
        [tracer.value(tensor) for tensor in tensors],
        resource=lambda captured: _resource(captured, handles),
        build=lambda tree, scope: _build(tracer, layer, tree, scope),
        constant=tracer.constant_value,
        refuse=lambda one: _refuse(tracer, one),
        call=lambda token, inputs: within.read(tracer, token, inputs),
    )
    traced = [tracer.traced(value) for value in results]
    tracer.nodes[start:] = joined(tracer.nodes[start:], results)
    return tf.nest.pack_sequence_as(function.structured_outputs, traced)


class _Within:
    """The layers that are called within a traced one."""

    def __init__(self):
        self.calls: list[tuple[Any, Any, list[Any]]] = []
        """Each layer, the nest of its arguments, and the flat list of these with `_GIVEN` for tensors."""
        self.inside = False

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """Makes each call of a layer on TensorFlow's tensors one node."""
        plain = Operation.__call__

        @tf.autograph.experimental.do_not_convert
        def called(one, *args, **kwargs):
            flat = keras.tree.flatten((args, kwargs))
            tensors = [held for held in flat if tf.is_symbolic_tensor(held)]
            if self.inside or not isinstance(one, keras.layers.Layer) or not tensors:
                return plain(one, *args, **kwargs)
            return self._noted(plain, one, (args, kwargs), flat, tensors)

        with mock.patch.object(Operation, "__call__", called):
            yield

    def _noted(self, plain: Any, layer: Any, nest: Any, flat: list[Any], tensors: list[Any]) -> Any:
        """The node of one call: a function of Python that never runs."""

        def run(*given):
            held = iter(given)
            filled = [next(held) if tf.is_symbolic_tensor(one) else one for one in flat]
            args, kwargs = keras.tree.pack_sequence_as(nest, filled)
            return plain(layer, *args, **kwargs)

        self.inside = True
        try:
            specs = [tf.TensorSpec(one.shape, one.dtype) for one in tensors]
            made = tf.function(run, autograph=False).get_concrete_function(*specs).structured_outputs
        finally:
            self.inside = False
        outputs = tf.nest.flatten(made)
        if not outputs or not all(hasattr(one, "shape") and hasattr(one, "dtype") for one in outputs):
            return run(*tensors)
        token = f"{_TOKEN}{len(self.calls)}"
        self.calls.append((layer, nest, [_GIVEN if tf.is_symbolic_tensor(one) else one for one in flat]))
        results = tf.raw_ops.PyFunc(input=tensors, token=token, Tout=[one.dtype for one in outputs])
        for result, one in zip(results, outputs, strict=True):
            result.set_shape(one.shape)
        return tf.nest.pack_sequence_as(made, results)

    def read(self, tracer: Any, token: str, inputs: list[Any]) -> list[Any]:
        """Reads the call behind a node."""
        layer, nest, flat = self.calls[int(token.removeprefix(_TOKEN))]
        tensors = (tracer.traced(one) if isinstance(one, Value) else tracer.constant(one) for one in inputs)
        args, kwargs = keras.tree.pack_sequence_as(nest, [next(tensors) if one is _GIVEN else one for one in flat])
        return [tracer.value(one) for one in keras.tree.flatten(tracer.layer(layer, args, kwargs))]


_TOKEN = "netglot:"
_GIVEN = object()


def _first(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]


def _handle(variable: Any) -> Any:
    return getattr(getattr(variable, "_value", None), "handle", None)


def _resource(captured: Any, handles: dict[int, Any]) -> Any:
    if id(captured) in handles:
        return Resource(handles[id(captured)])
    if captured.dtype.name == "resource":
        raise Refusal(notimpl("a variable that no layer of the model holds", "make it with self.add_weight"))
    return np.asarray(captured)


def _build(tracer: Any, layer: Any, tree: Any, scope: str) -> Any:
    builder = tracer._builder()
    builder.scope = (*builder.scope, *_frames(tracer, layer, scope))
    return built(tree, builder, {})


def _frames(tracer: Any, layer: Any, scope: str) -> tuple[Frame, ...]:
    """The layers within the traced one that a name scope stands for; other parts of it are TensorFlow's own."""
    path = tracer.tree.paths[id(layer)]
    frames: list[Frame] = []
    for part in scope.split(".") if scope else []:
        if part == layer.name:
            continue
        child = _child(tracer, path, part) or _child(tracer, path, re.sub(r"_\d+$", "", part))
        if child is not None:
            path = child
            frames.append(Frame(path))
    return tuple(frames)


def _child(tracer: Any, path: str, name: str) -> str | None:
    """The path of the layer of that name below another; TensorFlow numbers the scopes of later calls."""
    return next((p for one in tracer.tree.layers if (p := _below(tracer, one, path)) and one.name == name), None)


def _below(tracer: Any, layer: Any, path: str) -> str | None:
    own = tracer.tree.paths[id(layer)]
    return own if not path or own.startswith(path + ".") else None


def _refuse(tracer: Any, one: RefusedOp) -> None:
    where = ".".join(filter(None, (tracer._path(), one.where)))
    tracer.refused.append(RefusedOp(where, one.what, one.reason, one.site))
