"""Operators that are TensorFlow's raw ops under another name, with their options by number."""

from __future__ import annotations

import numpy as np

from netglot.dialects.tflite.dialect import tflite
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.graph import Part
from netglot.pivot.op import normal_axis, shape_of, type_of

_UNARY = {
    "ABS": "Abs", "CEIL": "Ceil", "COS": "Cos", "EXP": "Exp", "FLOOR": "Floor", "LOG": "Log",
    "LOGICAL_NOT": "LogicalNot", "LOGISTIC": "Sigmoid", "NEG": "Neg", "ROUND": "Round", "RSQRT": "Rsqrt",
    "SIGN": "Sign", "SIN": "Sin", "SQRT": "Sqrt", "SQUARE": "Square", "TANH": "Tanh",
}  # fmt: skip
_BINARY = {
    "EQUAL": "Equal", "NOT_EQUAL": "NotEqual", "LESS": "Less", "LESS_EQUAL": "LessEqual", "GREATER": "Greater",
    "GREATER_EQUAL": "GreaterEqual", "MAXIMUM": "Maximum", "MINIMUM": "Minimum", "POW": "Pow", "FLOOR_DIV": "FloorDiv",
    "FLOOR_MOD": "FloorMod", "LOGICAL_AND": "LogicalAnd", "LOGICAL_OR": "LogicalOr", "ATAN2": "Atan2",
    "SQUARED_DIFFERENCE": "SquaredDifference", "BITWISE_XOR": "BitwiseXor", "RIGHT_SHIFT": "RightShift",
}  # fmt: skip
_FUSED = {"ADD": "AddV2", "SUB": "Sub", "MUL": "Mul", "DIV": "RealDiv"}
_REDUCTIONS = {
    "MEAN": "Mean", "SUM": "Sum", "REDUCE_MAX": "Max", "REDUCE_MIN": "Min", "REDUCE_PROD": "Prod", "REDUCE_ANY": "Any",
    "REDUCE_ALL": "All",
}  # fmt: skip


def _declare() -> None:
    for name, raw in _UNARY.items():
        tflite.reads(name)(lambda node, x, raw=raw: node.tensorflow(raw, x=x))
    for name, raw in _BINARY.items():
        tflite.reads(name)(lambda node, x, y, raw=raw: node.tensorflow(raw, x=x, y=y))
    for name, raw in _FUSED.items():
        tflite.reads(name)(lambda node, x, y, raw=raw: node.activated(node.tensorflow(raw, x=x, y=y), 0))
    for name, raw in _REDUCTIONS.items():
        tflite.reads(name)(
            lambda node, x, axes, raw=raw: node.tensorflow(raw, input=x, reduction_indices=axes, keep_dims=node.flag(0))
        )


_declare()


@tflite.reads("RESHAPE")
def reshape(node, x, shape=None):
    return node.tensorflow("Reshape", tensor=x, shape=np.array(node.numbers(0)) if shape is None else shape)


@tflite.reads("TRANSPOSE")
def transpose(node, x, perm):
    return node.tensorflow("Transpose", x=x, perm=perm)


@tflite.reads("EXPAND_DIMS")
def expand_dims(node, x, axis):
    return node.tensorflow("ExpandDims", input=x, dim=axis)


@tflite.reads("SQUEEZE")
def squeeze(node, x):
    return node.tensorflow("Squeeze", input=x, squeeze_dims=node.numbers(0))


@tflite.reads("CONCATENATION")
def concatenation(node, *xs):
    joined = node.tensorflow("ConcatV2", values=list(xs), axis=np.array(node.number(0)))
    return node.activated(joined, 1)


@tflite.reads("PACK")
def pack(node, *xs):
    return node.tensorflow("Pack", values=list(xs), axis=node.number(1))


@tflite.reads("UNPACK")
def unpack(node, x):
    return node.tensorflow("Unpack", value=x, num=node.number(0), axis=node.number(1))


@tflite.reads("SPLIT")
def split(node, axis, x):
    return node.tensorflow("Split", split_dim=axis, value=x, num_split=node.number(0))


@tflite.reads("SPLIT_V")
def split_v(node, x, sizes, axis):
    return node.tensorflow("SplitV", value=x, size_splits=sizes, split_dim=axis)


