"""ONNX files: nodes as ONNX's own library parses them, and weights that stay in the file until they are used.

The bytes of large tensors are cut out before the rest is parsed, so a model of gigabytes costs what its nodes cost.
No length in a file is trusted, no path in it may lead out of the model's folder, and nothing in it is executed.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from netglot.errors import InputError, MissingFramework
from netglot.pivot.dims import product
from netglot.pivot.op import TensorType, numpy_dtype
from netglot.pivot.storage import Opened, Stretch

Load = Callable[[], np.ndarray]

_CUT = 4096
"""Bytes of a tensor from which it stays in the file."""

_MODEL_GRAPH, _GRAPH_INITIALIZER, _TENSOR_RAW = 7, 5, 9
_GRAPH_NODE, _NODE_ATTRIBUTE, _ATTRIBUTE_TENSOR = 1, 5, 5
_LOCATION_FIELD = b"\x70\x01"
"""`data_location = EXTERNAL` as it stands in a tensor."""


@dataclass
class OnnxModel:
    """A model as parsed. `tensors` holds the type and the loading of each initialiser by name."""

    proto: Any
    folder: Path | None
    tensors: dict[str, tuple[TensorType, Load]] = field(default_factory=dict)


def package() -> Any:
    """The `onnx` package.

    Raises:
        MissingFramework: it is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingFramework(
            "reading and writing ONNX needs the package onnx", advice="pip install 'netglot[onnx]'"
        ) from error
    return onnx


def read_file(path: Path) -> OnnxModel:
    """Reads an ONNX file.

    Raises:
        InputError: it is missing, truncated, corrupt or no ONNX file, or its external data are not all there.
    """
    onnx = package()
    path = Path(path)
    try:
        with open(path, "rb") as file:
            size = path.stat().st_size
            if not size:
                raise InputError(f"{path} is empty")
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    skeleton, cuts = _skeleton(memoryview(data), path)
    del data  # the pages that were looked at
    try:
        proto = onnx.ModelProto.FromString(skeleton)
    except Exception as error:
        raise InputError(f"{path} is no ONNX model, or it is damaged", advice="the file may be truncated") from error
    return _model(proto, path.parent, path, Opened(path), cuts)


def read_proto(proto: Any, folder: Path | None = None) -> OnnxModel:
    """A model that is in memory already."""
    package()
    return _model(proto, folder, None, None, {})


def _model(
    proto: Any, folder: Path | None, path: Path | None, data: Any, cuts: dict[int, tuple[int, int]]
) -> OnnxModel:
    where = str(path) if path else "the model"
    if not proto.HasField("graph") or not (proto.graph.node or proto.graph.output):
        raise InputError(f"{where} holds no graph", advice="is it an ONNX model?")
    _check_text(proto.graph, where)
    for function in proto.functions:
        _check_text(function, where)
    model = OnnxModel(proto, folder)
    for index, tensor in enumerate(proto.graph.initializer):
        if tensor.name in model.tensors:
            raise InputError(f"{where}: two initialisers are called {tensor.name!r}")
        model.tensors[tensor.name] = _initialiser(tensor, folder, data, cuts.get(index), where)
    for sparse in proto.graph.sparse_initializer:
        array = dense_array(sparse)
        model.tensors[sparse.values.name] = (TensorType(str(array.dtype), array.shape), lambda a=array: a)
    return model


def _check_text(graph: Any, where: str) -> None:
    """Does nothing where all names are text; protobuf hands over as bytes what is not.

    Raises:
        InputError: one is not.
    """
    found: list[Any] = [graph.name]
    found += [*graph.input, *graph.output] if hasattr(graph, "attribute_proto") else []
    for info in () if hasattr(graph, "attribute_proto") else (*graph.input, *graph.output):
        found += [info.name, *(dim.dim_param for dim in info.type.tensor_type.shape.dim)]
    found += [tensor.name for tensor in getattr(graph, "initializer", ())]
    for node in graph.node:
        found += [node.name, node.op_type, node.domain, *node.input, *node.output]
        found += [text for entry in node.metadata_props for text in (entry.key, entry.value)]
        for attribute in node.attribute:
            found += [attribute.name, attribute.ref_attr_name]
            if attribute.HasField("g"):
                _check_text(attribute.g, where)
    if not all(isinstance(one, str) for one in found):
        raise InputError(f"{where} has a name that is no text", advice="the file may be damaged")


# -- the wire format, as far as it takes to find large tensors


def _skeleton(data: memoryview, path: Path) -> tuple[bytes, dict[int, tuple[int, int]]]:
    """The model without the bytes of its large initialisers, and where these are by the initialiser's index."""
    pieces: list[Any] = []
    cuts: dict[int, tuple[int, int]] = {}
    try:
        for number, start, begin, end in _fields(data, 0, len(data)):
            if number == _MODEL_GRAPH and begin is not None:
                graph = b"".join(_graph_pieces(data, begin, end, cuts))
                pieces += [_tag(_MODEL_GRAPH), varint(len(graph)), graph]
            else:
                pieces.append(data[start:end])
        return b"".join(pieces), cuts
    except _Damaged as error:
        raise InputError(f"{path} is no ONNX model, or it is damaged: {error}") from error


def _graph_pieces(data: memoryview, begin: int, end: int, cuts: dict[int, tuple[int, int]]) -> Iterator[Any]:
    index = -1
    for number, start, inner, stop in _fields(data, begin, end):
        if number != _GRAPH_INITIALIZER or inner is None:
            yield data[start:stop]
            continue
        index += 1
        raw = _raw_bytes(data, inner, stop) if stop - inner > _CUT else None
        if raw is None:
            yield data[start:stop]
            continue
        field_start, raw_begin, raw_end = raw
        cuts[index] = (raw_begin, raw_end)
        kept = bytes(data[inner:field_start]) + bytes(data[raw_end:stop])
        yield from (_tag(_GRAPH_INITIALIZER), varint(len(kept)), kept)


def _raw_bytes(data: memoryview, begin: int, end: int) -> tuple[int, int, int] | None:
    """Where the raw bytes of a tensor are: their field, their begin and their end. The last field wins."""
    found = None
    for number, start, inner, stop in _fields(data, begin, end):
        if number == _TENSOR_RAW and inner is not None:
            if found is not None:
                return None  # twice: the parser decides
            found = (start, inner, stop)
    return found if found and found[2] - found[1] > _CUT else None


class _Damaged(Exception):
    """The bytes are no message."""


def _fields(data: memoryview, at: int, end: int) -> Iterator[tuple[int, int, int | None, int]]:
    """The fields of a message: number, where it starts, where its bytes begin (None for numbers), where it ends."""
    while at < end:
        start = at
        key, at = _read_varint(data, at, end)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise _Damaged("a field without a number")
        begin: int | None = None
        match kind:
            case 0:
                _, at = _read_varint(data, at, end)
            case 1:
                at += 8
            case 2:
                length, at = _read_varint(data, at, end)
                begin = at
                at += length
            case 5:
                at += 4
            case _:
                raise _Damaged(f"a field of the unknown kind {kind}")
        if at > end:
            raise _Damaged("a field reaches beyond its end")
        yield number, start, begin, at


def _read_varint(data: memoryview, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= end or shift > 63:
            raise _Damaged("a number reaches beyond its end")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _tag(number: int) -> bytes:
    return varint(number << 3 | 2)


# -- tensors


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


def _initialiser(tensor: Any, folder: Path | None, data: Any, cut: tuple[int, int] | None, where: str):
    kind = tensor_type(tensor, where)
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
