"""How weights start, and what an activation is called."""

import torch
import torch.nn.functional as F
from torch import nn


def function_of(activation):
    """An activation by Keras's name for it, or as it is given."""
    functions = {
        None: lambda x: x, "linear": lambda x: x, "relu": F.relu, "relu6": F.relu6, "sigmoid": torch.sigmoid,
        "tanh": torch.tanh, "softmax": lambda x: F.softmax(x, dim=-1), "log_softmax": lambda x: F.log_softmax(x, dim=-1),
        "elu": F.elu, "selu": F.selu, "gelu": F.gelu, "silu": F.silu, "swish": F.silu, "mish": F.mish,
        "softplus": F.softplus, "softsign": F.softsign, "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
        "hard_sigmoid": F.hardsigmoid, "hard_silu": F.hardswish, "hard_swish": F.hardswish, "exponential": torch.exp,
    }  # fmt: skip
    return functions[activation] if activation is None or isinstance(activation, str) else activation


def start(tensor, initializer, fan_in, fan_out):
    """Starts a weight as Keras does, by the initializer's name; a function of the weight does it its own way."""
    if callable(initializer):
        return initializer(tensor.data)
    scales = {"glorot": (fan_in + fan_out) / 2, "he": fan_in / 2, "lecun": fan_in}
    kind, _, shape = initializer.rpartition("_")
    with torch.no_grad():
        if kind in scales and shape == "uniform":
            return tensor.uniform_(-((3 / scales[kind]) ** 0.5), (3 / scales[kind]) ** 0.5)
        if kind in scales:
            std = scales[kind] ** -0.5 / 0.87962566103423978
            return nn.init.trunc_normal_(tensor, std=std, a=-2 * std, b=2 * std)
        return {
            "zeros": nn.init.zeros_, "ones": nn.init.ones_, "orthogonal": nn.init.orthogonal_,
            "uniform": lambda t: nn.init.uniform_(t, -0.05, 0.05), "random_uniform": lambda t: nn.init.uniform_(t, -0.05, 0.05),
            "normal": lambda t: nn.init.normal_(t, std=0.05), "random_normal": lambda t: nn.init.normal_(t, std=0.05),
            "truncated_normal": lambda t: nn.init.trunc_normal_(t, std=0.05, a=-0.1, b=0.1),
        }[initializer](tensor)  # fmt: skip
