"""The networks behind the golden files, written as people write PyTorch."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F


class Mlp(nn.Module):
    """Three linear layers with dropout between them."""

    def __init__(self, features=32, hidden=64, classes=10):
        super().__init__()
        self.fc1 = nn.Linear(features, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.fc3 = nn.Linear(hidden, classes)
        self.dropout = nn.Dropout(0.2)

    def forward(self, x):
        x = self.dropout(F.relu(self.fc1(x)))
        x = self.dropout(F.relu(self.fc2(x)))
        return self.fc3(x)


class ConvNet(nn.Module):
    """Convolutions with batch norm and pooling, then flattened into a classifier."""

    def __init__(self, classes=10):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1, bias=False),
            nn.BatchNorm2d(64, eps=1e-3, momentum=0.01),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(64 * 8 * 8, 128),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(128, classes),
        )

    def forward(self, x):
        return self.classifier(self.features(x))


class LstmClassifier(nn.Module):
    """Words are embedded and read by two stacked LSTM layers; the last state is classified."""

    def __init__(self, vocabulary=1000, width=32, hidden=64, classes=2):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, hidden, num_layers=2, dropout=0.1, batch_first=True)
        self.fc = nn.Linear(hidden, classes)

    def forward(self, tokens):
        _, (hidden, _) = self.lstm(self.embedding(tokens))
        return self.fc(hidden[-1])


class BidirectionalGru(nn.Module):
    """A label for every step of a sequence."""

    def __init__(self, features=16, hidden=24, labels=5):
        super().__init__()
        self.gru = nn.GRU(features, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden, labels)

    def forward(self, x):
        output, _ = self.gru(x)
        return F.log_softmax(self.head(output), dim=-1)


class DoubleConv(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)))


class Up(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
        self.conv = DoubleConv(2 * out_channels, out_channels)

    def forward(self, x, skip):
        return self.conv(torch.cat([skip, self.up(x)], dim=1))


class UNet(nn.Module):
    """Down and up again, with what was seen on the way down beside it."""

    def __init__(self, channels=3, classes=2, width=16):
        super().__init__()
        self.stem = DoubleConv(channels, width)
        self.down1 = DoubleConv(width, 2 * width)
        self.down2 = DoubleConv(2 * width, 4 * width)
        self.pool = nn.MaxPool2d(2)
        self.up1 = Up(4 * width, 2 * width)
        self.up2 = Up(2 * width, width)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x):
        first = self.stem(x)
        second = self.down1(self.pool(first))
        third = self.down2(self.pool(second))
        x = self.up2(self.up1(third, second), first)
        return self.head(x)


class ResidualConv1d(nn.Module):
    def __init__(self, channels, dilation):
        super().__init__()
        self.conv = nn.Conv1d(channels, 2 * channels, 3, padding=dilation, dilation=dilation)
        self.mix = nn.Conv1d(channels, channels, 1)

    def forward(self, x):
        a, b = self.conv(x).chunk(2, dim=1)
        return x + self.mix(torch.tanh(a) * torch.sigmoid(b))


class DilatedConvNet(nn.Module):
    """Gated one-dimensional convolutions whose reach doubles from block to block."""

    def __init__(self, features=8, channels=16, depth=4):
        super().__init__()
        self.stem = nn.Conv1d(features, channels, 1)
        self.blocks = nn.ModuleList([ResidualConv1d(channels, 2**i) for i in range(depth)])
        self.head = nn.Conv1d(channels, 1, 1)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(F.relu(x))


class TransformerClassifier(nn.Module):
    """PyTorch's own encoder over embedded words, with learnt positions and padding masked out."""

    def __init__(self, vocabulary=500, width=32, heads=4, layers=2, classes=3, length=20):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(torch.zeros(1, length, width))
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, tokens):
        x = self.embedding(tokens) + self.position
        x = self.encoder(x, src_key_padding_mask=tokens == 0)
        return self.head(self.norm(x).mean(dim=1))


