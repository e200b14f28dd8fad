"""Makes neural networks of Core ML with coremltools, and records what they compute: `python make_exact.py`.

Those whose arrays keep their shapes are made of networks of PyTorch, which says what they compute; recurrent layers of
the older kind are put together by hand and computed by the formulas of Core ML's specification.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
import coremltools as ct
import numpy as np
import torch
from coremltools.models import datatypes
from coremltools.models.neural_network import NeuralNetworkBuilder
from coremltools.models.neural_network.quantization_utils import quantize_weights
from torch import nn
from torch.nn import functional as F

logging.disable(logging.CRITICAL)
HERE = Path(__file__).parent
RECORDED: dict[str, np.ndarray] = {}


class Pictures(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8)
        self.depth, self.point, self.head = (
            nn.Conv2d(8, 8, 3, padding=1, groups=8),
            nn.Conv2d(8, 12, 1),
            nn.Linear(12, 5),
        )

    def forward(self, x):
        y = F.max_pool2d(torch.relu(self.norm(self.conv(x))), 3, 2, 1)
        y = F.hardswish(self.point(F.relu6(self.depth(y))))
        return torch.softmax(self.head(torch.flatten(F.adaptive_avg_pool2d(y, 1), 1)), 1)


class Pair(nn.Module):
    """Two pictures in, three results out."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.up = (
            nn.Conv2d(3, 8, 3, padding=1),
            nn.Conv2d(8, 8, 3, 2, 1),
            nn.ConvTranspose2d(8, 8, 2, 2),
        )
        self.out, self.norm, self.slope = nn.Conv2d(18, 2, 1), nn.InstanceNorm2d(8, affine=True), nn.PReLU(8)

    def forward(self, x, y):
        a = self.slope(self.norm(self.a(x)))
        b = F.elu(self.b(F.pad(a, (1, 1, 1, 1), mode="reflect"))[:, :, :8, :8])
        grown = F.interpolate(b, scale_factor=2, mode="bilinear", align_corners=False)
        return self.out(torch.cat([self.up(b), a, y], 1)), grown, F.interpolate(b, scale_factor=2, mode="nearest")


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(20, 6), nn.Linear(10, 3)
        self.both, self.one = nn.LSTM(6, 5, bidirectional=True, batch_first=True), nn.LSTM(10, 10, batch_first=True)

    def forward(self, ids):
        y, _ = self.one(self.both(self.table(ids))[0])
        return self.head(y[:, -1])


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.out, self.norm = nn.Linear(8, 24), nn.Linear(8, 8), nn.LayerNorm(8)
        self.wide, self.narrow, self.places = nn.Linear(8, 16), nn.Linear(16, 8), nn.Parameter(torch.randn(1, 6, 8))

    def forward(self, x):
        x = x + self.places
        q, k, v = self.qkv(x).reshape(1, 6, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        y = torch.softmax(q @ k.transpose(-1, -2) * 0.5, -1) @ v
        x = self.norm(x + self.out(y.transpose(1, 2).reshape(1, 6, 8)))
        return x + self.narrow(F.gelu(self.wide(x))), x.mean(1)


class Functions(nn.Module):
    def forward(self, x):
        a = x.abs() + 0.5
        made = [torch.sin(x) + torch.cos(x) * torch.exp(-a), torch.sqrt(a).log(), torch.clamp(x, -0.2, 0.3), a**1.7]
        made += [x.max(2)[0], x.sum((1, 2)), torch.where(x > 0, x, a), torch.stack([x, a], 1), x[:, 1:, ::2]]
        made += [x.transpose(1, 2).reshape(1, -1), torch.split(x, [3, 1], 2)[0], torch.cumsum(x, 1), torch.erf(x)]
        made += [torch.argmax(x, 2).float(), torch.floor(x * 3), torch.norm(x, dim=2), F.softplus(x), F.silu(x)]
        made += [x.unsqueeze(1).repeat(1, 2, 1, 1), x.std(2, keepdim=True), torch.minimum(x, a), torch.flip(x, [1])]
        return (*made, F.pad(x, (1, 2)), (x >= 0).float(), x.logsumexp(2), x @ a.transpose(1, 2))


class Residual(nn.Module):
    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after)
        self.conv2, self.norm2 = nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after)
        self.down = None
        if stride > 1 or before != after:
            self.down = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x):
        y = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))
        return torch.relu(y + (x if self.down is None else self.down(x)))


