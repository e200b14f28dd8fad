"""Core ML's ML Programs (`.mlpackage`): operations of MIL as protocol buffers, and a file of weights beside them.

The table states the fields that are used, numbered as in Apple's schema. Weights stay mapped.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netglot.errors import InputError, Refusal, notimpl
from netglot.formats import wire
from netglot.formats.coreml import COLOURS
from netglot.formats.mapped import array_of, mapped
from netglot.formats.record import Record
from netglot.pivot.dims import product

SCHEMA = wire.schema("""
Model
  2 description Description  502 program Program
Description
  1 input Feature*  10 output Feature*
Feature
  1 name string  3 type FeatureType
FeatureType
  4 imageType ImageType
ImageType
  1 width int64  2 height int64  3 colorSpace enum
Program
  2 functions FunctionEntry*
FunctionEntry
  1 key string  2 value Function
Function
  1 inputs NamedType*  2 opset string  3 blocks BlockEntry*
BlockEntry
  1 key string  2 value Block
Block
  1 inputs NamedType*  2 outputs string*  3 operations Operation*
Operation
  1 type string  2 inputs ArgumentEntry*  3 outputs NamedType*  4 blocks Block*  5 attributes ValueEntry*
ArgumentEntry
  1 key string  2 value Argument
Argument
  1 arguments Binding*
Binding
  1 name string  2 value Value
ValueEntry
  1 key string  2 value Value
NamedType
  1 name string  2 type ValueType
ValueType
  1 tensorType TensorType  2 listType Empty  5 stateType Empty
Empty
TensorType
  1 dataType enum  2 rank int64  3 dimensions Dimension*
Dimension
  1 constant Size  2 unknown Empty
Size
  1 size uint64
Value
  2 type ValueType  3 immediate Immediate  5 blob Blob
Immediate
  1 tensor Tensor
Blob
  1 fileName string  2 offset uint64
Tensor
  1 floats Floats  2 ints Ints  3 bools Bools  4 strings Strings  5 longInts LongInts  6 doubles Doubles  7 bytes Bytes
Floats
  1 values float*
Ints
  1 values int32*
Bools
  1 values bool*
Strings
  1 values string*
LongInts
  1 values int64*
Doubles
  1 values double*
Bytes
  1 values bytes
""")

DTYPES = {
    1: "bool", 2: "string", 10: "float16", 11: "float32", 12: "float64", 21: "int8", 22: "int16", 23: "int32",
    24: "int64", 31: "uint8", 32: "uint16", 33: "uint32", 34: "uint64",
}  # fmt: skip
_STORED = {1: "float16", 2: "float32", 3: "uint8", 4: "int8", 6: "int16", 7: "uint16", 14: "int32", 15: "uint32"}
"""Dtypes by the numbers that the file of weights gives them."""
_SENTINEL, _HEAD = 0xDEADBEEF, 64


@dataclass(frozen=True)
class Held:
    """A value that the file holds: its dtype, its shape, and a number, a text or an array."""

    dtype: str
    shape: tuple[int, ...]
    value: Any


@dataclass
class Operation:
    """One operation: names of tensors or held values by the names of its operands; several in a list.

    `blocks` are those of a loop or a choice.
    """

    type: str
    operands: dict[str, list[str | Held]]
    outputs: list[str]
    attributes: dict[str, Held]
    blocks: list[Block]


@dataclass
class Block:
    """Operations within a loop or a choice: the names of what it is given, and of what comes out."""

    inputs: list[str]
    outputs: list[str]
    operations: list[Operation]


@dataclass
class Tensor:
    """An input: its dtype and shape, with 0 for sizes that are not known, and its colours if it is a picture."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    colours: str = ""


@dataclass
class Program:
    """The main function of a program."""

    inputs: list[Tensor]
    outputs: list[str]
    operations: list[Operation]


def is_package(path: Path) -> bool:
    """Whether a path is a package of Core ML."""
    return path.name.lower().endswith(".mlpackage") and path.is_dir()


def specification(path: Path) -> Path:
    """The model within a package.

    Raises:
        InputError: its manifest names none.
    """
    try:
        manifest = json.loads((path / "Manifest.json").read_text("utf-8"))
        entries = manifest["itemInfoEntries"]
        inner = path / "Data" / entries[manifest["rootModelIdentifier"]]["path"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} has no manifest that names its model", advice="is it a whole .mlpackage?") from error
    if "\0" in str(inner) or not inner.resolve().is_relative_to(path.resolve()):
        raise InputError(f"{path} names a model outside of it")
    return inner


