"""TensorFlow Lite's files (`.tflite`): flatbuffers with tensors, operators and buffers.

Tables and fields are numbered as in TensorFlow's schema; of its options each reader asks for those that it needs, by
number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from netglot.errors import InputError
from netglot.formats.flat import Table
from netglot.formats.mapped import LARGEST, mapped
from netglot.pivot.dims import product

OPERATORS = (
    "ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP FLOOR "
    "FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOGISTIC "
    "LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH "
    "SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER "
    "BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE "
    "BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM "
    "ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE "
    "TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK "
    "LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL "
    "FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL "
    "REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND "
    "HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM "
    "BATCH_MATMUL PLACEHOLDER CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL COMPLEX_ABS HASHTABLE "
    "HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE "
    "ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU "
    "DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_SUM ATAN2 "
    "UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT"
).split()
"""The operators by their number."""

DTYPES = dict(
    enumerate(
        "float32 float16 int32 uint8 int64 string bool int16 complex64 int8 float64 complex128 uint64 resource variant "
        "uint32 uint16 int4".split()
    )
)
"""The dtypes by their number."""


@dataclass(frozen=True)
class Quantisation:
    """Real numbers are `(stored - zero) * scale`, per tensor or per element of `axis`."""

    scale: np.ndarray
    zero: np.ndarray
    axis: int

    def along(self, rank: int) -> tuple[np.ndarray, np.ndarray]:
        """Scale and zero as they broadcast against the tensor."""
        if self.scale.size == 1:
            return self.scale.reshape(()), self.zero.reshape(())
        shape = [1] * rank
        shape[self.axis] = self.scale.size
        return self.scale.reshape(shape), self.zero.reshape(shape)

    def real(self, stored: np.ndarray) -> np.ndarray:
        """The real numbers of stored ones."""
        scale, zero = self.along(stored.ndim)
        with np.errstate(over="ignore", invalid="ignore"):  # a damaged scale
            return ((stored.astype("float64") - zero) * scale).astype("float32")

    def same(self, other: Quantisation | None) -> bool:
        """Whether two tensors store numbers alike."""
        return other is not None and np.array_equal(self.scale, other.scale) and np.array_equal(self.zero, other.zero)


@dataclass
class Tensor:
    """One tensor as declared. `shape` has -1 where the size is open; `data` is what a constant holds."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: np.ndarray | None
    quantisation: Quantisation | None
    variable: bool = False


@dataclass
class Operator:
    """One operator: tensors by number, -1 for those that are absent; `options` is its table of options.

    `custom` are the options of one that a user defined, as bytes.
    """

    type: str
    inputs: list[int]
    outputs: list[int]
    options: Table | None
    custom: bytes = b""


@dataclass
class Subgraph:
    """A graph: of the network, or of a branch or loop in it."""

    tensors: list[Tensor]
    inputs: list[int]
    outputs: list[int]
    operators: list[Operator]


@dataclass
class Model:
    """A file. `names` are those that its signature gives to inputs and outputs, by tensor."""

    subgraphs: list[Subgraph]
    input_names: dict[int, str] = field(default_factory=dict)
    output_names: dict[int, str] = field(default_factory=dict)


def read_model(path: Path) -> Model:
    """What a `.tflite` holds. No weight is copied.

    Raises:
        InputError: the file is missing, damaged or something else.
    """
    data = mapped(path)
    try:
        root = Table.root(data, b"TFL3")
        codes = [_code(one) for one in root.tables(1)]
        buffers = [_buffer(one, data) for one in root.tables(4)]
        graphs = [_subgraph(one, codes, buffers) for one in root.tables(2)]
        if not graphs:
            raise InputError("it holds no graph")
        model = Model(graphs)
        for signature in root.tables(7)[:1]:
            if signature.number(4, "I") == 0:
                model.input_names = {one.number(1, "I"): one.text(0) for one in signature.tables(0)}
                model.output_names = {one.number(1, "I"): one.text(0) for one in signature.tables(1)}
    except InputError as error:
        raise InputError(f"{path}: {error.message}", advice=error.advice) from error
    return model


