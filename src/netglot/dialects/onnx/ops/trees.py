"""Ensembles of decision trees (ai.onnx.ml), walked from level to level: all rows in all trees at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from netglot.dialects.onnx.common import cast, dtype, rank
from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.ops.classical import chosen, curved
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.op import shape_of

_DEEPEST = 64
"""The depth of the deepest tree that is walked."""

_MODES = {
    "BRANCH_LEQ": ops.LessEqual,
    "BRANCH_LT": ops.Less,
    "BRANCH_GTE": ops.GreaterEqual,
    "BRANCH_GT": ops.Greater,
    "BRANCH_EQ": ops.Equal,
    "BRANCH_NEQ": ops.NotEqual,
}


@dataclass(frozen=True)
class Trees:
    """The nodes of all trees, numbered through. A leaf leads to itself.

    `weights` holds what each node adds to each target: (node, target), zeros but for the leaves.
    """

    roots: np.ndarray
    features: np.ndarray
    thresholds: np.ndarray
    yes: np.ndarray
    no: np.ndarray
    weights: np.ndarray
    test: Any
    missing: np.ndarray

    def depth(self) -> int:
        """The number of questions on the longest way.

        Raises:
            ValueError: a way leads in a circle.
            Refusal: it is very long.
        """
        at, steps = np.unique(self.roots), 0
        while True:
            inner = at[(self.yes[at] != at) | (self.no[at] != at)]
            if not len(inner):
                return steps
            at, steps = np.unique(np.concatenate((self.yes[inner], self.no[inner]))), steps + 1
            if steps > len(self.yes):
                raise ValueError("a tree leads in a circle")
            if steps > _DEEPEST:
                raise Refusal(notimpl(f"trees more than {_DEEPEST} levels deep"))


def walked(x, trees: Trees):
    """What the leaves hold that each row comes to: (row, tree, target)."""
    if rank(x) != 2 or (isinstance(shape_of(x)[1], int) and trees.features.max(initial=0) >= shape_of(x)[1]):
        raise ValueError("the trees ask for a feature that the input lacks")
    place: Any = None
    for _ in range(trees.depth()):
        if place is None:
            yes, no, threshold, missing = (
                np.asarray(table[trees.roots]) for table in (trees.yes, trees.no, trees.thresholds, trees.missing)
            )
            value = ops.Take(x, trees.features[trees.roots], 1)
        else:
            yes, no, threshold, missing = (
                ops.Take(table, place, 0) for table in (trees.yes, trees.no, trees.thresholds, trees.missing)
            )
            value = ops.TakeAlongAxis(x, ops.Take(trees.features, place, 0), 1)
        goes = trees.test(value, threshold)
        if trees.missing.any():
            goes = ops.LogicalOr(goes, ops.LogicalAnd(ops.IsNan(value), missing))
        place = ops.Where(goes, yes, no)
    if place is None:
        raise Refusal(notimpl("trees that ask nothing"))
    return ops.Take(trees.weights, place, 0)


def _test(modes: set) -> Any:
    if len(modes) != 1 or not modes <= set(_MODES):
        raise Refusal(notimpl(f"trees with questions of several kinds: {', '.join(sorted(modes))}"))
    return _MODES[next(iter(modes))]


def _table(given: dict, name: str, kind: str = "int64") -> np.ndarray:
    held = given.get(f"{name}_as_tensor")
    held = given.get(name) if held is None else held
    return np.asarray([] if held is None else held).astype(kind)


def _trees(x, given: dict, what: str, targets: int) -> Trees:
    """The trees of the older operators, whose nodes are named by their tree and their number in it."""
    tree, node = _table(given, "nodes_treeids"), _table(given, "nodes_nodeids")
    number = {pair: i for i, pair in enumerate(zip(tree.tolist(), node.tolist(), strict=True))}
    modes, own = given["nodes_modes"], np.arange(len(tree))
    leaf = np.asarray([mode == "LEAF" for mode in modes])
    ways = [
        [i if leaf[i] else number[tree[i], other] for i, other in enumerate(_table(given, name).tolist())]
        for name in ("nodes_truenodeids", "nodes_falsenodeids")
    ]
    weights = np.zeros((len(tree), targets), "float32")
    adds = zip(
        _table(given, f"{what}_treeids"),
        _table(given, f"{what}_nodeids"),
        _table(given, f"{what}_ids"),
        _table(given, f"{what}_weights", "float32"),
        strict=True,
    )
    for at, inner, target, weight in adds:
        weights[number[at, inner], target] += weight
    reached = {way[i] for way in ways for i in own if not leaf[i]}
    missing = _table(given, "nodes_missing_value_tracks_true", "bool")
    return Trees(
        np.asarray([i for i in own if i not in reached], "int64"),
        _table(given, "nodes_featureids"),
        _table(given, "nodes_values", dtype(x)),
        np.asarray(ways[0], "int64"),
        np.asarray(ways[1], "int64"),
        weights,
        _test({mode for mode in modes if mode != "LEAF"}),
        missing if len(missing) else np.zeros(len(tree), bool),
    )


def _folded(found, how: str, trees: int, targets: int):
    if how in ("MIN", "MAX") and targets > 1:
        raise Refusal(notimpl("the least or largest of trees with several targets"))
    if how in ("MIN", "MAX"):
        return (ops.Min if how == "MIN" else ops.Max)(found, (1,), False)
    total = ops.Sum(found, (1,), False)
    return ops.Divide(total, float(trees)) if how == "AVERAGE" else total


def _features(X):
    return X if dtype(X) in ("float32", "float64") else cast(X, "float32")


@onnx.reads("ai.onnx.ml.TreeEnsembleRegressor-1")
def tree_ensemble_regressor(X, *, n_targets=1, aggregate_function="SUM", post_transform="NONE", **given):
    x = _features(X)
    trees = _trees(x, given, "target", n_targets)
    made = cast(_folded(walked(x, trees), aggregate_function, len(trees.roots), n_targets), "float32")
    base = _table(given, "base_values", "float32")
    return curved(ops.Add(made, base) if len(base) else made, post_transform)


@onnx.reads("ai.onnx.ml.TreeEnsembleClassifier-1")
def tree_ensemble_classifier(
    X, *, post_transform="NONE", classlabels_int64s=None, classlabels_strings=None, outputs=(), **given
):
    labels = classlabels_int64s or classlabels_strings or ()
    x, classes = _features(X), _table(given, "class_ids")
    trees = _trees(x, given, "class", len(labels))
    total = ops.Sum(walked(x, trees), (1,), False)
    base = _table(given, "base_values", "float32")
    if len(labels) > 2 or len(set(classes.tolist())) > 1:
        total = ops.Add(total, base) if len(base) else total
        return [chosen(ops.Argmax(total, 1, False), classlabels_int64s, outputs), curved(total, post_transform)]
    return _two_classes(total, int(classes[0]), base, trees, post_transform, classlabels_int64s, outputs)


def _two_classes(total, at: int, base, trees: Trees, post_transform: str, labels, outputs):
    """One score for two classes: how likely the second is, or which side of zero it lies on."""
    if len(base) > 1 or post_transform not in ("NONE", "LOGISTIC"):
        raise Refusal(notimpl(f"trees with one score for two classes, and {post_transform} of it"))
    score = ops.Slice(total, 1, at, at + 1, 1)
    score = ops.Add(score, base) if len(base) else score
    likely = bool((trees.weights >= 0).all())
    if likely:
        both = (ops.Subtract(1.0, score), score)
    else:
        both = (ops.Negative(score), score)
        both = both if post_transform == "NONE" else tuple(ops.Sigmoid(one) for one in both)
    second = ops.Greater(ops.Select(score, 1, 0), 0.5 if likely else 0.0)
    return [chosen(cast(second, "int64"), labels, outputs), ops.Concat(both, 1)]


@onnx.reads("ai.onnx.ml.TreeEnsemble-5")
def tree_ensemble(
    X,
    *,
    nodes_modes,
    nodes_splits,
    nodes_featureids,
    nodes_truenodeids,
    nodes_falsenodeids,
    nodes_trueleafs,
    nodes_falseleafs,
    leaf_targetids,
    leaf_weights,
    tree_roots,
    n_targets=1,
    aggregate_function=1,
    post_transform=0,
    nodes_missing_value_tracks_true=None,
    nodes_hitrates=None,
    membership_values=None,
):
    x, count = _features(X), len(nodes_featureids)
    leaves = len(leaf_targetids)
    ways = []
    for others, ends in ((nodes_truenodeids, nodes_trueleafs), (nodes_falsenodeids, nodes_falseleafs)):
        first = np.asarray(others) + np.where(np.asarray(ends, bool), count, 0)
        ways.append(np.concatenate((first, np.arange(count, count + leaves))).astype("int64"))
    weights = np.zeros((count + leaves, n_targets), dtype(x))
    weights[np.arange(count, count + leaves), leaf_targetids] = np.asarray(leaf_weights, dtype(x))
    modes = [list(_MODES)[mode] if mode < len(_MODES) else "BRANCH_MEMBER" for mode in np.asarray(nodes_modes).tolist()]
    missing = np.zeros(count + leaves, bool)
    if nodes_missing_value_tracks_true is not None:
        missing[:count] = nodes_missing_value_tracks_true
    trees = Trees(
        np.asarray(tree_roots, "int64"),
        np.concatenate((nodes_featureids, np.zeros(leaves))).astype("int64"),
        np.concatenate((nodes_splits, np.zeros(leaves))).astype(dtype(x)),
        ways[0],
        ways[1],
        weights,
        _test(set(modes)),
        missing,
    )
    how = ("AVERAGE", "SUM", "MIN", "MAX")[aggregate_function]
    made = _folded(walked(x, trees), how, len(tree_roots), n_targets)
    return curved(made, ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")[post_transform])