def read_program(path: Path, root: Path | None = None) -> Program:
    """The program in a specification; `root` is the folder that its weights are named from.

    Raises:
        InputError: it is damaged.
        Refusal: it holds no program.
    """
    record = wire.parse(mapped(path), SCHEMA, "Model")
    functions = {one.text("key"): one.record("value") for one in record.record("program").records("functions")}
    main = functions.get("main")
    if main is None:
        raise Refusal(notimpl("a program without a function that is called main"))
    blocks = {one.text("key"): one.record("value") for one in main.records("blocks")}
    block = blocks.get(main.text("opset")) or next(iter(blocks.values()), None)
    if block is None:
        raise InputError(f"{path}: its main function is empty")
    reader = _Reader(path.parent if root is None else root)
    colours = {one.text("name"): _colours(one) for one in record.record("description").records("input")}
    inputs = [_tensor(one, colours.get(one.text("name"), "")) for one in main.records("inputs")]
    return Program(
        inputs, [str(one) for one in block.all("outputs")], [*map(reader.operation, block.records("operations"))]
    )


def _colours(feature: Record) -> str:
    kind = feature.record("type")
    if "imageType" not in kind:
        return ""
    return COLOURS.get(kind.record("imageType").integer("colorSpace", 20), "some colours")


def _tensor(named: Record, colours: str) -> Tensor:
    if "stateType" in named.record("type"):
        raise Refusal(notimpl(f"the state {named.text('name')}, which is kept from one call to the next"))
    kind = named.record("type").record("tensorType")
    dtype = DTYPES.get(kind.integer("dataType", 0), "string")
    if dtype == "string":
        raise InputError(f"the input {named.text('name')!r} is no tensor of numbers")
    return Tensor(named.text("name"), dtype, _shape(kind), colours)


def _shape(kind: Record) -> tuple[int, ...]:
    return tuple(one.record("constant").integer("size", 0) for one in kind.records("dimensions"))


class _Reader:
    """Reads operations and the values that they hold; files of weights are mapped once."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.files: dict[str, memoryview] = {}

    def operation(self, record: Record) -> Operation:
        """One operation."""
        operands = {}
        for entry in record.records("inputs"):
            bound = entry.record("value").records("arguments")
            operands[entry.text("key")] = [
                one.text("name") if "name" in one else self.value(one.record("value")) for one in bound
            ]
        attributes = {one.text("key"): self.value(one.record("value")) for one in record.records("attributes")}
        outputs = [one.text("name") for one in record.records("outputs")]
        blocks = [self.block(one) for one in record.records("blocks")]
        return Operation(record.text("type"), operands, outputs, attributes, blocks)

    def block(self, record: Record) -> Block:
        """A block; the parser bounds how deep they stand within each other."""
        inputs = [one.text("name") for one in record.records("inputs")]
        outputs = [str(one) for one in record.all("outputs")]
        return Block(inputs, outputs, [*map(self.operation, record.records("operations"))])

    def value(self, record: Record) -> Held:
        """A value that the file holds.

        Raises:
            InputError: it is damaged.
        """
        kind = record.record("type").record("tensorType")
        dtype, shape = DTYPES.get(kind.integer("dataType", 0), ""), _shape(kind)
        if "blob" in record:
            return Held(dtype, shape, self._stored(record.record("blob"), dtype, shape))
        held = record.record("immediate").record("tensor")
        if "strings" in held:
            return Held("string", shape, next(iter(held.record("strings").all("values")), ""))
        if "bytes" in held:
            data = held.record("bytes").get("values", memoryview(b""))
            return Held(dtype, shape, array_of(data, _plain(dtype), shape, "a constant"))
        field = next((one for one in ("floats", "ints", "bools", "longInts", "doubles") if one in held), "")
        try:
            numbers = np.asarray(held.record(field).all("values") if field else [], dtype=_plain(dtype))
        except (OverflowError, ValueError, TypeError) as error:
            raise InputError(f"a constant of {dtype} holds something else") from error
        if numbers.size != product(shape):
            numbers = np.resize(numbers, shape) if numbers.size == 1 and product(shape) < 2**24 else numbers
        if numbers.size != product(shape):
            raise InputError(f"a constant holds {numbers.size} numbers and must hold {list(shape)}")
        return Held(dtype, shape, numbers.reshape(shape))

    def _stored(self, blob: Record, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        name = blob.text("fileName").removeprefix("@model_path/")
        if name not in self.files:
            path = self.folder / name
            if "\0" in name or not path.resolve().is_relative_to(self.folder.resolve()):
                raise InputError(f"the weights {name} lie outside of the package")
            self.files[name] = mapped(path)
        data, offset = self.files[name], blob.integer("offset", 0)
        if offset < 0 or offset > len(data) - _HEAD:
            raise InputError(f"{name} ends before the weight at {offset}", advice="is the package complete?")
        sentinel, kind, size, place = struct.unpack_from("<IIQQ", data, offset)
        if sentinel != _SENTINEL or size > len(data) or place > len(data) - size:
            raise InputError(f"{name} holds no weight at {offset}")
        if _STORED.get(kind) != dtype:
            raise Refusal(notimpl(f"weights of {dtype or 'fewer than 8 bits'}"))
        return array_of(data[place : place + size], _plain(dtype), shape, f"the weight at {offset}")


def _plain(dtype: str) -> np.dtype:
    if dtype in ("", "string"):
        raise Refusal(notimpl("a constant of a dtype that is not read"))
    return np.dtype(dtype)