def _code(table: Table) -> str:
    number = max(table.number(0, "b"), table.number(3, "i"))
    if number == 32:
        return f"CUSTOM:{table.text(1)}"
    return OPERATORS[number] if 0 <= number < len(OPERATORS) else f"OPERATOR_{number}"


def _buffer(table: Table, data: memoryview) -> memoryview | None:
    offset, size = table.number(1, "Q"), table.number(2, "Q")
    if offset > 1 and size:
        if offset + size > len(data):
            raise InputError("a buffer reaches beyond the end of the file")
        return data[offset : offset + size]
    return table.bytes(0)


def _subgraph(table: Table, codes: list[str], buffers: list[memoryview | None]) -> Subgraph:
    tensors = [_tensor(one, buffers) for one in table.tables(0)]
    operators = []
    for one in table.tables(3):
        code = one.number(0, "I")
        if code >= len(codes):
            raise InputError(f"an operator of type {code} of {len(codes)}")
        custom = bytes(one.bytes(5) or b"")
        operators.append(Operator(codes[code], one.list(1), one.list(2), one.table(4), custom))
    graph = Subgraph(tensors, table.list(1), table.list(2), operators)
    used = [*graph.inputs, *graph.outputs, *(n for o in operators for n in (*o.inputs, *o.outputs))]
    if any(not -1 <= number < len(tensors) for number in used):
        raise InputError(f"a tensor is used that is none of the {len(tensors)}")
    return graph


def _tensor(table: Table, buffers: list[memoryview | None]) -> Tensor:
    fixed, open_ = table.list(0), table.list(7)
    shape = tuple(open_ if len(open_) == len(fixed) else fixed)
    name, number = table.text(3), table.number(2, "I")
    dtype = DTYPES.get(table.number(1, "b"), "")
    if number >= len(buffers):
        raise InputError(f"the tensor {name!r} is in buffer {number} of {len(buffers)}")
    if any(size < -1 for size in shape) or product(abs(size) for size in shape) > LARGEST:
        raise InputError(f"the tensor {name!r} has the shape {list(shape)}")
    held = buffers[number]
    data = _data(held, dtype, tuple(fixed), name) if held is not None and len(held) else None
    return Tensor(name, dtype, shape, data, _quantisation(table.table(4), shape), table.flag(5))


def _data(held: memoryview, dtype: str, shape: tuple[int, ...], name: str) -> np.ndarray | None:
    if dtype in ("string", "resource", "variant", ""):
        return None
    if dtype == "int4":
        bytes_ = np.frombuffer(held, np.int8)
        both = np.stack([bytes_ << 4 >> 4, bytes_ >> 4], -1).reshape(-1)
        if both.size - product(shape) not in (0, 1):
            raise InputError(f"the tensor {name!r} of shape {list(shape)} holds {both.size} numbers")
        return both[: product(shape)].reshape(shape)
    wide = np.dtype(dtype)
    if product(shape) * wide.itemsize != len(held):
        raise InputError(f"the tensor {name!r} of shape {list(shape)} holds {len(held)} bytes")
    return np.frombuffer(held, wide.newbyteorder("<")).reshape(shape)


def _quantisation(table: Table | None, shape: tuple[int, ...]) -> Quantisation | None:
    if table is None:
        return None
    scale, zero = table.vector(2, "<f4"), table.vector(3, "<i8")
    if not scale.size:
        return None
    axis = table.number(6, "i")
    zero = zero if zero.size == scale.size else np.zeros(scale.size, "int64")
    if scale.size > 1 and (not 0 <= axis < len(shape) or shape[axis] != scale.size):
        raise InputError(f"{scale.size} scales along axis {axis} of {list(shape)}")
    with np.errstate(invalid="ignore"):  # a damaged scale
        return Quantisation(scale.astype("float64"), zero, axis)