@tflite.reads("STRIDED_SLICE")
def strided_slice(node, x, begin, end, strides):
    names = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    masks = {name: node.number(field) for field, name in enumerate(names)}
    if node.flag(5):
        raise Refusal(notimpl("a slice whose ends are offsets"))
    return node.tensorflow("StridedSlice", input=x, begin=begin, end=end, strides=strides, **masks)


@tflite.reads("SLICE")
def slice_(node, x, begin, size):
    return node.tensorflow("Slice", input=x, begin=begin, size=size)


@tflite.reads("GATHER")
def gather(node, x, indices):
    if type_of(x).dtype == "int64":
        x = ops.Identity(x)
    return node.tensorflow(
        "GatherV2", params=x, indices=indices, axis=np.array(node.number(0)), batch_dims=node.number(1)
    )


@tflite.reads("GATHER_ND")
def gather_nd(node, x, indices):
    return node.tensorflow("GatherNd", params=x, indices=indices)


@tflite.reads("EMBEDDING_LOOKUP")
def embedding_lookup(node, ids, table):
    return ops.Embedding(ids, node.weight(table, "weight"), None)


@tflite.reads("TILE")
def tile(node, x, times):
    return node.tensorflow("Tile", input=x, multiples=times)


@tflite.reads("BROADCAST_TO")
def broadcast_to(node, x, shape):
    return node.tensorflow("BroadcastTo", input=x, shape=shape)


@tflite.reads("FILL")
def fill(node, shape, value):
    return node.tensorflow("Fill", dims=shape, value=value)


@tflite.reads("ZEROS_LIKE")
def zeros_like(node, x):
    return node.tensorflow("ZerosLike", x=x)


@tflite.reads("RANGE")
def range_(node, start, limit, delta):
    return node.tensorflow("Range", start=start, limit=limit, delta=delta, Tidx=str(np.asarray(start).dtype))


@tflite.reads("PAD")
def pad(node, x, amounts):
    return node.tensorflow("Pad", input=x, paddings=amounts)


@tflite.reads("PADV2")
def pad_v2(node, x, amounts, value):
    return node.tensorflow("PadV2", input=x, paddings=amounts, constant_values=value)


@tflite.reads("MIRROR_PAD")
def mirror_pad(node, x, amounts):
    mode = ("REFLECT", "SYMMETRIC")[node.number(0, "b") & 1]
    return node.tensorflow("MirrorPad", input=x, paddings=amounts, mode=mode)


@tflite.reads("REVERSE_V2")
def reverse(node, x, axes):
    return node.tensorflow("ReverseV2", tensor=x, axis=axes)


@tflite.reads("DEPTH_TO_SPACE")
def depth_to_space(node, x):
    return node.tensorflow("DepthToSpace", input=x, block_size=node.number(0))


@tflite.reads("SPACE_TO_DEPTH")
def space_to_depth(node, x):
    return node.tensorflow("SpaceToDepth", input=x, block_size=node.number(0))


@tflite.reads("SPACE_TO_BATCH_ND")
def space_to_batch(node, x, block, amounts):
    return node.tensorflow("SpaceToBatchND", input=x, block_shape=block, paddings=amounts)


@tflite.reads("BATCH_TO_SPACE_ND")
def batch_to_space(node, x, block, amounts):
    return node.tensorflow("BatchToSpaceND", input=x, block_shape=block, crops=amounts)


@tflite.reads("CAST")
def cast(node, x):
    return node.tensorflow("Cast", x=x, DstT=node.dtype(1))


@tflite.reads("SELECT", "SELECT_V2")
def select(node, condition, x, y):
    short = len(shape_of(x)) - len(shape_of(condition))
    if node.operator.type == "SELECT" and short > 0:  # a vector chooses rows
        condition = ops.Reshape(node.operand(condition), (*shape_of(condition), *(1,) * short))
    return node.tensorflow("SelectV2", condition=condition, t=x, e=y)


@tflite.reads("ARG_MAX", "ARG_MIN")
def arg_max(node, x, axis):
    name = "ArgMax" if node.operator.type == "ARG_MAX" else "ArgMin"
    return node.tensorflow(name, input=x, dimension=axis, output_type=node.dtype(0))


@tflite.reads("TOPK_V2")
def top_k(node, x, k):
    best = node.tensorflow("TopKV2", input=x, k=k)
    return [Part(best, 0), Part(best, 1)]