class TwoInputs(nn.Module):
    """An image and a table of numbers about it; a score and the features behind it come out."""

    def __init__(self, features=6, classes=4):
        super().__init__()
        self.image = nn.Sequential(nn.Conv2d(3, 8, 5, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.table = nn.Sequential(nn.Linear(features, 8), nn.ReLU())
        self.head = nn.Linear(16, classes)

    def forward(self, image, table):
        features = torch.cat([self.image(image), self.table(table)], dim=1)
        return {"scores": self.head(features), "features": features}


class Branch(nn.Module):
    def __init__(self, features, width):
        super().__init__()
        self.fc1 = nn.Linear(features, width)
        self.fc2 = nn.Linear(width, width)

    def forward(self, x):
        return self.fc2(torch.tanh(self.fc1(x)))


class Siamese(nn.Module):
    """One branch is called on both inputs."""

    def __init__(self, features=12, width=16):
        super().__init__()
        self.branch = Branch(features, width)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, left, right):
        return self.scale * F.cosine_similarity(self.branch(left), self.branch(right), dim=-1)


class CausalSelfAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = self.qkv(x).split(width, dim=2)
        q = q.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
        k = k.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
        v = v.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(y.transpose(1, 2).contiguous().view(batch, length, width))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.ln1 = nn.LayerNorm(width)
        self.attn = CausalSelfAttention(width, heads)
        self.ln2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(0.1))

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class Gpt(nn.Module):
    """A small language model; the head shares its weights with the embedding."""

    def __init__(self, vocabulary=256, width=48, heads=4, depth=3, length=64):
        super().__init__()
        self.tok = nn.Embedding(vocabulary, width)
        self.pos = nn.Embedding(length, width)
        self.drop = nn.Dropout(0.1)
        self.blocks = nn.ModuleList([Block(width, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.tok.weight

    def forward(self, tokens):
        x = self.tok(tokens) + self.pos(torch.arange(tokens.shape[1], device=tokens.device))
        x = self.drop(x)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class SqueezeExcitation(nn.Module):
    def __init__(self, channels, reduction=4):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // reduction, 1)
        self.fc2 = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x):
        scale = F.adaptive_avg_pool2d(x, 1)
        scale = torch.sigmoid(self.fc2(F.relu(self.fc1(scale))))
        return x * scale


class SeBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.se = SqueezeExcitation(out_channels)
        self.downsample = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x):
        identity = x
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.se(self.bn2(self.conv2(x)))
        if self.downsample is not None:
            identity = self.downsample(identity)
        return F.relu(x + identity)


class SeResNet(nn.Module):
    """Residual blocks with squeeze and excitation; some have a projection beside them and some have none."""

    def __init__(self, classes=10, widths=(16, 32, 64)):
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(widths[0])
        blocks = []
        before = widths[0]
        for width in widths:
            blocks += [SeBlock(before, width, stride=1 if width == before else 2), SeBlock(width, width)]
            before = width
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(before, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        x = self.blocks(F.relu(self.bn(self.stem(x))))
        return self.fc(x.mean(dim=(2, 3)))


class Autoencoder(nn.Module):
    """Mean and log variance of a hidden code, and what the mean decodes to."""

    def __init__(self, code=8):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.LeakyReLU(0.1),
            nn.Flatten(),
        )
        self.mean = nn.Linear(32 * 7 * 7, code)
        self.log_variance = nn.Linear(32 * 7 * 7, code)
        self.expand = nn.Linear(code, 32 * 7 * 7)
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1),
            nn.LeakyReLU(0.1),
            nn.ConvTranspose2d(16, 1, 3, stride=2, padding=1, output_padding=1),
            nn.Sigmoid(),
        )

    def forward(self, x):
        features = self.encoder(x)
        mean, log_variance = self.mean(features), self.log_variance(features)
        image = self.decoder(self.expand(mean).view(-1, 32, 7, 7))
        return image, mean, torch.clamp(log_variance, -math.log(1e4), math.log(1e4))


def torchvision_network(name: str):
    """A torchvision network as its users make it, without trained weights."""

    def make():
        from tests.conftest import register_torchvision_operators

        register_torchvision_operators()
        import torchvision

        return getattr(torchvision.models, name)(weights=None)

    return make


SMALL = {
    "mlp": (Mlp, ["B,32"]),
    "conv_net": (ConvNet, ["B,3,32,32"]),
    "lstm_classifier": (LstmClassifier, ["int64 B,T"]),
    "bidirectional_gru": (BidirectionalGru, ["B,T,16"]),
    "unet": (UNet, ["B,3,64,64"]),
    "dilated_conv_net": (DilatedConvNet, ["B,8,100"]),
    "transformer_classifier": (TransformerClassifier, ["int64 B,20"]),
    "two_inputs": (TwoInputs, ["image=B,3,33,33", "table=B,6"]),
    "siamese": (Siamese, ["left=B,12", "right=B,12"]),
    "gpt": (Gpt, ["int64 B,T@0:256"]),
    "se_resnet": (SeResNet, ["B,3,32,32"]),
    "autoencoder": (Autoencoder, ["B,1,28,28"]),
}
LARGE = {
    name: (torchvision_network(name), ["B,3,224,224"])
    for name in ("resnet18", "mobilenet_v3_large", "densenet121", "vit_b_16")
}
NETWORKS = SMALL | LARGE
"""What makes each network, and what it is called with."""

IMAGES = ("conv_net", "unet", "two_inputs", "se_resnet", "autoencoder", *LARGE)
"""Networks of images, inside which no axis is moved."""
