"""Following a live Keras model: every layer call and every `keras.ops` call on symbolic tensors is seen as it happens.

The model is called on `Traced` tensors, which are Keras's own symbolic tensors with a value of the pivot behind them.
Inside `following`, Keras hands each call to a tracer instead of recording it, the variables of the layers are traced
tensors too (so that what a model computes from its weights is seen), tensors that are created with a symbolic size
keep it, and drawing random numbers is refused. All of it is undone on exit.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol
from unittest import mock

import keras
from keras.src import backend
from keras.src.ops.operation import Operation

from netglot.dialects.keras.sizes import Size
from netglot.errors import Refusal, notimpl
from netglot.pivot.graph import Site, Value

_HERE = str(Path(__file__).resolve().parents[2]) + os.sep
_LIBRARIES = tuple(
    os.path.dirname(sys.modules[name].__file__ or "") + os.sep
    for name in ("keras", "tensorflow", "optree", "jax", "torch")
    if name in sys.modules
)


class Poisoned(Exception):
    """An operand was refused; what depends on it is neither read nor reported."""


class Tracer(Protocol):
    """Who is told of the calls."""

    def operation(self, operation: Operation, args: tuple, kwargs: dict) -> Any:
        """A function of `keras.ops` is called on symbolic tensors."""

    def layer(self, layer: keras.layers.Layer, args: tuple, kwargs: dict) -> Any:
        """A layer is called on symbolic tensors."""

    def create(self, op: Any) -> Traced:
        """The tensor that `op` makes."""
        ...

    def constant(self, array: Any) -> Traced:
        """A tensor that the code holds."""
        ...

    def note(self, text: str) -> None:
        """Remembers a sentence for the report."""


class Traced(keras.KerasTensor):
    """A symbolic tensor with a value of the pivot behind it; None behind what was refused."""

    def __init__(self, held: Value | None, shape: tuple[int, ...], dtype: str):
        super().__init__(tuple(int(size) for size in shape), dtype, name=held.name if held else "refused")
        self._shape = shape
        self.held = held

    def __eq__(self, other):
        """Element by element, as a tensor that runs compares; Keras's symbolic tensors compare their identity."""
        return False if other is None else keras.ops.equal(self, other)

    def __ne__(self, other):
        return True if other is None else keras.ops.not_equal(self, other)

    __hash__ = keras.KerasTensor.__hash__

    def __len__(self) -> int:
        return self._shape[0]

    def __iter__(self):
        if isinstance(self._shape[0], Size):
            raise Refusal(notimpl("a loop over an axis whose size is not known", "give the input a fixed size"))
        return (self[index] for index in range(self._shape[0]))


class TracedVariable(Traced):
    """A traced tensor in the place of a layer's variable."""

    def __init__(self, held: Value | None, shape: tuple[int, ...], dtype: str, variable: Any, writes: Any):
        super().__init__(held, shape, dtype)
        self.variable = variable
        self.writes = writes

    @property
    def value(self):
        """The variable's value: itself."""
        return self

    @property
    def trainable(self) -> bool:
        """Whether training updates the variable."""
        return self.variable.trainable

    def assign(self, value: Any, *_, **__) -> Any:
        """Writes to the variable."""
        return self.writes.assign(self, value)

    def assign_add(self, value: Any, *_, **__) -> Any:
        """Adds to the variable."""
        return self.assign(keras.ops.add(self, value))

    def assign_sub(self, value: Any, *_, **__) -> Any:
        """Takes from the variable."""
        return self.assign(keras.ops.subtract(self, value))


