"""Words: dtypes, classes and constants of TensorFlow and Keras in PyTorch."""

from __future__ import annotations

import ast

from netglot.migrate.rewrite import Rewriter

DTYPES = {
    "float32": "torch.float32", "float64": "torch.float64", "float16": "torch.float16", "int32": "torch.int32",
    "int64": "torch.int64", "bool": "torch.bool", "uint8": "torch.uint8", "bfloat16": "torch.bfloat16",
    "int8": "torch.int8", "int16": "torch.int16", "double": "torch.float64", "half": "torch.float16",
}  # fmt: skip
TYPES = {
    "keras.Model": "nn.Module", "keras.layers.Layer": "Layer", "keras.Layer": "Layer", "tf.Tensor": "torch.Tensor",
    "keras.models.Model": "nn.Module", "tf.Module": "nn.Module", "keras.Sequential": "nn.Sequential",
    "keras.KerasTensor": "torch.Tensor", "keras.losses.Loss": "Loss", "keras.metrics.Metric": "Metric",
    "keras.Metric": "Metric", "keras.Loss": "Loss", "keras.Optimizer": "Optimizer",
    "keras.callbacks.Callback": "Callback", "keras.optimizers.schedules.LearningRateSchedule": "LearningRateSchedule",
    "tf.data.Dataset": "Dataset", "keras.utils.Sequence": "object", "keras.utils.PyDataset": "object",
    "tf.Variable": "nn.Parameter", "keras.optimizers.Optimizer": "Optimizer",
}  # fmt: skip
CONSTANTS = {
    "tensorflow.newaxis": "None", "tf.newaxis": "None", "tensorflow.data.AUTOTUNE": "None", "tf.data.AUTOTUNE": "None",
    "tensorflow.data.experimental.AUTOTUNE": "None", "tf.data.experimental.AUTOTUNE": "None",
    "tensorflow.__version__": "torch.__version__", "keras.__version__": "torch.__version__",
}  # fmt: skip
STANDARD = (
    "glob",
    "collections",
    "copy",
    "csv",
    "functools",
    "inspect",
    "itertools",
    "math",
    "operator",
    "os",
    "random",
    "re",
    "types",
    "warnings",
)
"""Python's own modules that helpers use."""
BUILT = ("keras.Model.", "keras.Layer.", "keras.Sequential.")


def plain_module(r: Rewriter, node: ast.AST | None) -> bool:
    """Whether a class is a `tf.Module` of the user."""
    return isinstance(node, ast.ClassDef) and any(
        r.dotted(one) in ("tf.Module", "tensorflow.Module") for one in node.bases
    )
