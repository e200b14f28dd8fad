"""Writing ONNX files, one weight in memory at a time; beyond two gigabytes the weights stand in a file of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netglot.formats.onnx_file import varint
from netglot.pivot.dims import product
from netglot.pivot.op import TensorType, numpy_dtype
from netglot.pivot.storage import put

LARGEST = 2**31 - 2**24
"""Bytes of a message beyond which nothing reads it; a little is left for what stands around the weights."""

_ALIGNED, _SMALL = 4096, 1024


@dataclass(frozen=True)
class Weight:
    """One initialiser: its name, its type, and how it is made."""

    name: str
    type: TensorType
    load: Callable[[], np.ndarray]

    @property
    def size(self) -> int:
        """The number of its bytes."""
        return int(product(self.type.shape)) * numpy_dtype(self.type.dtype).itemsize


def save(proto: Any, weights: Iterable[Weight], path: Path, *, largest: int = LARGEST) -> None:
    """Writes a model whose graph has no initialisers yet, and these with it."""
    weights = list(weights)
    if sum(weight.size for weight in weights) > largest:
        _save_apart(proto, weights, path)
        return
    headers = [_header(weight) for weight in weights]
    lengths = [len(h) + len(_raw_tag(w.size)) + w.size for h, w in zip(headers, weights, strict=True)]
    graph = proto.graph.SerializeToString()
    inside = len(graph) + sum(1 + len(varint(n)) + n for n in lengths)
    with _placed(path) as file:
        file.write(_without_graph(proto) + b"\x3a" + varint(inside) + graph)
        for weight, header, length in zip(weights, headers, lengths, strict=True):
            file.write(b"\x2a" + varint(length) + header + _raw_tag(weight.size))
            if not put(file, weight.type, weight.load):
                file.write(_bytes(weight))


def _save_apart(proto: Any, weights: list[Weight], path: Path) -> None:
    from onnx import TensorProto

    made = type(proto)()
    made.CopyFrom(proto)
    for weight in weights:
        if weight.size <= _SMALL:  # sizes and numbers, which readers want to see
            made.graph.initializer.add().MergeFromString(
                _header(weight) + _raw_tag(weight.size) + bytes(_bytes(weight))
            )
    weights = [weight for weight in weights if weight.size > _SMALL]
    data = path.with_name(path.name + ".data")
    offset = 0
    with _placed(data) as file:
        for weight in weights:
            gap = -offset % _ALIGNED if weight.size > _ALIGNED else 0
            file.write(b"\0" * gap)
            offset += gap
            tensor = made.graph.initializer.add()
            tensor.MergeFromString(_header(weight))
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", data.name), ("offset", offset), ("length", weight.size)):
                entry = tensor.external_data.add()
                entry.key, entry.value = key, str(value)
            if not put(file, weight.type, weight.load):
                file.write(_bytes(weight))
            offset += weight.size
    with _placed(path) as file:
        file.write(made.SerializeToString())


class _placed:
    """A file that appears when it is complete."""

    def __init__(self, path: Path):
        self.path, self.aside = path, path.with_name(path.name + ".part")

    def __enter__(self):
        self.file = open(self.aside, "wb")
        return self.file

    def __exit__(self, kind, *_):
        self.file.close()
        if kind is None:
            os.replace(self.aside, self.path)
        else:
            self.aside.unlink(missing_ok=True)


def _without_graph(proto: Any) -> bytes:
    made = type(proto)()
    for field, value in proto.ListFields():
        if field.name == "graph":
            continue
        if field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED:
            getattr(made, field.name).extend(value)
        elif field.message_type is not None:
            getattr(made, field.name).CopyFrom(value)
        else:
            setattr(made, field.name, value)
    return made.SerializeToString()


def _header(weight: Weight) -> bytes:
    from onnx import TensorProto

    from netglot.dialects.onnx.attributes import code_of

    tensor = TensorProto(name=weight.name, data_type=code_of(weight.type.dtype))
    tensor.dims.extend(int(size) for size in weight.type.shape)
    return tensor.SerializeToString()


def _raw_tag(size: int) -> bytes:
    return b"\x4a" + varint(size)


def _bytes(weight: Weight) -> memoryview:
    array = np.asarray(weight.load()).astype(numpy_dtype(weight.type.dtype), copy=False)
    if array.shape != tuple(weight.type.shape):
        array = array.reshape(weight.type.shape)
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
