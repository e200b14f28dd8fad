"""The names of functions and layers, and the arguments of their calls as readers take them."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras.src.ops.operation import Operation

from netglot.dialects.keras.dialect import keras as dialect
from netglot.dialects.keras.helpers import is_helper
from netglot.errors import Refusal, notimpl
from netglot.pivot.graph import Value

if TYPE_CHECKING:
    from netglot.dialects.keras.view import LayerView

_FUNCTIONS = {
    "BatchNorm": "batch_normalization",
    "LayerNorm": "layer_normalization",
    "RMSNorm": "rms_normalization",
    "SearchSorted": "searchsorted",
    "IsIn": "isin",
    "CDist": "cdist",
    "SVD": "svd",
    "FFT": "fft",
    "FFT2": "fft2",
    "IFFT2": "ifft2",
    "RFFT": "rfft",
    "IRFFT": "irfft",
    "STFT": "stft",
    "ISTFT": "istft",
    "CTCLoss": "ctc_loss",
    "CTCDecode": "ctc_decode",
    "PSNR": "psnr",
    "JVP": "jvp",
    "ReLU": "relu",
    "RGBToGrayscale": "rgb_to_grayscale",
    "RGBToHSV": "rgb_to_hsv",
    "HSVToRGB": "hsv_to_rgb",
    "SSIM": "ssim",
}
"""The functions of Keras's operation classes whose names are not theirs in snake case."""


def function_name(operation: Operation) -> str:
    """The spelling of an operation: the function that makes it."""
    kind = type(operation)
    name = _FUNCTIONS.get(kind.__name__)
    if name is None:
        name = re.sub("([a-z0-9])([A-Z])", r"\1_\2", kind.__name__).lower()
    module = kind.__module__.rpartition(".")[2]
    if "activations" in kind.__module__:
        return f"activations.{name}"
    return f"ops.image.{name}" if module == "image" else f"ops.{name}"


def reader_name(layer: Any) -> str | None:
    """The built-in class that says what a layer does; None where the user's own code does.

    A subclass counts as its built-in parent while it overrides nothing that the parent's call uses.
    """
    for kind in type(layer).__mro__:
        if kind.__module__.startswith("keras.src.layers."):
            return kind.__name__
        if is_helper(kind) and f"layers.{kind.__name__}" in dialect.readers:
            return kind.__name__
        if kind.__module__.startswith("keras."):
            return None
        own = {name for name, held in kind.__dict__.items() if inspect.isfunction(held)}
        if any(_is_built_in(parent, own) for parent in kind.__mro__[1:]):
            return None
    return None


_HARMLESS = {
    "__init__",
    "build",
    "get_config",
    "from_config",
    "compute_output_shape",
    "compute_output_spec",
    "get_build_config",
}


def _is_built_in(parent: type, overridden: set[str]) -> bool:
    theirs = parent.__module__.startswith("keras.src.")
    return theirs and bool((overridden - _HARMLESS) & set(parent.__dict__))


def arguments_of(operation: Operation, args: tuple, kwargs: dict) -> dict[str, Any]:
    """The arguments of the call and of the operation's constructor, by name."""
    config = getattr(operation, "_auto_config", None)
    options = dict(config.config) if config is not None else {}
    options.pop("name", None)
    return options | bound_arguments(operation.call, args, kwargs)


_OPERANDS = ("x1", "x2", "x_min", "x_max", "indices", "bins", "sorted_sequence", "values", "updates", "segment_ids")
"""Arguments that are tensors, of which Keras takes lists of numbers too."""


def tensor_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments, with arrays for lists of numbers where a tensor is meant."""
    return {name: _array(held) if name in _OPERANDS else held for name, held in arguments.items()}


def _array(held: Any) -> Any:
    flat = keras.tree.flatten(held) if isinstance(held, list | tuple) else []
    kinds = {type(one) for one in flat}
    if not kinds or not kinds <= {bool, int, float}:
        return held
    kind = "bool" if kinds == {bool} else "int32" if kinds == {int} else keras.config.floatx()
    return np.asarray(held, dtype=kind)


def bound_arguments(function: Any, args: tuple, kwargs: dict) -> dict[str, Any]:
    """Arguments by parameter name; those of `*args` and `**kwargs` under the parameter's name and their own."""
    signature = inspect.signature(function)
    bound = signature.bind(*args, **kwargs).arguments
    for name, parameter in signature.parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            bound |= bound.pop(name, {})
    return dict(bound)


def declared_arguments(reader: Any, arguments: dict[str, Any], operation: Operation, spelling: str) -> dict[str, Any]:
    """The arguments that a reader takes.

    Raises:
        Refusal: another one is not at its default.
    """
    parameters = inspect.signature(reader).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return arguments
    for name, held in arguments.items():
        if name not in parameters and not _is_default(operation, name, held):
            raise Refusal(notimpl(f"{spelling} with {name}={held!r}"))
    return {name: held for name, held in arguments.items() if name in parameters}


def call_reader(reader: Any, arguments: dict[str, Any]) -> Any:
    """Calls a reader by the names of its parameters, `*args` included."""
    parameters = inspect.signature(reader).parameters.values()
    several = next((p.name for p in parameters if p.kind is inspect.Parameter.VAR_POSITIONAL), None)
    if several is None:
        return reader(**arguments)
    before = [p.name for p in parameters if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    given = [*(arguments.pop(name) for name in before if name in arguments), *arguments.pop(several, ())]
    return reader(*given, **arguments)


def _is_default(operation: Operation, name: str, held: Any) -> bool:
    for function in (type(operation).__init__, operation.call):
        parameter = inspect.signature(function).parameters.get(name)
        if parameter is not None and parameter.default is not inspect.Parameter.empty:
            return held is parameter.default or (not isinstance(held, Value) and held == parameter.default)
    return False


def layer_arguments(reader: Any, given: dict[str, Any], layer: Any, view: LayerView) -> dict[str, Any]:
    """The arguments of a layer's call that its reader takes.

    Raises:
        Refusal: an argument is given that the reader knows nothing of, or training behaviour is asked for.
    """
    parameters = inspect.signature(reader).parameters
    if "training" not in parameters:
        training = given.pop("training", None)
        if training is True:
            view.refuse_training(training)
        if training is False and _MODES & {c.__name__ for c in type(layer).__mro__}:
            view.note(f"{view.path} is called with training=False, so it never trains; the pivot's op does")
    for name, held in given.items():
        if name not in parameters and held is not None and held is not False:
            raise Refusal(notimpl(f"it is called with {name}"))
    return {name: held for name, held in given.items() if name in parameters}


_MODES = {"Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout"}
"""Layers that do something in training only."""
