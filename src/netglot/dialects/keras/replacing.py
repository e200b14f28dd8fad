"""What stands in for functions of Keras's backend that compute at once, while a model is traced.

A function that is given symbolic tensors is that of `keras.ops`, which is followed. A tensor whose size is symbolic is
made by an op, and so is a tensor that is made of a symbolic size.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras.src import backend

from netglot.dialects.keras import control
from netglot.dialects.keras.capture import Traced, Tracer
from netglot.dialects.keras.sizes import Size, dim_of, sized, without_sizes
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import maximum, minimum


def replacements(tracer: Tracer) -> Iterator[tuple[Any, str, Callable]]:
    """Functions of Keras's backend that compute at once, and what stands in for them."""
    for module in (backend, backend.core):
        for name in ("convert_to_tensor", "cast"):
            followed = _through_ops(tracer, getattr(module, name), getattr(keras.ops, name), name)
            yield module, name, _of_sizes(tracer, followed)
    for name, make in _CREATIONS.items():
        plain = getattr(backend.numpy, name)
        yield backend.numpy, name, _creation(tracer, plain, make)
    for name, follow in control.TABLE.items():
        for module in (backend, backend.core):
            if hasattr(module, name):
                yield module, name, follow
    for name in ("broadcast_to", "tile", "repeat"):
        yield backend.numpy, name, _spreading(tracer, getattr(backend.numpy, name), name)
    skipped = {*_CREATIONS, *control.TABLE, "broadcast_to", "tile", "repeat", "convert_to_tensor", "cast"}
    for module, functions in ((backend.numpy, keras.ops), (backend.nn, keras.ops), (backend.math, keras.ops),
                              (backend.linalg, keras.ops), (backend.image, keras.ops.image), (backend, keras.ops),
                              (backend.core, keras.ops)):  # fmt: skip
        for name in dir(functions):
            plain = getattr(module, name, None)
            if name not in skipped and inspect.isfunction(plain) and not name.startswith("_"):
                yield module, name, _through_ops(tracer, plain, getattr(functions, name), name)
    for name in ("normal", "uniform", "categorical", "randint", "truncated_normal", "gamma", "binomial", "beta"):
        if hasattr(backend.random, name):
            yield backend.random, name, _random(name)
    plain_dropout = backend.random.dropout
    yield backend.random, "dropout", lambda inputs, *args, **kw: _no_dropout(inputs, plain_dropout, args, kw)


def _through_ops(tracer: Tracer, plain: Callable, function: Callable, name: str) -> Callable:
    """A function of the backend that hands symbolic tensors to the function of `keras.ops`, which is followed."""
    inside = False

    @functools.wraps(plain)
    def call(*args, **kwargs):
        nonlocal inside
        flat = keras.tree.flatten((args, kwargs))
        if inside or not any(isinstance(one, Traced | Size) for one in flat):
            return plain(*args, **kwargs)
        if not any(isinstance(one, Traced) for one in flat):
            if name in _OF_SIZES and all(isinstance(one, int) for one in flat):
                return _OF_SIZES[name](*args)
            args, kwargs = _operands_as_tensors(tracer, plain, args, kwargs)
            if not any(isinstance(one, Traced) for one in keras.tree.flatten((args, kwargs))):
                return plain(*args, **kwargs)
        inside = True
        try:
            return function(*args, **kwargs)
        finally:
            inside = False

    return call