@functools.cache
def _position(code, instruction: int) -> tuple:
    return next(p for i, p in enumerate(code.co_positions()) if i == instruction // 2)


def sites(layer_call: Any, entry: Any) -> tuple[Site | None, ...]:
    """The user's source line in each layer's call, outermost first; None inside Keras.

    `layer_call` and `entry` are the code objects of the tracer's frames: the call of one layer, and where it began.
    """
    levels: list[Site | None] = []
    innermost = None
    frame = sys._getframe(1)
    while frame is not None and frame.f_code is not entry:
        code = frame.f_code
        if code is layer_call:
            levels.append(innermost)
            innermost = None
        elif innermost is None and not code.co_filename.startswith((*_LIBRARIES, _HERE, "<")):
            line, end_line, column, end_column = _position(code, frame.f_lasti)
            innermost = Site(code.co_filename, line or frame.f_lineno, code.co_name, column, end_line, end_column)
        frame = frame.f_back
    return tuple(reversed(levels))


@contextlib.contextmanager
def following(tracer: Tracer) -> Iterator[None]:
    """Hands every call on symbolic tensors to `tracer` while it is open."""
    from keras.src.utils import traceback_utils

    from netglot.dialects.keras.replacing import replacements

    def called(self, *args, **kwargs):
        if isinstance(self, keras.layers.Layer):
            return tracer.layer(self, args, kwargs)
        return tracer.operation(self, args, kwargs)

    filtering = traceback_utils.is_traceback_filtering_enabled()
    traceback_utils.disable_traceback_filtering()
    with contextlib.ExitStack() as stack:
        stack.callback(traceback_utils.enable_traceback_filtering if filtering else lambda: None)
        for kind in (Operation, keras.layers.Layer):
            stack.enter_context(mock.patch.object(kind, "symbolic_call", called))
        stack.enter_context(mock.patch.object(keras.layers.Layer, "_resolve_and_populate_arg", _given_argument))
        stack.enter_context(mock.patch("keras.src.layers.layer.Node", _no_node))
        stack.enter_context(mock.patch("keras.src.models.functional.operation_fn", _step_of_functional))
        stack.enter_context(mock.patch.object(keras.layers.Layer, "add_loss", _noting_losses(tracer)))
        for target, name, made in replacements(tracer):
            stack.enter_context(mock.patch.object(target, name, made))
        yield


def _no_node(**_) -> None:
    """Keras's record of a call, which allows no result to be None, and which nobody reads here."""


def _step_of_functional(operation, **_):
    """How a functional model calls its layers: a `training=False` that it remembers says nothing.

    Keras writes it down also where a dropout before the layer had it as the default of its own call, and overrides it
    when the model trains.
    """

    def call(*args, **kwargs):
        if kwargs.get("training") is False:
            del kwargs["training"]
        return operation(*args, **kwargs)

    return call


def _noting_losses(tracer: Tracer) -> Callable:
    def add_loss(self, _):
        tracer.note(f"{self.name} adds a loss of its own (add_loss), which code that trains the network has to add")

    return add_loss


def _given_argument(self, arg_name, call_spec, call_context, kwargs) -> None:
    """What a layer's call is told of training: what the user's code said, here or in a call around it.

    Keras would also take the default of the signature, so that a `training=False` that somebody wrote could not be
    told from one that nobody did. A functional model remembers such defaults as if somebody had written them, so a
    value that is the default does not count. A default of True, which the image layers have, is that of training; one
    of False in a call of the user's own becomes None.
    """
    parameter = self._call_signature.parameters.get(arg_name)
    default = parameter.default if parameter is not None else None
    value = call_spec.user_arguments_dict.get(arg_name)
    if value is None or value is default:
        value = call_context.get_value(arg_name)
        kwargs.pop(arg_name, None)
    call_context.set_value(arg_name, value)
    if value is None and default is True:
        value = False
    if self._call_has_context_arg.get(arg_name, False) and value is not None:
        kwargs[arg_name] = value
    elif default is False and not type(self).__module__.startswith("keras."):
        kwargs[arg_name] = None  # which the user's code hands on as what nobody said


class VariablesTraced:
    """Puts traced tensors in the place of the variables that layers hold as attributes, while it is entered."""

    def __init__(self, layers: list[Any], traced: Callable[[Any], Traced]):
        self.layers = layers
        self.traced = traced
        self._changed: list[tuple[dict, str, Any]] = []

    def __enter__(self) -> None:
        for layer in self.layers:
            held = layer.__dict__
            for name, one in list(held.items()):
                if name in _BOOKKEEPING:
                    continue
                replaced = _replaced(one, self.traced)
                if replaced is not one:
                    self._changed.append((held, name, one))
                    held[name] = replaced

    def __exit__(self, *_) -> None:
        while self._changed:
            held, name, one = self._changed.pop()
            held[name] = one

    @contextlib.contextmanager
    def suspended(self) -> Iterator[None]:
        """The layers with their own variables for a while."""
        traced = [(held, name, held[name]) for held, name, _ in self._changed]
        for held, name, one in self._changed:
            held[name] = one
        try:
            yield
        finally:
            for held, name, one in traced:
                held[name] = one


_BOOKKEEPING = {
    "_trainable_variables",
    "_non_trainable_variables",
    "_layers",
    "_metrics",
    "_losses",
    "_tracker",
    "optimizer",
    "_obj_reference_counts_dict",
    "_self_unconditional_checkpoint_dependencies",
    "_self_unconditional_dependency_names",
    "_self_tracked_trackables",
    "_seed_generators",
    "_nodes",
    "_nodes_by_depth",
    "_operations",
    "_operations_by_depth",
}


def array_of(tensor: Any) -> Any:
    """A tensor or variable of Keras as a NumPy array."""
    held = getattr(tensor, "value", tensor)
    if keras.config.backend() == "tensorflow" and hasattr(held, "numpy"):
        return held.numpy()
    return keras.ops.convert_to_numpy(held)


def is_variable(one: Any) -> bool:
    """Whether this is a variable of Keras."""
    return isinstance(one, backend.Variable)


def _replaced(one: Any, traced: Callable) -> Any:
    """`one` with its variables traced: itself where it holds none."""
    if is_variable(one):
        return traced(one)
    if isinstance(one, list | tuple) and any(is_variable(item) for item in keras.tree.flatten(list(one))):
        kind = tuple if isinstance(one, tuple) else list
        return kind(_replaced(item, traced) for item in one)
    if isinstance(one, dict) and any(is_variable(item) for item in keras.tree.flatten(list(one.values()))):
        return {key: _replaced(item, traced) for key, item in one.items()}
    return one
