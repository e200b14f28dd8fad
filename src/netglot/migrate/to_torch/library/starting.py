"""How weights start, and what an activation is called."""

import copy
import re

import torch
import torch.nn.functional as F
from torch import nn

from netglot.migrate.to_torch.library.plain import glorot_uniform


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
    tensor.started = (initializer, fan_in, fan_out)
    if callable(initializer):
        return initializer(tensor.data)
    if initializer is None:  # Keras's own choice for any weight
        initializer, fan_in, fan_out = (
            "glorot_uniform",
            *((len(tensor),) * 2 if tensor.ndim == 1 else (fan_in, fan_out)),
        )
    initializer = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", initializer).lower()
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


def filled_with(values):
    """An initializer that gives a weight these values."""
    return lambda weight: weight.copy_(torch.as_tensor(values))


def started(initializer, shape, dtype=None):
    """A tensor of a shape as an initializer begins it."""
    fans = (shape[-2:] if len(shape) > 1 else [max(1, *shape)] * 2) if len(shape) else (1, 1)
    window = torch.Size(shape[:-2]).numel()
    made = torch.empty(tuple(shape))
    start(made, initializer, fans[0] * window, fans[1] * window)
    return made if dtype is None else made.to(dtype)


def clone_model(model):
    """A network of the same layers, whose weights start anew."""
    made = copy.deepcopy(model)
    for name in ("optimizer", "plan", "history"):
        made.__dict__.pop(name, None)
    for module in made.modules():  # PyTorch's own
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    made.apply(glorot_uniform)
    for own, new in zip([*model.parameters(), *model.buffers()], [*made.parameters(), *made.buffers()]):
        if hasattr(own, "started"):
            start(new, *own.started)
    return made
