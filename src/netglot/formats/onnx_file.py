"""ONNX files: nodes as ONNX's own library parses them, and weights that stay in the file until they are used.

The bytes of large tensors are cut out before the rest is parsed, so a model of gigabytes costs what its nodes cost.
No length in a file is trusted, no path in it may lead out of the model's folder, and nothing in it is executed.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netglot.errors import InputError, MissingFramework
from netglot.formats.onnx_tensors import PACKED, Load, dense_array, initialiser
from netglot.pivot.op import TensorType
from netglot.pivot.storage import Opened

_CUT = 4096
"""Bytes of a tensor from which it stays in the file."""

_MODEL_GRAPH, _GRAPH_INITIALIZER, _TENSOR_RAW = 7, 5, 9
_GRAPH_NODE, _NODE_ATTRIBUTE, _ATTRIBUTE_TENSOR = 1, 5, 5
_LOCATION_FIELD = b"\x70\x01"
"""`data_location = EXTERNAL` as it stands in a tensor."""


@dataclass
class OnnxModel:
    """A model as parsed. `tensors` holds the type and the loading of each initialiser by name; those in `narrow` have
    fewer bits in the file than their dtype has."""

    proto: Any
    folder: Path | None
    tensors: dict[str, tuple[TensorType, Load]] = field(default_factory=dict)
    narrow: set[str] = field(default_factory=set)


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
        model.tensors[tensor.name] = initialiser(tensor, folder, data, cuts.get(index), where)
        if tensor.data_type in PACKED:
            model.narrow.add(tensor.name)
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
