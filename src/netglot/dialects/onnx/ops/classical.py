"""What stands around classical models (ai.onnx.ml): scaled features, linear models, labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from netglot.dialects.onnx.common import cast, dtype, flat, is_float, rank
from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.known import Stored
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import ops
from netglot.pivot.op import TensorType, shape_of


def curved(x, how: str):
    """The scores after the function that the operator names."""
    if how in ("NONE", "", None):
        return x
    if how == "LOGISTIC":
        return ops.Sigmoid(x)
    if how == "SOFTMAX":
        return ops.Softmax(x, rank(x) - 1)
    raise Refusal(notimpl(f"scores after {how}"))


def chosen(place, labels, outputs):
    """The labels of classes; None where nobody asks.

    Raises:
        Refusal: they are text.
    """
    if not outputs[0]:
        return None
    if labels is None:
        raise Refusal(never("the names of classes are text", "export the model with numbers for its classes"))
    if list(labels) == list(range(len(labels))):
        return place
    return ops.Take(np.asarray(labels, "int64"), place, 0)


def _weight(name: str, numbers: Any, shape: tuple) -> Stored:
    array = np.asarray(numbers, "float32").reshape(shape)
    return Stored(name, TensorType("float32", array.shape), lambda: array, True, [array])


def _row(numbers) -> Any:
    """A number for each feature, or the only one."""
    return numbers[0] if len(numbers) == 1 else np.asarray(numbers, "float32")


@onnx.reads("ai.onnx.ml.Scaler-1")
def scaler(X, *, offset=(), scale=()):
    x = cast(X, "float32")
    x = ops.Subtract(x, _row(offset)) if len(offset) else x
    return ops.Multiply(x, _row(scale)) if len(scale) else x


@onnx.reads("ai.onnx.ml.Binarizer-1")
def binarizer(X, *, threshold=0.0):
    return ops.Cast(ops.Greater(X, threshold if is_float(X) else int(threshold)), dtype(X))


@onnx.reads("ai.onnx.ml.Normalizer-1")
def normalizer(X, *, norm="MAX"):
    x = cast(X, "float32")
    if norm == "MAX":
        raise Refusal(notimpl("features over the largest of them, which runtimes read differently"))
    last = (rank(x) - 1,)
    total = ops.Sum(ops.Abs(x), last, True) if norm == "L1" else ops.Norm(x, last, True, 2.0)
    return ops.Divide(x, ops.Where(ops.Equal(total, 0.0), 1.0, total))


@onnx.reads("ai.onnx.ml.Imputer-1")
def imputer(
    X, *, imputed_value_floats=None, imputed_value_int64s=None, replaced_value_float=0.0, replaced_value_int64=0
):
    if is_float(X):
        missing = np.isnan(replaced_value_float)
        gone = ops.IsNan(X) if missing else ops.Equal(X, replaced_value_float)
        return ops.Where(gone, _row(imputed_value_floats), X)
    values = imputed_value_int64s
    return ops.Where(
        ops.Equal(X, replaced_value_int64), values[0] if len(values) == 1 else np.asarray(values, "int64"), X
    )


@onnx.reads("ai.onnx.ml.FeatureVectorizer-1")
def feature_vectorizer(*X, inputdimensions=None):
    rows = [x if rank(x) == 2 else ops.Reshape(x, (1, *shape_of(x))) for x in X]
    return ops.Concat(tuple(cast(x, "float32") for x in rows), 1) if len(rows) > 1 else cast(rows[0], "float32")


@onnx.reads("ai.onnx.ml.OneHotEncoder-1")
def one_hot_encoder(X, *, cats_int64s=None, cats_strings=None, zeros=1):
    if cats_int64s is None:
        raise Refusal(never("no framework's layers work on text"))
    if not zeros:
        raise Refusal(notimpl("categories whose absence is an error"))
    apart = ops.Reshape(cast(X, "int64"), (*shape_of(X), 1))
    return ops.Cast(ops.Equal(apart, np.asarray(cats_int64s, "int64")), "float32")


@onnx.reads("ai.onnx.ml.LinearRegressor-1")
def linear_regressor(X, *, coefficients=(), intercepts=None, post_transform="NONE", targets=1):
    weight = _weight("weight", coefficients, (targets, -1))
    bias = None if intercepts is None else _weight("bias", intercepts, (targets,))
    return curved(ops.Linear(cast(X, "float32"), weight, bias), post_transform)


@onnx.reads("ai.onnx.ml.LinearClassifier-1")
def linear_classifier(
    X,
    *,
    coefficients=(),
    intercepts=None,
    classlabels_ints=None,
    classlabels_strings=None,
    multi_class=0,
    post_transform="NONE",
    outputs=(),
):
    labels = classlabels_ints or classlabels_strings or ()
    count = len(intercepts) if intercepts else len(labels)
    if count != len(labels):
        raise Refusal(notimpl("a classifier with one score for two classes"))
    bias = _weight("bias", intercepts, (count,)) if intercepts else None
    scores = ops.Linear(cast(X, "float32"), _weight("weight", coefficients, (count, -1)), bias)
    return [chosen(ops.Argmax(scores, 1, False), classlabels_ints, outputs), curved(scores, post_transform)]


@onnx.reads("ai.onnx.ml.LabelEncoder-2")
def label_encoder(X, *, keys_int64s=None, values_int64s=None, values_floats=None, default_int64=-1, default_float=0.0):
    if keys_int64s is None or (values_int64s is None and values_floats is None):
        raise Refusal(never("no framework's layers work on text"))
    kind, values = ("float32", values_floats) if values_int64s is None else ("int64", values_int64s)
    default = default_float if values_int64s is None else default_int64
    line = flat(X)
    hits = ops.Equal(ops.Reshape(line, (*shape_of(line), 1)), np.asarray(keys_int64s, "int64"))
    found = ops.Take(np.asarray(values, kind), ops.Argmax(ops.Cast(hits, "int64"), 1, False), 0)
    made = ops.Where(ops.Any(hits, (1,), False), found, default)
    return ops.Reshape(made, shape_of(X)) if rank(X) != 1 else made


onnx.refuses_reading(
    "ai.onnx.ml.ZipMap",
    never("its result is a list of dictionaries", "export the model with options={'zipmap': False}"),
)
