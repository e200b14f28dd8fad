"""Makes small ML Programs with coremltools, and records what the networks that they are made of compute.

`python -m tests.formats.coreml.make_programs`; needs coremltools and PyTorch. Nothing runs Core ML here: the results are those of PyTorch
in double precision.
"""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path

import coremltools as ct
import numpy as np
import torch
from tests.written.networks import Pictures, Words, drawn
from torch import nn
from torch.nn import functional as F

HERE = Path(__file__).parent
PARTS = ("Manifest.json", "Data/com.apple.CoreML/model.mlmodel", "Data/com.apple.CoreML/weights/weight.bin")


class Attention(nn.Module):
    """A layer of attention, spelled out or by the framework's own function."""

    def __init__(self, own: bool = False):
        super().__init__()
        self.own, self.qkv, self.out, self.norm = own, nn.Linear(16, 48), nn.Linear(16, 16), nn.LayerNorm(16)

    def forward(self, x):
        q, k, v = self.qkv(x).view(2, 5, 3, 4, 4).permute(2, 0, 3, 1, 4)
        if self.own:
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            y = torch.softmax(q @ k.transpose(-1, -2) * 0.5, -1) @ v
        return F.gelu(self.norm(self.out(y.transpose(1, 2).reshape(2, 5, 16)) + x)).mean(1)


class Many(nn.Module):
    """Layers of many kinds."""

    def __init__(self):
        super().__init__()
        self.up, self.slope, self.shuffle = nn.ConvTranspose2d(4, 6, 4, 2, 1), nn.PReLU(6), nn.PixelShuffle(2)
        self.conv = nn.Conv2d(6, 8, 3, padding=(1, 2), dilation=2, groups=2, padding_mode="reflect")
        self.norm = nn.InstanceNorm2d(8, affine=True)

    def forward(self, x):
        y = self.norm(self.conv(self.slope(self.up(x))))
        a, b = F.interpolate(y, scale_factor=2, mode="bilinear").chunk(2, 1)
        y = F.interpolate(torch.cat([F.hardswish(a), F.elu(b)], 1), scale_factor=2, mode="nearest")
        y = F.avg_pool2d(self.shuffle(y), 3, 2, 1)
        y = F.pad(torch.stack([y.amax((2, 3)), y.std((2, 3))], 1), (1, 2))
        return torch.where(y > 0.1, y, y * 2).cumsum(1).topk(3, -1)[0]


class Both(nn.Module):
    """Two recurrent layers in both directions, and their last states."""

    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.LSTM(5, 4, 2, bidirectional=True), nn.Linear(8, 3)

    def forward(self, x):
        y, (_, c) = self.rnn(x)
        return self.head(y) + c.sum()


class Gated(nn.Module):
    """A GRU, of which coremltools makes a loop."""

    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.GRU(4, 3, 2, bidirectional=True, batch_first=True), nn.Linear(6, 2)

    def forward(self, x):
        y, h = self.rnn(x)
        return self.head(y) + h.sum()


class Rare(nn.Module):
    """Plain recurrences, elements in order, and pictures that are cut."""

    def __init__(self):
        super().__init__()
        self.plain = nn.RNN(6, 4, batch_first=True)
        self.back = nn.RNN(4, 3, batch_first=True, nonlinearity="relu")
        self.up = nn.ConvTranspose2d(1, 2, 3, stride=2, padding=1, output_padding=1)

    def forward(self, x):
        y, _ = self.plain(x)
        z, h = self.back(y)
        picture = F.conv_transpose2d(x[:, None], self.up.weight, self.up.bias, 2, 1, 1)
        return torch.cat([z.flatten(1), h[0], x.sort(-1)[0].flatten(1), picture.flatten(1)], 1)


def networks():
    """Each network, what it is given, and how it is converted."""
    half = {"compute_precision": ct.precision.FLOAT16}
    yield "pictures", Pictures(), torch.randn(1, 3, 33, 33), {}
    yield "pictures_in_half", Pictures(), torch.randn(1, 3, 33, 33), half
    yield "words", Words(), torch.randint(0, 20, (1, 7)), {}
    yield "attention", Attention(), torch.randn(2, 5, 16), {}
    yield "attention_of_its_own", Attention(True), torch.randn(2, 5, 16), {"minimum_deployment_target": ct.target.iOS18}
    yield "many", Many(), torch.randn(1, 4, 9, 8), {}
    yield "both", Both(), torch.randn(6, 2, 5), {}
    yield "gated", Gated(), torch.randn(2, 5, 4), {}
    yield "rare", Rare(), torch.randn(2, 5, 6), {}


def main():
    torch.manual_seed(0)
    held = {}
    for name, network, x, options in networks():
        network = drawn(network)
        dtype = np.float32 if x.is_floating_point() else np.int32
        wide = copy.deepcopy(network).double()
        expected = wide(x.double() if x.is_floating_point() else x).detach().numpy()
        told = {"compute_precision": ct.precision.FLOAT32, "minimum_deployment_target": ct.target.iOS16, **options}
        traced = torch.jit.trace(network, x, check_trace=False)
        kind = ct.TensorType(name="x", shape=x.shape, dtype=dtype)
        made = ct.convert(traced, inputs=[kind], convert_to="mlprogram", skip_model_load=True, **told)
        with tempfile.TemporaryDirectory() as folder:
            made.save(f"{folder}/net.mlpackage")
            for part in PARTS:
                held[f"{name}/{part}"] = np.frombuffer(Path(f"{folder}/net.mlpackage/{part}").read_bytes(), np.uint8)
        held |= {f"{name}/in": x.numpy(), f"{name}/out": expected}
    np.savez_compressed(HERE / "recorded_programs.npz", **held)


if __name__ == "__main__":
    main()
