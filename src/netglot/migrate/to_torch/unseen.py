"""TensorFlow's and Keras's words for code that never ran, and what of it cannot be said without having seen it."""

from __future__ import annotations

import ast
from typing import Any

from netglot.migrate.inference import Words

_SAME = (
    "exp expm1 log log1p sqrt rsqrt abs sin cos tan tanh sigmoid floor ceil round sign erf square negative relu "
    "reduce_sum reduce_mean reduce_max reduce_min reduce_prod softmax log_softmax transpose reshape expand_dims squeeze "
    "tile repeat broadcast_to reverse clip_by_value stop_gradient zeros_like ones_like identity maximum minimum add "
    "subtract multiply matmul gather pad cumsum sum mean max min take clip l2_normalize softplus pow reduce_std "
    "reduce_variance leaky_relu gelu elu selu dropout norm sort roll flip"
)
_TRUE = "equal not_equal less less_equal greater greater_equal logical_and logical_or logical_not is_nan reduce_any reduce_all"
_PLACES = ("tf.", "tf.math.", "tf.nn.", "keras.ops.", "keras.backend.", "tf.linalg.")
FUNCTIONS = {
    **{place + name: "same" for name in _SAME.split() for place in _PLACES},
    **{place + name: "bool" for name in _TRUE.split() for place in _PLACES},
    **{place + name: "int64" for name in ("argmax", "argmin") for place in _PLACES},
    **{place + "cast": "named" for place in _PLACES},
    **{f"tf.{name}": "unknown" for name in "concat stack constant convert_to_tensor zeros ones where range one_hot".split()},
    **dict.fromkeys(("tf.random.normal", "keras.random.normal"), "float32"), "tf.shape": ":size", "tf.size": ":int",
    **{f"keras.losses.{name}": "float32" for name in (
        "mse", "mae", "mean_squared_error", "mean_absolute_error", "binary_crossentropy", "categorical_crossentropy",
        "sparse_categorical_crossentropy", "huber", "kl_divergence", "cosine_similarity",
    )},
    "tf.GradientTape": ":object:tf.GradientTape", "keras.Input": "float32", "keras.layers.Input": "float32",
}  # fmt: skip
METHODS = set(
    "compile fit evaluate predict summary build add_weight add_loss apply_gradients minimize gradient watch numpy assign "
    "assign_add assign_sub as_list get_shape batch prefetch shuffle cache take_while update_state result reset_state "
    "reset_states save_weights load_weights get_weights set_weights get_layer train_on_batch test_on_batch count_params "
    "adapt compute_loss from_config output_shape input_shape predict_on_batch stateful".split()
)
WORDS = Words(
    tensor="tf.Tensor.",
    methods={"numpy": ":array", "assign": "same", "assign_add": "same", "assign_sub": "same", "get_shape": ":size"},
    functions=FUNCTIONS,
    makes={
        "keras.layers.": "module:{}", "keras.optimizers.schedules.": "scheduler", "keras.optimizers.": "optimizer",
        "keras.losses.": "object:{}", "keras.metrics.": "object:{}", "keras.callbacks.": "object:{}",
        "keras.Sequential": "module:{}", "keras.Model": "module:{}", "keras.models.": "module:{}",
    },
    objects={
        "module:keras.Sequential": "keras.Sequential.", "module:keras.layers.": "keras.Layer.", "module:": "keras.Model.",
        "optimizer": "keras.Optimizer.", "loader": "tf.data.Dataset.", "object:tf.GradientTape": "tf.GradientTape.",
        "object:keras.metrics.": "keras.Metric.",
    },
    guesses={
        **dict.fromkeys(("numpy", "assign", "assign_add", "assign_sub", "get_shape"), "tensor"),
        **dict.fromkeys(
            ("compile", "fit", "evaluate", "predict", "summary", "train_on_batch", "get_layer", "load_weights",
             "save_weights", "count_params", ".trainable_variables", ".trainable_weights"), "module:user:?"),
        **dict.fromkeys(("apply_gradients", "minimize"), "optimizer"),
        **dict.fromkeys(("prefetch", "shuffle", "cache", "batch"), "loader"),
        **dict.fromkeys(("update_state", "reset_state", "reset_states", "result"), "object:keras.metrics.Mean"),
    },
    of_modules=frozenset(METHODS | {"add", "save", "get_config", "call", "map", "take", "repeat", "add_metric"}),
    entry="call",
    strict=True,
    parameters={"y_pred": "float32"},
)  # fmt: skip
ATTRIBUTES = {
    "trainable_variables", "trainable_weights", "weights", "variables", "losses", "trainable", "non_trainable_variables",
    "non_trainable_weights", "output_shape", "input_shape", "metrics_names", "stop_training", "optimizer", "learning_rate",
}  # fmt: skip


def doubtful(r: Any, node: ast.AST) -> bool:
    """Whether an expression that never ran may mean something else in PyTorch than what is written for it."""
    if isinstance(node, ast.Call):
        return _call(r, node)
    if isinstance(node, ast.Attribute) and node.attr in ATTRIBUTES and r.dotted(node) is None:
        fact = r.fact(node.value)
        return not fact.kinds or bool(fact.extra.get("guessed"))
    return False


def doubtful_statement(r: Any, node: ast.stmt) -> bool:
    """Statements are as they look."""
    return False


def _call(r: Any, node: ast.Call) -> bool:
    function = node.func
    if r.dotted(function) is not None:
        return False
    fact = r.fact(node)
    if fact.extra.get("guessed"):
        return True
    if isinstance(function, ast.Attribute):
        owner = function.value
        if isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "super":
            return False
        if not r.fact(owner).kinds and function.attr in METHODS:
            return True
    if any(k.arg == "training" for k in node.keywords) and not fact.callees:
        return True
    outside = not r._state.get("module") and any(one.startswith("call:user:") for one in fact.callees)
    return outside and not any(k.arg == "training" for k in node.keywords)
