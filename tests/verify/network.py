"""A small network on both sides of a conversion, written by hand: what the verifier's tests verify and sabotage.

An image goes through convolution, batch norm, GELU and dropout; a sequence through an LSTM; the outputs are a
dictionary. The Keras side has the channels last, inputs and features included.
"""

from __future__ import annotations

import torch
from torch import nn

from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Frame, Graph, Node, Parameter, Site, Value
from netglot.pivot.op import TensorType
from netglot.verify.spec import Variable, spec_from_graph

LAST, FIRST = (0, 2, 3, 1), (2, 3, 1, 0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.3)
        self.fc = nn.Linear(8 * 7 * 5, 6)
        self.lstm = nn.LSTM(4, 5, batch_first=True)
        self.head = nn.Linear(5, 6)

    def forward(self, image, sequence):
        features = nn.functional.gelu(self.bn(self.conv(image)))
        steps, _ = self.lstm(sequence)
        logits = self.fc(self.drop(features).flatten(1)) + self.head(steps[:, -1].float())
        return {"logits": logits, "features": features}


MODEL = """
import os

import keras
import numpy as np
from keras import layers, ops


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.conv = layers.Conv2D(8, 3, padding="same")
        self.bn = layers.BatchNormalization(epsilon=1e-5, momentum=0.9)
        self.drop = layers.Dropout(0.3)
        self.fc = layers.Dense(6)
        self.lstm = layers.LSTM(5)
        self.blocks = [layers.Dense(6)]

    def call(self, image, sequence):
        features = ops.gelu(self.bn(self.conv(image)), approximate=False)
        flat = ops.reshape(self.drop(features), (-1, 280))
        logits = self.fc(flat) + self.blocks[0](ops.cast(self.lstm(sequence), "float32"))
        return {"logits": logits, "features": features}


def load():
    print("a print cannot break the protocol")
    model = Net()
    model(np.zeros((1, 7, 5, 3), "float32"), np.zeros((1, 2, 4), "float32"))
    with np.load(os.path.join(os.path.dirname(__file__), "weights.npz")) as weights:
        for variable, array in zip(VARIABLES(model), weights.values()):
            variable.assign(array)
    return model


def VARIABLES(m):
    return [
        m.conv.kernel, m.conv.bias, m.bn.gamma, m.bn.beta, m.bn.moving_mean, m.bn.moving_variance, m.fc.kernel,
        m.fc.bias, m.lstm.cell.kernel, m.lstm.cell.recurrent_kernel, m.lstm.cell.bias, m.blocks[0].kernel,
        m.blocks[0].bias,
    ]
"""

TRACE = """
from keras import ops


def trace(model, image, sequence):
    record("conv", conv := model.conv(image))
    record("bn", bn := model.bn(conv))
    record("features", features := GELU)
    record("fc", fc := model.fc(ops.reshape(features, (-1, 280))))
    record("last", last := model.lstm(sequence))
    record("logits", fc + model.blocks[0](last))
"""

FX_NAMES = {
    "conv2d": "conv", "batch_norm": "bn", "gelu": "features", "linear": "fc", "select": "last", "add": "logits",
}  # fmt: skip
"""The pivot's names of what the exported program computes."""

PERMUTATIONS = {"conv": LAST, "bn": LAST, "features": LAST}


