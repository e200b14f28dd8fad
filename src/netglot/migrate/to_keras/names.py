"""Words: classes, dtypes, attributes, and TensorFlow's own names for Keras's operations."""

from __future__ import annotations

from typing import Any

TF_OPS = {
    "concatenate": "tf.concat", "stack": "tf.stack", "reshape": "tf.reshape", "transpose": "tf.transpose",
    "expand_dims": "tf.expand_dims", "matmul": "tf.matmul", "exp": "tf.exp", "sqrt": "tf.sqrt", "abs": "tf.abs",
    "sin": "tf.sin", "cos": "tf.cos", "tanh": "tf.tanh", "sigmoid": "tf.sigmoid", "log": "tf.math.log",
    "relu": "tf.nn.relu", "relu6": "tf.nn.relu6", "softmax": "tf.nn.softmax", "log_softmax": "tf.nn.log_softmax",
    "cast": "tf.cast", "stop_gradient": "tf.stop_gradient", "square": "tf.square", "maximum": "tf.maximum",
    "minimum": "tf.minimum", "broadcast_to": "tf.broadcast_to", "zeros_like": "tf.zeros_like", "einsum": "tf.einsum",
    "ones_like": "tf.ones_like", "unstack": "tf.unstack", "rsqrt": "tf.math.rsqrt", "erf": "tf.math.erf",
    "floor": "tf.floor", "round": "tf.round", "sign": "tf.sign", "equal": "tf.equal",
}  # fmt: skip
"""Operations that TensorFlow spells with the same arguments."""

COMMON_METHODS = {
    "format", "append", "items", "keys", "values", "split", "join", "update", "copy", "index", "count", "sort", "pop",
    "get", "add", "replace", "strip", "extend", "insert", "remove", "close", "write", "read", "mean", "sum", "std",
    "reshape", "transpose", "flatten", "max", "min", "all", "any", "round", "to", "size", "type", "float", "repeat",
    "tolist", "astype", "where", "dot", "var", "prod", "clip", "squeeze", "apply", "train", "eval", "parameters",
    "select", "sub", "div", "tile",
}  # fmt: skip
"""Methods that other things than tensors have too: where such a call never ran, it is left alone."""

TENSOR_ATTRIBUTES = {
    "T": "ops.transpose({x})",
    "mT": "ops.swapaxes({x}, -2, -1)",
    "data": "ops.stop_gradient({x})",
    "ndim": "len({x}.shape)",
    "requires_grad": "{x}.trainable",
    "device": "{x}.device",
    "itemsize": "{x}.dtype.itemsize",
}

DTYPES = {
    "float32": "float32", "float": "float32", "float64": "float64", "double": "float64", "float16": "float16",
    "half": "float16", "bfloat16": "bfloat16", "int64": "int64", "long": "int64", "int32": "int32", "int": "int32",
    "int16": "int16", "int8": "int8", "uint8": "uint8", "bool": "bool",
}  # fmt: skip

TYPES: dict[str, Any] = {
    "torch.Tensor": {"keras": "keras.KerasTensor", "tensorflow": "tf.Tensor"},
    "torch.nn.Module": "layers.Layer",
    "torch.nn.ModuleList": "list",
    "torch.nn.ParameterList": "list",
    "torch.nn.ModuleDict": "dict",
    "torch.nn.ParameterDict": "dict",
    "torch.utils.data.Dataset": "object",
    "torch.utils.data.DataLoader": "DataLoader",
    "torch.optim.lr_scheduler.LRScheduler": "Schedule",
    "torch.Size": "tuple",
    "torch.device": "str",
    "torch.optim.Optimizer": "keras.optimizers.Optimizer",
    "torch.dtype": "str",
    "torch.OutOfMemoryError": {"keras": "MemoryError", "tensorflow": "tf.errors.ResourceExhaustedError"},
    "torch.LongTensor": {"keras": "keras.KerasTensor", "tensorflow": "tf.Tensor"},
    "torch.FloatTensor": {"keras": "keras.KerasTensor", "tensorflow": "tf.Tensor"},
}

CLASSES = {
    "Linear": "Dense", "Embedding": "Embedding", "Sequential": "keras.Sequential", "LayerNorm": "layers.LayerNormalization",
    "GroupNorm": "layers.GroupNormalization", "ReLU": "layers.ReLU", "Dropout": "layers.Dropout", "LSTM": "LSTM",
    "GRU": "GRU", "RNN": "RNN", "MultiheadAttention": "MultiheadAttention", "Identity": "layers.Identity",
    "LeakyReLU": "layers.LeakyReLU",
    "TransformerEncoderLayer": "TransformerEncoderLayer", "TransformerDecoderLayer": "TransformerDecoderLayer",
    "TransformerEncoder": "TransformerEncoder", "TransformerDecoder": "TransformerDecoder", "Transformer": "Transformer",
    **{f"Conv{n}d": f"Conv{n}D" for n in "123"},
    **{f"ConvTranspose{n}d": f"Conv{n}DTranspose" for n in "123"},
    **{f"BatchNorm{n}d": "BatchNormalization" for n in "123"},
}  # fmt: skip


DERIVED = frozenset(name for name in CLASSES.values() if name == "Dense" or name[:4] in ("Conv", "Batc", "Embe"))
"""The classes that emitted files derive from Keras's of the same name."""


REASONS = {
    "torchvision.datasets.": "its samples stay PyTorch's and feed the loops here; torchvision must be installed",
    "torchvision.transforms.": "it stays PyTorch's, for the data set that it belongs to; torchvision must be installed",
    "torchvision.models.": "this network is torchvision's: convert it by netglot convert, or migrate its source",
    "torch.distributed.": "Keras distributes by keras.distribution",
}
"""Why the functions whose names begin so stay as they were."""


def class_of(dotted: str) -> str | None:
    """The class that a module of PyTorch becomes."""
    return CLASSES.get(dotted.removeprefix("torch.nn.")) if dotted.startswith("torch.nn.") else None


def constant(dotted: str) -> str | None:
    """A constant of the framework: a dtype, a number."""
    name = dotted.removeprefix("torch.")
    if name in DTYPES:
        return f'"{DTYPES[name]}"'
    return {"pi": "math.pi", "inf": "math.inf", "nan": "math.nan", "e": "math.e"}.get(name)
