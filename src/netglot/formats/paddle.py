"""PaddlePaddle's files: programs (`.pdmodel`, `__model__`, PIR's `.json`) and their weights (`.pdiparams`).

A program of version 2 is a protocol buffer whose operators name their operands; one of version 3 (PIR) is JSON whose
operators list them. Weights are tensors one after the other, without names: they stand in the order of their names.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from netglot.errors import InputError, WeightsError
from netglot.formats import wire
from netglot.formats.mapped import LARGEST, Cursor, mapped, text_of
from netglot.formats.record import Record
from netglot.pivot.dims import product
from netglot.pivot.op import numpy_dtype

_TABLES = wire.schema("""
Program
  1 blocks Block*  4 version Version
Version
  1 version int64
Block
  1 idx int32  2 parent_idx int32  3 vars Var*  4 ops Op*
Op
  1 inputs OpVar*  2 outputs OpVar*  3 type string  4 attrs Attr*
OpVar
  1 parameter string  2 arguments string*
Attr
  1 name string  2 type enum  3 i int32  4 f float  5 s string  6 ints int32*  7 floats float*  8 strings string*
  10 b bool  11 bools bool*  12 block int32  13 l int64  14 blocks int32*  15 longs int64*  16 doubles double*
  17 var string  18 vars string*  19 double double  20 scalar Scalar  21 scalars Scalar*
Scalar
  1 type enum  2 b bool  3 i int64  4 r double
Var
  1 name string  2 type VarType  3 persistable bool  5 is_parameter bool  6 stop_gradient bool
VarType
  1 type enum  2 selected_rows Tensor  3 lod_tensor Lod
Lod
  1 tensor Tensor  2 level int32
Tensor
  1 dtype enum  2 dims int64*
""")
_DTYPES = {
    0: "bool", 1: "int16", 2: "int32", 3: "int64", 4: "float16", 5: "float32", 6: "float64", 19: "uint64",
    20: "uint8", 21: "int8", 22: "bfloat16", 23: "complex64", 24: "complex128", 32: "float8_e4m3fn", 33: "float8_e5m2",
}  # fmt: skip
_SHORT = {
    "t_bool": "bool", "t_i8": "int8", "t_ui8": "uint8", "t_i16": "int16", "t_i32": "int32", "t_i64": "int64",
    "t_f16": "float16", "t_bf16": "bfloat16", "t_f32": "float32", "t_f64": "float64", "t_c64": "complex64",
    "t_c128": "complex128", "t_f8e4m3": "float8_e4m3fn", "t_f8e5m2": "float8_e5m2",
}  # fmt: skip
_LISTS = {3: "ints", 4: "floats", 5: "strings", 7: "bools", 10: "blocks", 11: "longs", 12: "doubles", 14: "vars"}
_ONES = {0: "i", 1: "f", 2: "s", 6: "b", 8: "block", 9: "l", 13: "var", 15: "double"}
_TENSOR, _ROWS = 7, 8
_SPECIAL = {"inf": float("inf"), "Infinity": float("inf"), "-inf": -float("inf"), "-Infinity": -float("inf"),
            "nan": float("nan"), "NaN": float("nan")}  # fmt: skip

Reference = Any
"""The name of a tensor, a list of such names, or None where an operand is left out."""


@dataclass
class Operator:
    """One operator. Version 2 keeps operands by name (`named`), version 3 in order (`inputs`)."""

    type: str
    inputs: list[Reference] = field(default_factory=list)
    outputs: list[Reference] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    named: dict[str, list[str]] = field(default_factory=dict)
    results: dict[str, list[str]] = field(default_factory=dict)
    scope: str = ""
    regions: list[list[Operator]] = field(default_factory=list)


@dataclass
class Tensor:
    """What a program says of a tensor: open sizes are negative."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    trainable: bool = False
    reference: str = ""


@dataclass
class Program:
    """A network: its operators in order, its inputs and outputs, and its weights by name."""

    version: int
    operators: list[Operator]
    inputs: list[Tensor]
    outputs: list[tuple[str, str]]
    parameters: dict[str, Tensor]


def is_program(path: Path) -> bool:
    """Whether a path is a program or its weights: by its name, and for `.json` by its first bytes."""
    name = path.name.lower()
    if name.endswith((".pdmodel", ".pdiparams")) or name == "__model__":
        return True
    if not name.endswith(".json"):
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(256)
    except OSError:
        return False
    return b'"base_code"' in head and b'"pir"' in head


def read_program(path: Path) -> Program:
    """The network in a file.

    Raises:
        InputError: the file is missing, damaged or something else.
    """
    if path.name.lower().endswith(".json"):
        return _Pir(path).program()
    return _described(wire.parse(mapped(path), _TABLES, "Program"), path)