def _operands_as_tensors(tracer: Tracer, plain: Callable, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """The arguments of a function of the backend, with tensors for the symbolic sizes among its operands."""
    names = list(inspect.signature(plain).parameters)
    operands = {*names[:1], "x", "x1", "x2"}
    made = tuple(_as_tensor(tracer, one) if name in operands else one for name, one in zip(names, args, strict=False))
    return (*made, *args[len(made) :]), {
        name: _as_tensor(tracer, one) if name in operands else one for name, one in kwargs.items()
    }


def _as_tensor(tracer: Tracer, one: Any, dtype: str = "int32") -> Any:
    """A tensor for a symbolic size or a list with some; anything else stays what it is."""
    if isinstance(one, Size):
        return tracer.create(ops.Full((), one.dim, dtype))  # type: ignore[arg-type]
    if isinstance(one, list | tuple) and any(isinstance(item, Size) for item in one):
        kind = dtype if all(isinstance(item, int) for item in one) else keras.config.floatx()
        items = [tracer.create(ops.Full((), _number(item), kind)) for item in one]
        return keras.ops.stack(items)
    return one


def _of_sizes(tracer: Tracer, plain: Callable) -> Callable:
    """The conversion of a symbolic size to a tensor."""

    @functools.wraps(plain)
    def convert(x, dtype=None, *args, **kwargs):
        flat = keras.tree.flatten(x)
        if isinstance(x, Traced) or not any(isinstance(one, Size) for one in flat):
            return plain(x, dtype, *args, **kwargs)
        return _as_tensor(tracer, x, _dtype(dtype, "int32"))

    return convert


def _creation(tracer: Tracer, plain: Callable, make: Callable) -> Callable:
    """The creation of a tensor, traced where one of its sizes is symbolic."""

    @functools.wraps(plain)
    def create(*args, **kwargs):
        if any(isinstance(size, Size) for size in keras.tree.flatten((args, kwargs))):
            return tracer.create(make(*args, **kwargs))
        return plain(*args, **kwargs)

    return create


def _spreading(tracer: Tracer, plain: Callable, name: str) -> Callable:
    """The repetition of a tensor that is known, traced where it becomes as large as a symbolic size."""

    @functools.wraps(plain)
    def spread(x, *args, **kwargs):
        symbolic = any(isinstance(size, Size) for size in keras.tree.flatten((args, kwargs)))
        if isinstance(x, Traced):
            return getattr(keras.ops, name)(x, *args, **kwargs)
        if symbolic and not isinstance(x, keras.KerasTensor):
            return getattr(keras.ops, name)(tracer.constant(x), *args, **kwargs)
        return plain(x, *args, **kwargs)

    return spread


def _random(name: str) -> Callable:
    def draw(*_, **__):
        raise Refusal(
            never(
                f"keras.random.{name} draws random numbers in inference, which no other framework draws alike",
                "give the numbers as an input of the model, or draw them in training only",
            )
        )

    return draw


def _no_dropout(inputs, plain, args, kwargs):
    if isinstance(inputs, keras.KerasTensor):
        raise Refusal(never("keras.random.dropout is called in inference", "call it where `training` is true"))
    return plain(inputs, *args, **kwargs)


def _dtype(dtype: Any, otherwise: str | None = None) -> str:
    return keras.backend.standardize_dtype(dtype or otherwise or keras.config.floatx())


def _shape(shape: Any) -> tuple:
    return without_sizes(tuple(shape) if isinstance(shape, list | tuple) else (shape,))


def _arange(start, stop=None, step=None, dtype=None):
    start, stop = (0, start) if stop is None else (start, stop)
    held = [1 if step is None else step, start, stop]
    kind = keras.config.floatx() if any(isinstance(one, float) for one in held) else "int32"
    step, start, stop = (_number(one) for one in held)
    return ops.Arange(start, stop, step, _dtype(dtype, kind))


def _number(one: Any) -> Any:
    if isinstance(one, Size | int | float):
        return without_sizes(one)
    return one.item() if hasattr(one, "item") else one.numpy().item()


def _full(shape, fill_value, dtype=None):
    value = _number(fill_value)
    kind = keras.config.floatx() if isinstance(value, float) else "bool" if isinstance(value, bool) else "int32"
    return ops.Full(_shape(shape), value, _dtype(dtype, kind))


def _like(value):
    def make(shape, dtype=None):
        kind = _dtype(dtype)
        return ops.Full(_shape(shape), value if "float" in kind else int(value), kind)

    return make


def _eye(N, M=None, k=0, dtype=None):
    if k:
        raise Refusal(notimpl("an identity matrix of symbolic size with another diagonal"))
    rows, columns = _number(N), _number(M if M is not None else N)
    return ops.Eye(rows, columns, _dtype(dtype))


def _tri(N, M=None, k=0, dtype=None):
    rows, columns = _number(N), _number(M if M is not None else N)
    return ops.Tril(ops.Full((rows, columns), 1, _dtype(dtype)), k)


def _linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0):
    if not endpoint or retstep or axis:
        raise Refusal(notimpl("numbers at equal distances, as many as a symbolic size, with other options"))
    return ops.Linspace(float(start), float(stop), _number(num), _dtype(dtype))


_OF_SIZES: dict[str, Callable] = {
    "minimum": lambda x1, x2: sized(min(x1, x2), minimum(dim_of(x1), dim_of(x2))),
    "maximum": lambda x1, x2: sized(max(x1, x2), maximum(dim_of(x1), dim_of(x2))),
}
"""Functions of two sizes that make a size."""

_CREATIONS: dict[str, Callable] = {
    "zeros": _like(0.0),
    "ones": _like(1.0),
    "empty": _like(0.0),
    "full": _full,
    "arange": _arange,
    "eye": _eye,
    "identity": lambda n, dtype=None: _eye(n, dtype=dtype),
    "tri": _tri,
    "linspace": _linspace,
}
"""What the functions that create tensors mean, by their name in Keras's backend."""
