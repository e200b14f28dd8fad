"""Classical models in ONNX files, held against onnxruntime."""

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnxruntime
from onnx import TensorProto, helper
from tests.onnx_read.models import graph_of, result

from netglot.errors import UnsupportedOps

ROWS = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")


def compare(kind, outputs=("y",), version=3, rows=ROWS, **attributes):
    made = helper.make_node(kind, ["x"], list(outputs), domain="ai.onnx.ml", **attributes)
    codes = {"label": TensorProto.INT64}
    graph = helper.make_graph(
        [made],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", rows.shape[1]])],
        [helper.make_tensor_value_info(name, codes.get(name, TensorProto.FLOAT), None) for name in outputs],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", version)]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    found = result(graph_of(proto), rows)
    found = list(found.values()) if isinstance(found, dict) else [found]
    for one, other in zip(found, session.run(None, {"x": rows}), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


FOREST = {
    "nodes_treeids": [0, 0, 0, 0, 0, 1, 1, 1],
    "nodes_nodeids": [0, 1, 2, 3, 4, 0, 1, 2],
    "nodes_featureids": [0, 2, 0, 0, 0, 1, 0, 0],
    "nodes_values": [0.1, -0.4, 0.0, 0.0, 0.0, 0.3, 0.0, 0.0],
    "nodes_modes": ["BRANCH_LEQ", "BRANCH_LEQ", "LEAF", "LEAF", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF"],
    "nodes_truenodeids": [1, 2, 0, 0, 0, 1, 0, 0],
    "nodes_falsenodeids": [4, 3, 0, 0, 0, 2, 0, 0],
}
LEAVES = {"treeids": [0, 0, 0, 1, 1], "nodeids": [2, 3, 4, 1, 2]}


def leaves(what, ids, weights):
    named = {f"{what}_{name}": held for name, held in LEAVES.items()}
    return FOREST | named | {f"{what}_ids": ids, f"{what}_weights": weights}


@pytest.mark.parametrize("fold", ["SUM", "AVERAGE", "MAX"])
def test_trees_with_numbers_at_their_leaves(fold):
    given = leaves("target", [0] * 5, [1.0, -2.0, 0.5, 3.0, -0.25])
    compare("TreeEnsembleRegressor", n_targets=1, aggregate_function=fold, base_values=[0.75], **given)


def test_trees_that_know_what_to_do_with_missing_numbers():
    rows = ROWS.copy()
    rows[::3, 1] = rows[1::4, 0] = np.nan
    given = leaves("target", [0, 1, 1, 0, 1], [1.0, -2.0, 0.5, 3.0, -0.25])
    compare(
        "TreeEnsembleRegressor",
        rows=rows,
        n_targets=2,
        nodes_missing_value_tracks_true=[1, 0, 0, 0, 0, 0, 0, 0],
        **given,
    )


@pytest.mark.parametrize(
    ("ids", "weights", "labels", "curve"),
    [
        ([0, 1, 2, 1, 2], [0.5, 0.5, 0.25, 0.5, 0.75], [3, 5, 9], "SOFTMAX"),
        ([0] * 5, [0.1, 0.4, 0.3, 0.5, 0.2], [0, 1], "NONE"),
        ([0] * 5, [1.0, -2.0, 0.5, 3.0, -0.25], [0, 1], "LOGISTIC"),
    ],
)
def test_trees_that_vote_for_classes(ids, weights, labels, curve):
    given = leaves("class", ids, weights) | {"classlabels_int64s": labels}
    compare("TreeEnsembleClassifier", ("label", "y"), post_transform=curve, **given)


def test_linear_models_are_layers_and_scaled_features_arithmetic():
    compare("LinearRegressor", coefficients=[0.5, -1.0, 2.0, 1.0, 0.0, 3.0], intercepts=[0.5, 1.0], targets=2)
    compare("Scaler", offset=[0.5, 1.0, -1.0], scale=[2.0, 0.5, 1.0])
    compare("Normalizer", norm="L2")
    compare("Binarizer", threshold=0.25)
    compare(
        "LinearClassifier",
        ("label", "y"),
        coefficients=[0.5, -1.0, 2.0, 1.0, 0.0, 3.0],
        intercepts=[0.5, 1.0],
        classlabels_ints=[4, 7],
        post_transform="SOFTMAX",
        multi_class=1,
    )


def test_classes_whose_names_are_text_are_refused():
    given = leaves("class", [0, 1, 2, 1, 2], [0.5, 0.5, 0.25, 0.5, 0.75])
    with pytest.raises(UnsupportedOps, match="text"):
        compare_only_reads("TreeEnsembleClassifier", classlabels_strings=["a", "b", "c"], **given)


def compare_only_reads(kind, **attributes):
    made = helper.make_node(kind, ["x"], ["label", "y"], domain="ai.onnx.ml", **attributes)
    graph = helper.make_graph(
        [made],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 3])],
        [helper.make_tensor_value_info("label", TensorProto.STRING, None)],
    )
    graph_of(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)])
    )