def graph(model: nn.Module) -> Graph:
    """The network as the pivot has it."""
    batch, length = Dim.symbol("B"), Dim.symbol("T")
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    p = {
        name: Parameter(
            name,
            TensorType(str(t.dtype).removeprefix("torch."), tuple(t.shape)),
            lambda t=t: t.detach().numpy(),
            kind="parameter" if t.requires_grad else "buffer",
        )
        for name, t in state.items()
        if "num_batches" not in name
    }
    nodes: list[Node] = []

    def value(name, *shape):
        return Value(name, TensorType("float32", shape))

    def add(op, path, line, *results):
        nodes.append(Node(op, results, (Frame(path),) if path else (), (Site("network.py", line),)))
        return results[0]

    image, sequence = value("image", batch, 3, 7, 5), value("sequence", batch, length, 4)
    planes = (batch, 8, 7, 5)
    conv = ops.Conv(image, p["conv.weight"], p["conv.bias"], (1, 1), ((1, 1), (1, 1)), (1, 1), 1, 1)
    x = add(conv, "conv", 33, value("conv", *planes))
    norm = (p["bn.weight"], p["bn.bias"], p["bn.running_mean"], p["bn.running_var"])
    x = add(ops.BatchNorm(x, *norm, 1e-5, 0.1, True, 1), "bn", 33, value("bn", *planes))
    features = add(ops.Gelu(x, False), "", 33, value("features", *planes))
    dropped = add(ops.Dropout(features, 0.3, (0, 1, 2, 3)), "drop", 35, value("dropped", *planes))
    flat = add(ops.Reshape(dropped, (batch, 280)), "", 35, value("flat", batch, 280))
    fc = add(ops.Linear(flat, p["fc.weight"], p["fc.bias"]), "fc", 35, value("fc", batch, 6))
    lstm = ops.Lstm(
        sequence, (), (), (p["lstm.weight_ih_l0"],), (p["lstm.weight_hh_l0"],), (p["lstm.bias_ih_l0"],),
        (p["lstm.bias_hh_l0"],), "forward", 1, None, False,
    )  # fmt: skip
    add(lstm, "lstm", 34, value("steps", batch, length, 5), value("last", batch, 5), value("cell", batch, 5))
    last = nodes[-1].results[1]
    head = add(ops.Linear(last, p["head.weight"], p["head.bias"]), "head", 35, value("head", batch, 6))
    logits = add(ops.Add(fc, head), "", 35, value("logits", batch, 6))
    return Graph("Net", [image, sequence], p, nodes, {"logits": logits, "features": features})


def variables(p: dict[str, Parameter]) -> list[Variable]:
    """The target's variables, each with its recipe, in the order of `VARIABLES` in the emitted file."""
    flat = ops.Permute(ops.Reshape(p["fc.weight"], (6, 8, 7, 5)), FIRST)
    recipes = {
        "conv.kernel": ops.Permute(p["conv.weight"], FIRST),
        "conv.bias": p["conv.bias"],
        "bn.gamma": p["bn.weight"],
        "bn.beta": p["bn.bias"],
        "bn.moving_mean": p["bn.running_mean"],
        "bn.moving_variance": p["bn.running_var"],
        "fc.kernel": ops.Reshape(flat, (280, 6)),
        "fc.bias": p["fc.bias"],
        "lstm.cell.kernel": ops.Permute(p["lstm.weight_ih_l0"], (1, 0)),
        "lstm.cell.recurrent_kernel": ops.Permute(p["lstm.weight_hh_l0"], (1, 0)),
        "lstm.cell.bias": ops.Add(p["lstm.bias_ih_l0"], p["lstm.bias_hh_l0"]),
        "blocks[0].kernel": ops.Permute(p["head.weight"], (1, 0)),
        "blocks[0].bias": p["head.bias"],
    }
    return [Variable(path, recipe, "moving" not in path) for path, recipe in recipes.items()]


def spec(network: Graph, of: list[Variable]):
    """What the verifier is told."""
    return spec_from_graph(
        network,
        of,
        sizes={"T": 6},
        input_permutations={"image": LAST},
        output_permutations={"features": LAST},
    )


def export(model: nn.Module, path) -> None:
    """Saves the exported program of the network."""
    batch, length = torch.export.Dim("B"), torch.export.Dim.AUTO  # an LSTM fixes its length in export
    program = torch.export.export(
        model.eval(),
        (torch.zeros(2, 3, 7, 5), torch.zeros(2, 6, 4)),
        dynamic_shapes=({0: batch}, {0: batch, 1: length}),
        strict=False,
    )
    torch.export.save(program, path)