# -- version 2


def _described(program: Record, path: Path) -> Program:
    blocks = program.records("blocks")
    if not blocks:
        raise InputError(f"{path} holds no program of PaddlePaddle", advice="is it complete?")
    known = {var.text("name"): var for var in blocks[0].records("vars")}
    found = Program(2, [], [], [], {})
    outputs: list[tuple[int, str]] = []
    for record in blocks[0].records("ops"):
        operator = _operator(record)
        if operator.type == "feed":
            name = _only(operator.results, path)
            if name not in known:
                raise InputError(f"{path}: the input {name!r} is not described")
            found.inputs.append(_tensor(known[name]))
        elif operator.type == "fetch":
            outputs.append((int(operator.attributes.get("col") or 0), _only(operator.named, path)))
        else:
            found.operators.append(operator)
    found.outputs = [(name, name) for _, name in sorted(outputs)]
    found.inputs.sort(key=lambda one: _column(blocks[0], one.name))
    for name, var in known.items():
        if var.flag("persistable") and var.record("type").get("type") in (_TENSOR, _ROWS):
            found.parameters[name] = _tensor(var)
    return found


def _column(block: Record, name: str) -> int:
    """The place of an input."""
    for record in block.records("ops"):
        if record.text("type") == "feed":
            operator = _operator(record)
            if [name] in operator.results.values():
                return int(operator.attributes.get("col") or 0)
    return 0


def _only(slots: dict[str, list[str]], path: Path) -> str:
    names = slots.get("Out") or slots.get("X") or []
    if len(names) != 1:
        raise InputError(f"{path}: an input or output names {len(names)} tensors")
    return names[0]


def _operator(record: Record) -> Operator:
    attributes = {one.text("name"): _attribute(one) for one in record.records("attrs")}
    named, results = (
        {one.text("parameter"): [str(a) for a in one.all("arguments")] for one in record.records(slot)}
        for slot in ("inputs", "outputs")
    )
    scope = str(attributes.get("struct_name") or attributes.get("op_namescope") or "")
    return Operator(record.text("type"), [], [], attributes, named, results, scope)


def _attribute(record: Record) -> Any:
    kind = record.get("type")
    if kind in _LISTS:
        return record.all(_LISTS[kind])
    if kind == 16:
        return _scalar(record.record("scalar"))
    if kind == 17:
        return [_scalar(one) for one in record.records("scalars")]
    name = _ONES.get(kind, "")
    return record.number(name) if name == "f" and name in record else record.get(name)


def _scalar(record: Record) -> Any:
    return record.get({1: "b", 2: "i", 3: "r"}.get(record.get("type"), ""))


def _tensor(var: Record) -> Tensor:
    kind = var.record("type")
    tensor = kind.record("lod_tensor").record("tensor") if "lod_tensor" in kind else kind.record("selected_rows")
    dtype = _DTYPES.get(tensor.get("dtype", -1), "")
    name = var.text("name")
    shape = tuple(int(size) for size in tensor.all("dims"))
    return Tensor(name, dtype, shape, not var.flag("stop_gradient"), name)


# -- version 3


