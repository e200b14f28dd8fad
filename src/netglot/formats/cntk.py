"""CNTK's files, second version: a dictionary as protocol buffers that holds functions, variables and their values.

The table below states the fields that are used, numbered as in Microsoft's schema. Shapes stand first axis innermost
in the file, and are turned around here: a `Record` of a shape is a tuple, outermost first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from netglot.errors import InputError, Refusal, notimpl
from netglot.formats import wire
from netglot.formats.mapped import LARGEST, mapped
from netglot.formats.record import Record
from netglot.pivot.dims import product

SCHEMA = wire.schema("""
Dictionary
  1 version uint64  2 data Entry*
Entry
  1 key string  2 value Value
Value
  2 kind enum  3 bool bool  4 int int32  5 size uint64  6 float float  7 double double  8 string string  9 shape Shape
  10 axis Axis  11 vector Vector  12 dictionary Dictionary  13 array Array
Shape
  1 dim uint64*
Axis
  1 place int32  2 name string  3 ordered bool
Vector
  1 value Value*
Array
  1 dtype enum  2 storage enum  3 shape Shape  4 floats Floats  5 doubles Doubles
Floats
  1 value float*
Doubles
  1 value double*
""")

INFERRED, FREE = 2**64 - 1, 2**64 - 3
"""Sizes that a file leaves to be found out, and that change from run to run."""

_KINDS = {1: "bool", 2: "int", 3: "size", 4: "float", 5: "double", 6: "string"}
_EMPTY = {"bool": False, "int": 0, "size": 0, "float": 0.0, "double": 0.0, "string": ""}
OPS = (
    "Negate Sigmoid Tanh ReLU Exp Log Sqrt Floor Abs Reciprocal Softmax Hardmax TransposeAxes Where Slice Dropout "
    "Reshape Pooling SumAll Plus Minus ElementTimes Equal NotEqual Less LessEqual Greater GreaterEqual PackedIndex "
    "GatherPacked ScatterPacked Times TransposeTimes Convolution SquaredError CrossEntropyWithSoftmax "
    "ClassificationError PastValue FutureValue ReduceElements BatchNormalization Clip Select Splice Combine "
    "RandomSample RandomSampleInclusionFrequency ROIPooling Logistic OptimizedRNNStack ReconcileDynamicAxis "
    "LogSoftmax LogPlus CosDistance Sin Cos Pass Block Unpooling LambdaRank NDCG EditDistanceError NoOp "
    "LabelsToGraph StopGradient ELU ForwardBackward CosDistanceWithNegativeSamples OneHot Pow ToSequence "
    "ToSequenceLike UnpackSequence Assign Gather StableSigmoid RandomDistribution Sinh Cosh UnpackBatch ToBatch "
    "Asin Acos Pad Crop Atanh Asinh TopK Squeeze ConstantOp LatticeSequenceWithSoftmax Cast EyeLike CustomProxy "
    "StraightThrough Tan Atan ConvolutionSequenceShape"
).split()
"""The operations by the numbers that files give them."""

INPUT, OUTPUT, PARAMETER, CONSTANT, PLACEHOLDER = range(5)


class Axis:
    """An axis: `place` counts from the innermost, negative from the outermost; dynamic ones have a name only."""

    def __init__(self, held: Record):
        self.place = held.integer("place", 0)
        self.name = held.text("name")
        self.ordered = held.flag("ordered")

    @property
    def dynamic(self) -> bool:
        """Whether it is the batch, a sequence, or all axes."""
        return self.place > 2**30 or self.place < -(2**30)

    def __repr__(self) -> str:
        return f"Axis({self.name or self.place})"


class Array:
    """The value of a weight or constant; `load` gives it, outermost axis first."""

    def __init__(self, held: Record):
        self.shape = _shape(held.record("shape"))
        self.dtype = {1: "float32", 2: "float64"}.get(held.integer("dtype", 0), "")
        self.storage = held.integer("storage", 0)
        field = "floats" if self.dtype == "float32" else "doubles"
        self.parts = held.record(field).raw("value")

    def check(self, shape: tuple[int, ...]) -> None:
        """Asserts that it holds the elements of a shape.

        Raises:
            InputError: there are more or fewer.
            Refusal: they are stored in a form that is not read.
        """
        if not self.dtype or self.storage:
            raise Refusal(notimpl("a weight in half precision, in integers or stored sparsely"))
        count = sum(np.size(one) for one in self.parts)
        if self.shape != shape or product(shape) != count:
            raise InputError(f"a weight holds {count} numbers, and its shape {list(shape)} takes others")

    def load(self) -> np.ndarray:
        """The elements.

        Raises:
            InputError: there are more or fewer than the shape says.
            Refusal: they are stored in a form that is not read.
        """
        if not self.dtype or self.storage:
            raise Refusal(notimpl("a weight in half precision, in integers or stored sparsely"))
        parts = [np.atleast_1d(one) for one in self.parts]
        held = parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else np.zeros(0, "float32")
        if product(self.shape) > LARGEST or product(self.shape) != held.size:
            raise InputError(f"a weight holds {held.size} numbers, and its shape {list(self.shape)} takes others")
        return held.reshape(self.shape)


@dataclass
class Variable:
    """An input, weight or constant; `dynamic` names its dynamic axes, batch first. Sizes below 0 are free."""

    uid: str
    name: str
    kind: int
    shape: tuple[int, ...]
    dynamic: tuple[str, ...]
    dtype: str
    sparse: bool
    array: Array | None


@dataclass
class Function:
    """One function. A block has the `root` of what it stands for, and which variable each placeholder there is; one
    that a user defined has its `own` class."""

    uid: str
    name: str
    op: str
    inputs: list[str]
    options: Record
    root: str = ""
    places: dict[str, str] = field(default_factory=dict)
    own: str = ""


@dataclass
class Model:
    """Functions and variables by their names in the file; functions come in no order."""

    functions: dict[str, Function]
    variables: dict[str, Variable]
    root: str


def read_model(path: Path) -> Model:
    """The network in a file, composites of blocks included.

    Raises:
        InputError: the file is missing, damaged or something else.
        Refusal: it is of the first version.
    """
    held = read_dictionary(path)
    if held.text("type") != "CompositeFunction" or not held.text("root"):
        raise InputError(f"{path} holds no network of CNTK", advice="is it a model or a checkpoint's trainer state?")
    model = Model({}, {}, held.text("root"))
    _collect(held, model, 0)
    if model.root not in model.functions:
        raise InputError(f"{path} lacks the function {model.root}", advice="is the file complete?")
    return model


def _collect(composite: Record, model: Model, depth: int) -> None:
    if depth > 32:
        raise InputError("blocks are nested too deeply")
    for one in _list(composite, "inputs"):
        variable = _variable(one)
        model.variables[variable.uid] = variable
    for one in _list(composite, "primitive_functions"):
        if not isinstance(one, Record) or not one.text("uid"):
            raise InputError("a function without a name")
        function = _function(one)
        model.functions[function.uid] = function
        if "block_function_composite" in one:
            _collect(one.record("block_function_composite"), model, depth + 1)


def _variable(held: Any) -> Variable:
    if not isinstance(held, Record) or not held.text("uid"):
        raise InputError("a variable without a name")
    shape, array, axes = held.get("shape", ()), held.raw("value"), _list(held, "dynamic_axis")
    array = array[0] if array and isinstance(array[0], Array) else None
    if not isinstance(shape, tuple) or not all(isinstance(one, Axis) for one in axes):
        shape = held.raw("shape")[0] if held.raw("shape") and isinstance(held.raw("shape")[0], tuple) else None
        if shape is None:
            raise InputError(f"{held.text('uid')} has no shape")
    return Variable(
        held.text("uid"),
        held.text("name"),
        held.integer("kind", -1),
        tuple(size if size < 2**62 else -1 for size in shape),
        tuple(axis.name for axis in reversed(axes) if isinstance(axis, Axis)),
        {2: "float64"}.get(held.integer("data_type", 1), "float32"),
        held.flag("is_sparse"),
        array,
    )


def _function(held: Record) -> Function:
    number = held.integer("op", -1)
    op = OPS[number] if 0 <= number < len(OPS) else held.text("op_name") or held.text("type") or "an unknown function"
    inputs = [str(one) for one in _list(held, "inputs")]
    made = Function(held.text("uid"), held.text("name"), op, inputs, held.record("attributes"))
    if held.text("type") == "UserDefinedFunction":
        state = held.record("user_defined_state")
        made.own = state.text("class") or held.text("op_name") or made.name or made.uid
        made.options = state.record("state")
    if op == "Block":
        made.op = held.text("block_function_op_name") or "Block"
        made.root = held.record("block_function_composite").text("root")
        keys = _list(held, "block_function_composite_arguments_map_keys")
        values = _list(held, "block_function_composite_arguments_map_values")
        if len(keys) != len(values):
            raise InputError(f"the block {made.uid} has {len(values)} operands where it takes {len(keys)}")
        made.places = {str(key): str(value) for key, value in zip(keys, values, strict=True)}
    return made


def _list(held: Record, name: str) -> list:
    found = held.raw(name)
    return found[0] if found and isinstance(found[0], list) else []


def read_dictionary(path: Path) -> Record:
    """The dictionary in a file: a `Record` whose fields hold one value each, lists as Python lists.

    Raises:
        InputError: the file is missing, damaged or something else.
        Refusal: it is of the first version.
    """
    data = mapped(path)
    if bytes(data[:8]) == b"B\0C\0N\0\0\0" or bytes(data[:6]) == b"B\0C\0N\0":
        raise Refusal(
            notimpl(
                f"{path} is of CNTK's first version, which numbers its nodes by the program that wrote it; "
                "load and save it with CNTK 2 first"
            )
        )
    return _dictionary(wire.parse(data, SCHEMA, "Dictionary"), "Model")


def _dictionary(held: Record, kind: str) -> Record:
    made = Record(kind)
    for entry in held.records("data"):
        made.fields[entry.text("key")] = [_value(entry.record("value"))]
    return made


def _value(held: Record) -> Any:
    kind = held.integer("kind", 0)
    if kind in _KINDS:
        return held.get(_KINDS[kind], _EMPTY[_KINDS[kind]])
    if kind == 7:
        return _shape(held.record("shape"))
    if kind == 8:
        return Axis(held.record("axis"))
    if kind == 9:
        return [_value(one) for one in held.record("vector").records("value")]
    if kind == 10:
        return _dictionary(held.record("dictionary"), "dictionary")
    return Array(held.record("array")) if kind == 11 else None


def _shape(held: Record) -> tuple[int, ...]:
    return tuple(int(one) for one in reversed(held.all("dim")))