class ResNet(nn.Sequential):
    """ResNet-18 with few channels."""

    def __init__(self):
        layers = [nn.Conv2d(3, 4, 7, 2, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
        for before, after, stride in ((4, 4, 1), (4, 8, 2), (8, 12, 2), (12, 16, 2)):
            layers += [Residual(before, after, stride), Residual(after, after, 1)]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))


class Inverted(nn.Module):
    def __init__(self, before, after, stride, grown):
        super().__init__()
        wide = before * grown
        made = [nn.Conv2d(before, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()]
        made += [nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()]
        self.body = nn.Sequential(*made, nn.Conv2d(wide, after, 1, bias=False), nn.BatchNorm2d(after))
        self.short = stride == 1 and before == after

    def forward(self, x):
        return x + self.body(x) if self.short else self.body(x)


class MobileNet(nn.Sequential):
    """MobileNet v2 with few channels and blocks."""

    def __init__(self):
        layers = [nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6()]
        for before, after, stride in ((8, 8, 1), (8, 12, 2), (12, 12, 1), (12, 16, 2), (16, 16, 1)):
            layers.append(Inverted(before, after, stride, 3))
        super().__init__(
            *layers, nn.Conv2d(16, 32, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 7)
        )


class Sound(nn.Module):
    """Convolutions along one axis."""

    def __init__(self):
        super().__init__()
        self.conv, self.up, self.norm = nn.Conv1d(2, 6, 5, 2, 2), nn.ConvTranspose1d(6, 4, 4, 2, 1), nn.BatchNorm1d(6)
        self.rnn, self.head = nn.LSTM(6, 5, batch_first=True), nn.Linear(5, 2)

    def forward(self, x):
        y = torch.relu(self.norm(self.conv(x)))
        return self.up(y), self.head(self.rnn(y.transpose(1, 2))[0]), F.max_pool1d(y, 2)


class Plain(nn.Module):
    """Layers that nothing is folded into."""

    def __init__(self):
        super().__init__()
        self.conv, self.deep = nn.Conv2d(3, 8, 3, 2, bias=False), nn.Conv2d(8, 8, 3, groups=4, bias=False)
        self.head = nn.Linear(8, 5, bias=False)

    def forward(self, x):
        return self.head(torch.relu(self.deep(torch.relu(self.conv(x)))).mean((2, 3)))


def on_grid(network, levels):
    """Weights that are stored in few bits without loss: evenly spaced, extremes among them."""
    for weight in network.parameters():
        if weight.dim() > 1:
            steps = torch.randint(0, levels, weight.shape)
            steps.view(len(weight), -1)[:, :2] = torch.tensor([0, levels - 1])
            weight.data = (steps.float() / (levels - 1) - 0.5) * (4 / weight[0].numel()) ** 0.5
    return network


def of_torch(name, network, *shapes, ids=0, stored=None, labels=None, picture=False):
    network.eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 1.5)
    given = [torch.randint(0, ids, shape) if ids else torch.randn(shape) for shape in shapes]
    kind = np.int32 if ids else np.float32
    inputs = [ct.TensorType(name=f"x{i}", shape=shape, dtype=kind) for i, shape in enumerate(shapes)]
    if picture:
        inputs = [
            ct.ImageType(name="x0", shape=shapes[0], scale=1 / 127, bias=[-1, -1, -1], color_layout=ct.colorlayout.BGR)
        ]
    more = {"classifier_config": ct.ClassifierConfig(labels)} if labels else {}
    made = ct.convert(torch.jit.trace(network, given), inputs=inputs, convert_to="neuralnetwork", **more)
    if stored:
        made = quantize_weights(made, *stored)
    with torch.no_grad():
        found = network(*given)
    keep(
        name,
        made,
        [one.numpy() for one in given],
        [one.numpy() for one in (found if isinstance(found, tuple) else (found,))],
    )