@tflite.reads("ONE_HOT")
def one_hot(node, indices, depth, on, off):
    return node.tensorflow("OneHot", indices=indices, depth=depth, on_value=on, off_value=off, axis=node.number(0))


@tflite.reads("CUMSUM")
def cumsum(node, x, axis):
    return node.tensorflow("Cumsum", x=x, axis=axis, exclusive=node.flag(0), reverse=node.flag(1))


@tflite.reads("ADD_N")
def add_n(node, *xs):
    return node.tensorflow("AddN", inputs=list(xs))


@tflite.reads("SCATTER_ND")
def scatter_nd(node, indices, updates, shape):
    return node.tensorflow("ScatterNd", indices=indices, updates=updates, shape=shape)


@tflite.reads("RESIZE_BILINEAR")
def resize_bilinear(node, x, size):
    return node.tensorflow(
        "ResizeBilinear", images=x, size=size, align_corners=node.flag(2), half_pixel_centers=node.flag(3)
    )


@tflite.reads("RESIZE_NEAREST_NEIGHBOR")
def resize_nearest(node, x, size):
    return node.tensorflow(
        "ResizeNearestNeighbor", images=x, size=size, align_corners=node.flag(0), half_pixel_centers=node.flag(1)
    )


@tflite.reads("BATCH_MATMUL")
def batch_matmul(node, x, y):
    return node.tensorflow("BatchMatMulV2", x=x, y=y, adj_x=node.flag(0), adj_y=node.flag(1))


@tflite.reads("DYNAMIC_UPDATE_SLICE")
def dynamic_update_slice(node, x, update, start):
    for axis, (first, size) in enumerate(zip(node.array(start, "places").tolist(), shape_of(update), strict=True)):
        if size != shape_of(x)[axis]:
            others = [a for a in range(len(shape_of(x))) if a != axis]
            if any(shape_of(update)[a] != shape_of(x)[a] for a in others):
                raise Refusal(notimpl("an update of several axes at once"))
            return ops.SliceUpdate(node.operand(x), node.operand(update), axis, first, first + size, 1)
    return ops.Identity(node.operand(update))


@tflite.reads("REVERSE_SEQUENCE")
def reverse_sequence(node, x, lengths):
    axis = normal_axis(node.number(0), len(shape_of(x)))
    if not np.all(node.array(lengths, "lengths") == shape_of(x)[axis]):
        raise Refusal(notimpl("sequences of different lengths reversed"))
    return ops.Flip(x, (axis,))


# -- matrices, and what depends on the data


@tflite.reads("MATRIX_DIAG")
def matrix_diag(node, x):
    rank = len(shape_of(x))
    return ops.DiagonalEmbed(x, 0, rank - 1, rank)


@tflite.reads("MATRIX_SET_DIAG")
def matrix_set_diag(node, x, diagonal):
    *_, rows, columns = shape_of(x)
    if not isinstance(rows, int) or not isinstance(columns, int):
        raise Refusal(notimpl("a diagonal of a matrix whose size is not known"))
    on = node.operand(np.eye(rows, columns, dtype=bool))
    side = max(rows, columns)
    rank, short = len(shape_of(x)), min(rows, columns)
    before, after = (0,) * (rank - 1), (*(0,) * (rank - 2), side - short)
    wide = ops.Pad(node.operand(diagonal), before, after, "constant", 0.0) if side > short else node.operand(diagonal)
    square = ops.DiagonalEmbed(wide, 0, rank - 2, rank - 1)
    cut = ops.Slice(ops.Slice(square, rank - 2, 0, rows, 1), rank - 1, 0, columns, 1)
    return ops.Where(on, cut, x)


for _name in ("NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5"):
    tflite.refuses_reading(
        _name, never("how many boxes are left depends on what is seen", "cut the network before it: boxes and scores")
    )
for _name in ("WHERE", "UNIQUE"):
    tflite.refuses_reading(_name, never("how many elements there are depends on the data"))
for _name in ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"):
    tflite.refuses_reading(
        _name, notimpl("a variable that outlives a call", "export a network that is handed its states")
    )
for _name in ("HASHTABLE", "HASHTABLE_FIND", "HASHTABLE_LOOKUP"):
    tflite.refuses_reading(_name, notimpl("a table of words", "look words up before the network"))
