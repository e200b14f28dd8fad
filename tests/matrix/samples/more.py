"""Operators that few networks call: further names, sequences, and losses on odd targets."""

import numpy as np

from netglot.pivot.op import rand
from samples import call

X, PAIR = rand(2, 3, 4), [rand(2, 3), rand(4)]
IDS, VALUES = np.array([2, 0]), rand(2, 4)
LABELS = np.array([0, 3, 1])
LOG = np.log(np.exp(rand(6, 2, 4)) / np.exp(rand(6, 2, 4)).sum(-1, keepdims=True))
TARGETS, LENGTHS, TARGET_LENGTHS = np.array([[1, 2, 2], [3, 1, 0]]), np.array([6, 5]), np.array([3, 2])
WIDE = rand(2, 4, 6, 2)

SAMPLES = [
    call("aten.to.dtype", X, "float32"),
    call("aten.to.dtype", X, "int64"),
    call("aten.view.dtype", rand(2, 3), "float64"),
    call("aten._safe_softmax.default", np.array([[1.0, 2.0, -1.0], [-np.inf] * 3]), 1),
    call("aten.special_logsumexp.default", X, [1]),
    call("aten.special_log_softmax.default", X, 1),
    call("aten._reshape_alias.default", X, [6, 4], [4, 1]),
    call("aten.moveaxis.int", X, 0, 2),
    call("aten.atleast_1d.Sequence", PAIR),
    call("aten.atleast_2d.Sequence", PAIR),
    call("aten.atleast_3d.Sequence", PAIR),
    call("aten.row_stack.default", [rand(3), rand(3, seed=1)]),
    call("aten.hsplit.array", WIDE, [1, 3]),
    call("aten.vsplit.int", WIDE, 2),
    call("aten.dsplit.int", WIDE, 3),
    call("aten.dsplit.array", WIDE, [2, 5]),
    call("aten.unsafe_chunk.default", WIDE, 3, 2),
    call("aten.unsafe_split.Tensor", WIDE, 4, 2),
    call("aten.unsafe_split_with_sizes.default", WIDE, [1, 5], 2),
    call("aten.reflection_pad2d.default", WIDE, [1, 0, 2, 3]),
    call("aten.replication_pad1d.default", X, [2, 3]),
    call("aten.replication_pad3d.default", rand(1, 2, 2, 3, 4), [1, 2, 0, 1, 2, 2]),
    call("aten._pad_circular.default", X, [2, 1]),
    call("aten.unfold_copy.default", X, 2, 3, 1),
    call("aten.narrow_copy.default", X, 1, 1, 2),
    call("aten.select_copy.int", X, 1, -1),
    call("aten.index.Tensor_hacked_twin", X[0], [IDS]),
    call("aten._unsafe_index.Tensor", X[0], [IDS]),
    call("aten.index_put.hacked_twin", X[0], [IDS], VALUES, True),
    call("aten._unsafe_index_put.default", X[0], [IDS], VALUES),
    call("aten.where.Scalar", rand(3, dtype="bool"), 1.5, 2.5),
    call("aten.linspace.Tensor_Tensor", np.array(-1.0), np.array(2.0), 4, dtype="float64"),
    call("aten.linspace.Tensor_Scalar", np.array(-1.0), 2.0, 4, dtype="float64"),
    call("aten.linspace.Scalar_Tensor", -1.0, np.array(2.0), 4, dtype="float64"),
    call("aten.norm.ScalarOpt_dim_dtype", X.astype("float32"), 2, [1], True, dtype="float64"),
    call("aten.norm.ScalarOpt_dtype", X.astype("float32"), 2, dtype="float64"),
    call("aten.linalg_matrix_norm.default", X, 1),
    call("aten.linalg_matrix_norm.default", X, float("inf")),
    call("aten.linalg_norm.ord_str", X, "fro", [1, 2]),
    call("aten.renorm.default", X, 2, 1, 1.5),
    call("aten.searchsorted.Scalar", np.array([1.0, 2.0, 3.0]), 2.5),
    call("aten.bucketize.Scalar", 2.5, np.array([1.0, 2.0, 3.0])),
    call("aten.native_dropout.default", X, 0.3, False),
    call(
        "aten.embedding_bag.padding_idx",
        VALUES,
        np.array([1, 0, 1]),
        np.array([0, 2]),
        False,
        0,
        False,
        None,
        False,
        -1,
    ),
    call("aten.cosine_embedding_loss.default", rand(3, 4), rand(3, 4, seed=1), np.array([1.0, -1.0, 1.0]), 0.1),
    call("aten.multi_margin_loss.default", rand(3, 4), LABELS, 2, 0.7, rand(4, low=0.1)),
    call("aten.multilabel_margin_loss.default", rand(2, 4), np.array([[3, 0, -1, 1], [1, -1, 0, 2]])),
    call("aten.ctc_loss.Tensor", LOG, TARGETS, LENGTHS, TARGET_LENGTHS),
    call("aten.ctc_loss.IntList", LOG, TARGETS, [6, 5], [3, 2], 0, 2),
]

SAMPLES += [call("aten.quantile.scalar", X, q, 1, keep) for q in (0.3, 1.0) for keep in (True, False)]
SAMPLES += [
    call("aten.quantile.default", X, np.array([0.1, 0.5]), axis, True, interpolation=how)
    for axis in (None, 1)
    for how in ("linear", "lower", "higher", "midpoint", "nearest")
]
SAMPLES += [
    call("aten.logspace.Tensor_Tensor", np.array(-1.0), np.array(2.0), 4, dtype="float64"),
    call("aten.logspace.Tensor_Scalar", np.array(-1.0), 2.0, 4, 2.0, dtype="float64"),
    call("aten.logspace.Scalar_Tensor", -1.0, np.array(2.0), 4, dtype="float64"),
    call("aten.linalg_matrix_norm.default", X, 2, [0, 2], True),
    call("aten.linalg_matrix_norm.default", X, -2),
    call("aten.linalg_matrix_norm.str_ord", X, "nuc", [2, 0]),
    call("aten.arange.start_step", 0.1, -7.9, -4.0, dtype="int64"),
    call("aten.searchsorted.Tensor", np.sort(rand(2, 5)), rand(2, 3), right=True),
    call("aten.tensordot.default", rand(1, 1, 1), rand(2, 1, 2), [0, 1], [2, 0]),
    call("aten.div.Tensor_mode", np.array([-7, 7, -6]), np.array([2, -2, 3]), rounding_mode="trunc"),
    call("aten.div.Scalar_mode", np.array([-7, 7, -6]), -2, rounding_mode="trunc"),
    call("aten.div.Tensor_mode", np.array([1.0, -1.0]), np.array([0.1, 0.1]), rounding_mode="floor"),
]
SAMPLES += [call("aten.nuclear_norm.dim", X, [1, 2], True)]
