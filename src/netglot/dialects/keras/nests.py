"""Nests of tensors and what Keras itself says of them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras.src import backend
from keras.src.ops.operation import Operation

from netglot.dialects.keras.capture import Poisoned, Traced, array_of
from netglot.dialects.keras.sizes import Size


def spec_of(operation: Operation, args: tuple, kwargs: dict) -> Any:
    """Keras's own inference of what an operation makes; where that is stricter than the call itself, the call's."""
    try:
        return operation.compute_output_spec(*args, **kwargs)
    except Exception as first:
        try:
            return backend.compute_output_spec(operation.call, *args, **kwargs)
        except Exception:
            raise first from None


def spec_of_layer(layer: Any, args: tuple, kwargs: dict) -> Any:
    """What a layer makes, as Keras infers it.

    Raises:
        Poisoned: nothing can follow a layer whose result has no known shape.
    """
    try:
        return layer.compute_output_spec(*args, **kwargs)
    except Exception as error:  # nothing can follow a layer whose result has no known shape
        raise Poisoned from error


def poisoned(spec: Any) -> Any:
    """Tensors without values in the place of those that a refused call would make."""

    def poison(one):
        return (
            Traced(None, tuple(1 if s is None else s for s in one.shape), one.dtype) if hasattr(one, "shape") else one
        )

    return keras.tree.map_structure(poison, spec)


def plain_nest(spec: Any) -> bool:
    """Whether a nest is of Python's own lists and tuples."""
    return type(spec) in (list, tuple)


def plain(tree: Any) -> Any:
    """A nest with each size as the integer that it is while the model is traced."""
    if isinstance(tree, Size):
        return int(tree)
    if isinstance(tree, slice):
        return slice(plain(tree.start), plain(tree.stop), plain(tree.step))
    if type(tree) in (list, tuple):
        return type(tree)(plain(one) for one in tree)
    if type(tree) is dict:
        return {key: plain(one) for key, one in tree.items()}
    return tree


def number_of(one: Any) -> Any:
    """A tensor without axes as a number."""
    held = np.asarray(array_of(one))
    return held.item()


def dtype_of(one: Any) -> str | None:
    """The dtype of a tensor or value; None of a number."""
    return getattr(one, "dtype", None) or getattr(getattr(one, "type", None), "dtype", None)


def is_dim(one: Any) -> bool:
    """Whether a scalar operand is a size that is not known."""
    return not isinstance(one, bool | int | float | complex)
