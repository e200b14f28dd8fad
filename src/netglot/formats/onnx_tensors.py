"""Tensors in ONNX files: their types, where their bytes are, and how they become arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from netglot.errors import InputError
from netglot.pivot.dims import product
from netglot.pivot.op import TensorType, numpy_dtype
from netglot.pivot.storage import Opened, Stretch

Load = Callable[[], np.ndarray]

PACKED = {21: ("uint8", 4), 22: ("int8", 4), 25: ("uint8", 2), 26: ("int8", 2)}
"""The integers that are packed into bytes: the dtype that holds them, and their bits."""


def tensor_type(tensor: Any, where: str) -> TensorType:
    """The type of a tensor in a file.

    Raises:
        InputError: it has none, or one that no framework has.
    """
    from netglot.dialects.onnx.common import ELEMENT_TYPES, NARROW

    if tensor.data_type not in ELEMENT_TYPES:
        name = NARROW.get(tensor.data_type, f"the unknown type {tensor.data_type}")
        raise InputError(f"{where}: the tensor {tensor.name!r} holds {name}, which no framework computes with")
    shape = tuple(tensor.dims)
    if any(size < 0 for size in shape):
        raise InputError(f"{where}: the tensor {tensor.name!r} has a negative size")
    return TensorType(ELEMENT_TYPES[tensor.data_type], shape)


def initialiser(tensor: Any, folder: Path | None, data: Any, cut: tuple[int, int] | None, where: str):
    """The type of a weight and how it is loaded; packed integers are unpacked."""
    if tensor.data_type in PACKED:
        return _packed(tensor, folder, data, cut, where)
    return _plain(tensor, tensor_type(tensor, where), folder, data, cut, where)


def _packed(tensor: Any, folder: Path | None, data: Any, cut: tuple[int, int] | None, where: str):
    """Integers of a few bits, the lowest first, as integers of 8."""
    dtype, bits = PACKED[tensor.data_type]
    shape = tuple(tensor.dims)
    if any(size < 0 for size in shape):
        raise InputError(f"{where}: the tensor {tensor.name!r} has a negative size")
    count, each = int(product(shape)), 8 // bits
    _, load = _plain(tensor, TensorType("uint8", (-(-count // each),)), folder, data, cut, where)

    def unpacked() -> np.ndarray:
        levels = (np.asarray(load())[:, None] >> np.arange(0, 8, bits, dtype="uint8")) & np.uint8((1 << bits) - 1)
        levels = levels.reshape(-1)[:count].astype(dtype).reshape(shape)
        return levels if dtype == "uint8" else np.where(levels >= 1 << (bits - 1), levels - (1 << bits), levels)

    return TensorType(dtype, shape), unpacked


def _plain(
    tensor: Any, kind: TensorType, folder: Path | None, data: Any, cut: tuple[int, int] | None, where: str
) -> tuple[TensorType, Load]:
    if cut is not None:
        begin, end = cut
        _check_length(tensor.name, kind, end - begin, where)

        return kind, Stretch(data, begin, end - begin, kind)
    if tensor.data_location == 1:
        return kind, _external(tensor, kind, folder, where)
    _check_tensor(tensor, kind, where)
    return kind, lambda: _parsed(tensor, kind)


def _aligned(view: np.ndarray, kind: TensorType) -> np.ndarray:
    """Bytes in a file as an array; copied only where the file keeps them out of step."""
    dtype = numpy_dtype(kind.dtype)
    if view.ctypes.data % dtype.alignment:
        view = view.copy()
    return view.view(dtype).reshape(kind.shape)


def _check_length(name: str, kind: TensorType, length: int, where: str) -> None:
    wanted = int(product(kind.shape)) * numpy_dtype(kind.dtype).itemsize
    if length != wanted:
        raise InputError(
            f"{where}: the tensor {name!r} is {kind} and has {length} bytes, not {wanted}",
            advice="the file may be truncated or damaged",
        )


_FIELDS = {
    "float32": "float_data",
    "float64": "double_data",
    "int64": "int64_data",
    "uint64": "uint64_data",
    "uint32": "uint64_data",
    "complex64": "float_data",
    "complex128": "double_data",
    "string": "string_data",
}
"""Where a tensor keeps elements that are not raw; `int32_data` for all other dtypes."""


def _held(tensor: Any, kind: TensorType) -> Any:
    return getattr(tensor, _FIELDS.get(kind.dtype, "int32_data"))


def _check_tensor(tensor: Any, kind: TensorType, where: str) -> None:
    if tensor.HasField("raw_data"):
        return _check_length(tensor.name, kind, len(tensor.raw_data), where)
    count = len(_held(tensor, kind)) // (2 if kind.dtype.startswith("complex") else 1)
    if count != product(kind.shape):
        raise InputError(
            f"{where}: the tensor {tensor.name!r} is {kind} and has {count} elements",
            advice="the file may be truncated or damaged",
        )
    return None


def array_of(tensor: Any) -> np.ndarray:
    """The elements of a tensor that stands in a node.

    Raises:
        InputError: they are not all there.
    """
    where = "the model"
    kind = tensor_type(tensor, where)
    if tensor.data_location == 1:
        raise InputError(f"{where}: the constant {tensor.name!r} is kept in another file, which only weights may be")
    _check_tensor(tensor, kind, where)
    return _parsed(tensor, kind)


def _parsed(tensor: Any, kind: TensorType) -> np.ndarray:
    dtype = numpy_dtype(kind.dtype)
    if kind.dtype == "string":
        items = [one.decode("utf-8", "replace") for one in tensor.string_data]
        return np.asarray(items, dtype=object).reshape(kind.shape)
    if tensor.HasField("raw_data"):
        array = np.frombuffer(tensor.raw_data, np.uint8)
        return _aligned(array, kind) if array.size else np.zeros(kind.shape, dtype)
    held = _held(tensor, kind)
    if kind.dtype in ("float16", "bfloat16") or kind.dtype.startswith("float8"):
        bits = np.uint8 if kind.dtype.startswith("float8") else np.uint16
        return np.asarray(held, "int64").astype(bits).view(dtype).reshape(kind.shape)
    if kind.dtype.startswith("complex"):
        return np.asarray(held, "float64" if kind.dtype == "complex128" else "float32").view(dtype).reshape(kind.shape)
    with np.errstate(all="ignore"):
        return np.asarray(held).astype(dtype).reshape(kind.shape)


def dense_array(sparse: Any) -> np.ndarray:
    """A sparse tensor with its zeros."""
    from netglot.dialects.onnx.known import LARGEST

    values, indices = array_of(sparse.values), array_of(sparse.indices)
    shape = tuple(sparse.dims)
    if any(size < 0 for size in shape) or product(shape) > LARGEST:
        raise InputError(f"the sparse tensor {sparse.values.name!r} is too large to be laid out")
    made = np.zeros(shape, values.dtype)
    try:
        if indices.ndim == 2:
            made[tuple(indices.T)] = values
        else:
            made.reshape(-1)[indices] = values
    except (IndexError, ValueError) as error:
        raise InputError(f"the sparse tensor {sparse.values.name!r} has positions outside of its shape") from error
    return made


def _external(tensor: Any, kind: TensorType, folder: Path | None, where: str) -> Load:
    """How a tensor in another file is loaded.

    Raises:
        InputError: the file is missing, outside of the model's folder, or too short.
    """
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    name = f"{where}: the data of {tensor.name!r}"
    if not isinstance(location, str):
        raise InputError(f"{name} are in a file with an impossible name")
    if folder is None or not location:
        raise InputError(f"{name} are in a file that is not named")
    try:
        root = folder.resolve()
        path = (root / location).resolve()
        inside = path.is_relative_to(root) and not Path(location).is_absolute()
    except (OSError, ValueError) as error:
        raise InputError(f"{name} are in a file with an impossible name") from error
    if not inside:
        raise InputError(f"{name} would be read from {location!r}, which is outside of the model's folder")
    if not path.is_file():
        raise InputError(f"{name} are in {location!r}, and {path} is missing", advice="put it beside the model")
    size = path.stat().st_size
    wanted = int(product(kind.shape)) * numpy_dtype(kind.dtype).itemsize
    try:
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", wanted))
    except ValueError as error:
        raise InputError(f"{name}: offset and length are no numbers") from error
    if length != wanted:
        raise InputError(f"{name} have {length} bytes, and {kind} has {wanted}")
    if offset < 0 or offset + length > size:
        raise InputError(f"{name} reach beyond the end of {location!r}", advice="the file may be truncated")

    return Stretch(Opened(path), offset, length, kind)