def keep(name, model, given, found):
    with tempfile.TemporaryDirectory() as folder:
        ct.models.MLModel(model.get_spec() if hasattr(model, "get_spec") else model).save(f"{folder}/net.mlmodel")
        RECORDED[f"{name}/file"] = np.frombuffer(Path(f"{folder}/net.mlmodel").read_bytes(), np.uint8)
    RECORDED.update({f"{name}/in/x{place}": array for place, array in enumerate(given)})
    RECORDED.update({f"{name}/out/{place:02d}": array for place, array in enumerate(found)})
    print(name, len(RECORDED[f"{name}/file"]), len(found))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def older():
    """A sequence of vectors through one recurrent layer of each kind, each shape that of a picture."""
    draw = np.random.RandomState(1).uniform
    features, hidden, steps = 4, 3, 6
    x = draw(-1, 1, (steps, features))
    w = {k: [draw(-1, 1, (hidden, features)) for _ in range(4)] for k in "lgs"}
    r = {k: [draw(-1, 1, (hidden, hidden)) for _ in range(4)] for k in "lgs"}
    b = {k: [draw(-1, 1, hidden) for _ in range(4)] for k in "lgs"}
    array = datatypes.Array
    net = NeuralNetworkBuilder(
        [("x", array(features))],
        [("l", array(hidden)), ("g", array(hidden)), ("s", array(hidden))],
        disable_rank5_shape_mapping=False,
    )
    rest = dict(hidden_size=hidden, input_size=features)
    net.add_unilstm(
        "lstm", r["l"], w["l"], b["l"], input_names=["x"], output_names=["l"], output_all=True, forget_bias=True, **rest
    )
    net.add_gru(
        "gru",
        inner_activation="SIGMOID",
        W_h=r["g"][:3],
        W_x=w["g"][:3],
        b=b["g"][:3],
        input_names=["x"],
        output_names=["g"],
        **rest,
    )
    net.add_simple_rnn("simple", r["s"][0], w["s"][0], b["s"][0], activation="TANH", input_names=["x"], output_names=["s"],
                       output_all=True, reverse_input=True, **rest)  # fmt: skip
    found = {"l": [], "s": []}
    h, c = np.zeros(hidden), np.zeros(hidden)
    for one in x:  # the gates stand as input, forget, output, block
        i, f, o, z = (w["l"][k] @ one + r["l"][k] @ h + b["l"][k] for k in range(4))
        c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(z)
        h = sigmoid(o) * np.tanh(c)
        found["l"].append(h)
    h = np.zeros(hidden)
    for one in x:
        z, q = (sigmoid(w["g"][k] @ one + r["g"][k] @ h + b["g"][k]) for k in (0, 1))
        h = (1 - z) * np.tanh(w["g"][2] @ one + r["g"][2] @ (q * h) + b["g"][2]) + z * h
    found["g"] = [h]
    h = np.zeros(hidden)
    for one in x[::-1]:
        h = np.tanh(w["s"][0] @ one + r["s"][0] @ h + b["s"][0])
        found["s"].append(h)
    found["s"] = found["s"][::-1]
    keep("older", net.spec, [x.astype("float32")], [np.array(found[k]) for k in "lgs"])


def main():
    torch.manual_seed(0)
    of_torch("pictures", Pictures(), (1, 3, 32, 32))
    of_torch("pair", Pair(), (1, 3, 16, 16), (1, 2, 16, 16))
    of_torch("words", Words(), (1, 7), ids=20)
    of_torch("attention", Attention(), (1, 6, 8))
    of_torch("functions", Functions(), (1, 3, 4))
    older()
    of_torch("resnet", ResNet(), (1, 3, 64, 64))
    of_torch("mobilenet", MobileNet(), (1, 3, 32, 32))
    of_torch("sound", Sound(), (1, 2, 20))
    of_torch("classifier", Pictures(), (1, 3, 32, 32), labels=list("abcde"))
    of_torch("bitmap", Pictures(), (1, 3, 32, 32), picture=True)
    of_torch("in_half", Plain().half().float(), (1, 3, 16, 16), stored=(16,))
    of_torch("in_8_bits", on_grid(Plain(), 256), (1, 3, 16, 16), stored=(8, "linear"))
    of_torch("in_a_table", on_grid(Plain(), 16), (1, 3, 16, 16), stored=(4, "linear_lut"))
    known = {key: array for key, array in RECORDED.items() if key.startswith(("resnet/", "mobilenet/"))}
    np.savez_compressed(HERE / "recorded_known.npz", **known)
    rest = {key: array for key, array in RECORDED.items() if key not in known}
    np.savez_compressed(HERE / "recorded_exact.npz", **rest)


main()