class _Pir:
    """A program of PIR, whose dialects, types and attributes are shortened words."""

    def __init__(self, path: Path):
        self.path = path

    def program(self) -> Program:
        try:
            held = json.loads(text_of(self.path))
            (region, *_) = held["program"]["regions"]
            return self._read(region["blocks"][0]["ops"], int(held["base_code"].get("version", 0)))
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
            what = f"{type(error).__name__}: {error}"[:80]
            raise InputError(f"{self.path} is no program of PaddlePaddle: {what}", advice="is it complete?") from error

    def _read(self, operators: list[dict], version: int) -> Program:
        found = Program(3, [], [], [], {})
        outputs: list[tuple[int, str, str]] = []
        for held in operators:
            if held["#"] == "p":
                tensor = self._parameter(held)
                found.parameters[tensor.name] = tensor
                continue
            operator = self._operator(held)
            if operator.type == "data":
                found.inputs.append(self._input(operator, held))
            elif operator.type == "fetch":
                name, column = str(operator.attributes.get("name") or ""), operator.attributes.get("col") or 0
                outputs.append((int(column), name, operator.inputs[0]))
            else:
                found.operators.append(operator)
        found.outputs = [(name, reference) for _, name, reference in sorted(outputs, key=lambda one: one[0])]
        return found

    def _parameter(self, held: dict) -> Tensor:
        dtype, shape = self._type(held["O"]["TT"])
        flags = held.get("OA") or [1, 0, 1]
        return Tensor(str(held["A"][3]), dtype, shape, bool(flags[2]), f"%{int(held['O']['%'])}")

    def _input(self, operator: Operator, held: dict) -> Tensor:
        (out,) = held["O"]
        dtype, shape = self._type(out["TT"])
        return Tensor(str(operator.attributes["name"]), dtype, shape, False, operator.outputs[0])

    def _type(self, held: dict) -> tuple[str, tuple[int, ...]]:
        kind = held["#"].partition(".")[2]
        if "dtensor" not in kind:
            return "", ()
        dtype = _SHORT.get(held["D"][0]["#"].partition(".")[2], "")
        return dtype, tuple(int(size) for size in held["D"][1])

    def _operator(self, held: dict) -> Operator:
        attributes = {str(one["N"]): self._value(one["AT"]) for one in held.get("A", [])}
        outputs = held["O"] if isinstance(held["O"], list) else [held["O"]]
        regions = [
            [self._operator(inner) for block in region["blocks"] for inner in block["ops"]]
            for region in held.get("regions", ())
        ]
        return Operator(
            _word(str(held["#"])),
            [f"%{int(one['%'])}" if int(one["%"]) else None for one in held.get("I", [])],
            [f"%{int(one['%'])}" for one in outputs],
            attributes,
            scope=str(attributes.get("struct_name") or ""),
            regions=regions,
        )

    def _value(self, held: Any) -> Any:
        """An attribute as Python's own."""
        if isinstance(held, list):
            return [self._value(one) for one in held]
        if not isinstance(held, dict):
            return held
        found = self._value(held.get("D", held.get("VD")))
        return _SPECIAL.get(found, found) if "a_f" in str(held.get("#")) and isinstance(found, str) else found


_DIALECTS = ("0", "1", "2", "builtin", "pd_op", "cf")
_CUSTOM = ("3", "custom_op")


def _word(name: str) -> str:
    """The name of an operator without that of its dialect, where it is one of PaddlePaddle's own."""
    before, _, after = name.partition(".")
    if before in _CUSTOM and after:
        return f"custom.{after}"
    return after if before in _DIALECTS and after else name


# -- weights


def read_weights(path: Path, wanted: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """The weights of a program, from one file of them all or from a folder with a file for each.

    Raises:
        InputError: a file is missing or damaged.
        WeightsError: it holds the weights of another network.
    """
    if path.is_dir():
        return {name: _one(path / name, tensor) for name, tensor in wanted.items()}
    cursor = Cursor(mapped(path), str(path))
    if bytes(cursor.data[:1]) == b"\x80":
        raise InputError(f"{path} is a pickle of paddle.save, which may run code", advice="paddle.jit.save the network")
    arrays = []
    while cursor.left:
        arrays.append(_array(cursor))
    for names in (sorted(wanted), list(wanted)):
        if len(names) == len(arrays) and all(_fits(wanted[n], a) for n, a in zip(names, arrays, strict=True)):
            return dict(zip(names, arrays, strict=True))
    raise WeightsError(
        f"{path} holds {len(arrays)} tensors, and not the {len(wanted)} of the network",
        advice="do the network and the weights belong together?",
    )


def _one(path: Path, tensor: Tensor) -> np.ndarray:
    found = _array(Cursor(mapped(path), str(path)))
    if not _fits(tensor, found):
        raise WeightsError(f"{path} holds a tensor of {list(found.shape)} and must be {list(tensor.shape)}")
    return found


def _fits(tensor: Tensor, array: np.ndarray) -> bool:
    sizes = [a == b or a < 0 for a, b in zip(tensor.shape, array.shape, strict=False)]
    return len(tensor.shape) == array.ndim and all(sizes)


def _array(cursor: Cursor) -> np.ndarray:
    """The next tensor: versions, levels of lengths, a description, and the elements."""
    if cursor.number("I") != 0:
        raise InputError(f"{cursor.what} holds no weights of PaddlePaddle", advice="is it a .pdiparams?")
    levels = int(cursor.number("Q"))
    if levels > 16:
        raise InputError(f"{cursor.what} is damaged")
    for _ in range(levels):
        cursor.take(int(cursor.number("Q")))
    cursor.number("I")
    described = wire.parse(cursor.take(int(cursor.number("i"))), _TABLES, "Tensor")
    dtype = _DTYPES.get(described.get("dtype", -1))
    shape = tuple(int(size) for size in described.all("dims"))
    if dtype is None or any(size < 0 for size in shape) or product(shape) > LARGEST:
        raise InputError(f"{cursor.what} holds a tensor of shape {list(shape)} of {dtype or 'an unknown dtype'}")
    return cursor.array(numpy_dtype(dtype), shape)  # type: ignore[arg-type]
