"""Image networks of several families, and two small ones for rows and sequences."""
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Inception(nn.Module):
    def __init__(self, in_planes, n1x1, n3x3red, n3x3, n5x5red, n5x5, pool_planes):
        super(Inception, self).__init__()
        self.b1 = nn.Sequential(nn.Conv2d(in_planes, n1x1, 1), nn.BatchNorm2d(n1x1), nn.ReLU(True))
        self.b2 = nn.Sequential(
            nn.Conv2d(in_planes, n3x3red, 1), nn.BatchNorm2d(n3x3red), nn.ReLU(True),
            nn.Conv2d(n3x3red, n3x3, 3, padding=1), nn.BatchNorm2d(n3x3), nn.ReLU(True),
        )
        self.b3 = nn.Sequential(
            nn.Conv2d(in_planes, n5x5red, 1), nn.BatchNorm2d(n5x5red), nn.ReLU(True),
            nn.Conv2d(n5x5red, n5x5, 5, padding=2), nn.BatchNorm2d(n5x5), nn.ReLU(True),
        )
        self.b4 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), nn.Conv2d(in_planes, pool_planes, 1))

    def forward(self, x):
        y1 = self.b1(x)
        y2 = self.b2(x)
        y3 = self.b3(x)
        y4 = self.b4(x)
        return torch.cat([y1, y2, y3, y4], 1)


class GoogLeNet(nn.Module):
    def __init__(self, aux=True):
        super().__init__()
        self.pre = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.a3 = Inception(8, 2, 2, 4, 2, 2, 2)
        self.maxpool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.b3 = Inception(10, 4, 2, 4, 2, 2, 2)
        self.drop = nn.Dropout(0.2)
        self.linear = nn.Linear(12, 10)
        self.aux = nn.Linear(10, 10) if aux else None

    def forward(self, x):
        out = self.pre(x)
        out = self.a3(out)
        aux = None
        if self.aux is not None and self.training:
            aux = self.aux(out.mean((2, 3)))
        out = self.maxpool(out)
        out = self.b3(out)
        out = F.adaptive_avg_pool2d(out, 1).flatten(1)
        out = self.linear(self.drop(out))
        if self.training:
            return out, aux
        return out


def _make_divisible(v, divisor=8, min_value=None):
    if min_value is None:
        min_value = divisor
    new_v = max(min_value, int(v + divisor / 2) // divisor * divisor)
    if new_v < 0.9 * v:
        new_v += divisor
    return new_v


class ConvBNReLU(nn.Sequential):
    def __init__(self, in_planes, out_planes, kernel_size=3, stride=1, groups=1):
        padding = (kernel_size - 1) // 2
        super(ConvBNReLU, self).__init__(
            nn.Conv2d(in_planes, out_planes, kernel_size, stride, padding, groups=groups, bias=False),
            nn.BatchNorm2d(out_planes),
            nn.ReLU6(inplace=True),
        )


class InvertedResidual(nn.Module):
    def __init__(self, inp, oup, stride, expand_ratio):
        super().__init__()
        self.stride = stride
        assert stride in [1, 2]
        hidden_dim = int(round(inp * expand_ratio))
        self.use_res_connect = self.stride == 1 and inp == oup
        layers = []
        if expand_ratio != 1:
            layers.append(ConvBNReLU(inp, hidden_dim, kernel_size=1))
        layers.extend([
            ConvBNReLU(hidden_dim, hidden_dim, stride=stride, groups=hidden_dim),
            nn.Conv2d(hidden_dim, oup, 1, 1, 0, bias=False),
            nn.BatchNorm2d(oup),
        ])
        self.conv = nn.Sequential(*layers)

    def forward(self, x):
        if self.use_res_connect:
            return x + self.conv(x)
        else:
            return self.conv(x)


class MobileNetV2(nn.Module):
    cfg = [
        # t, c, n, s
        [1, 8, 1, 1],
        [2, 16, 2, 2],
    ]

    def __init__(self, num_classes=10, width_mult=1.0):
        super().__init__()
        input_channel = _make_divisible(8 * width_mult)
        features = [ConvBNReLU(3, input_channel, stride=2)]
        for t, c, n, s in self.cfg:
            output_channel = _make_divisible(c * width_mult)
            for i in range(n):
                stride = s if i == 0 else 1
                features.append(InvertedResidual(input_channel, output_channel, stride, expand_ratio=t))
                input_channel = output_channel
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(input_channel, num_classes))

    def forward(self, x):
        x = self.features(x)
        x = x.mean([2, 3])
        return self.classifier(x)


def swish(x):
    return x * x.sigmoid()


def drop_connect(x, drop_ratio):
    keep_ratio = 1.0 - drop_ratio
    mask = torch.empty([x.shape[0], 1, 1, 1], dtype=x.dtype, device=x.device)
    mask.bernoulli_(keep_ratio)
    x.div_(keep_ratio)
    x.mul_(mask)
    return x


class SE(nn.Module):
    """Squeeze-and-Excitation block with Swish."""

    def __init__(self, in_channels, se_channels):
        super().__init__()
        self.se1 = nn.Conv2d(in_channels, se_channels, kernel_size=1, bias=True)
        self.se2 = nn.Conv2d(se_channels, in_channels, kernel_size=1, bias=True)

    def forward(self, x):
        out = F.adaptive_avg_pool2d(x, (1, 1))
        out = swish(self.se1(out))
        out = self.se2(out).sigmoid()
        out = x * out
        return out


class MBBlock(nn.Module):
    """expansion + depthwise + pointwise + squeeze-excitation"""

    def __init__(self, in_channels, out_channels, kernel_size, stride, expand_ratio=1, se_ratio=0.0, drop_rate=0.0):
        super().__init__()
        self.stride = stride
        self.drop_rate = drop_rate
        self.expand_ratio = expand_ratio
        channels = expand_ratio * in_channels
        self.conv1 = nn.Conv2d(in_channels, channels, kernel_size=1, stride=1, padding=0, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(
            channels, channels, kernel_size=kernel_size, stride=stride,
            padding=(1 if kernel_size == 3 else 2), groups=channels, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        se_channels = int(in_channels * se_ratio)
        self.se = SE(channels, se_channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.has_skip = (stride == 1) and (in_channels == out_channels)

    def forward(self, x):
        out = x if self.expand_ratio == 1 else swish(self.bn1(self.conv1(x)))
        out = swish(self.bn2(self.conv2(out)))
        out = self.se(out)
        out = self.bn3(self.conv3(out))
        if self.has_skip:
            if self.training and self.drop_rate > 0:
                out = drop_connect(out, self.drop_rate)
            out = out + x
        return out


class EfficientNet(nn.Module):
    def __init__(self, cfg, num_classes=10):
        super().__init__()
        self.cfg = cfg
        self.conv1 = nn.Conv2d(3, 8, kernel_size=3, stride=1, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layers = self._make_layers(in_channels=8)
        self.linear = nn.Linear(cfg["out_channels"][-1], num_classes)

    def _make_layers(self, in_channels):
        layers = []
        cfg = [self.cfg[k] for k in ["expansion", "out_channels", "num_blocks", "kernel_size", "stride"]]
        b = 0
        blocks = sum(self.cfg["num_blocks"])
        for expansion, out_channels, num_blocks, kernel_size, stride in zip(*cfg):
            strides = [stride] + [1] * (num_blocks - 1)
            for stride in strides:
                drop_rate = self.cfg["drop_connect_rate"] * b / blocks
                layers.append(
                    MBBlock(in_channels, out_channels, kernel_size, stride, expansion, se_ratio=0.25, drop_rate=drop_rate))
                in_channels = out_channels
        return nn.Sequential(*layers)

    def forward(self, x):
        out = swish(self.bn1(self.conv1(x)))
        out = self.layers(out)
        out = F.adaptive_avg_pool2d(out, 1)
        out = out.view(out.size(0), -1)
        dropout_rate = self.cfg["dropout_rate"]
        if self.training and dropout_rate > 0:
            out = F.dropout(out, p=dropout_rate)
        return self.linear(out)


def EfficientNetTiny():
    cfg = {
        "num_blocks": [1, 2], "expansion": [1, 2], "out_channels": [8, 12],
        "kernel_size": [3, 5], "stride": [1, 2], "dropout_rate": 0.2, "drop_connect_rate": 0.2,
    }
    return EfficientNet(cfg)


class RegBlock(nn.Module):
    def __init__(self, w_in, w_out, stride, group_width, bottleneck_ratio, se_ratio, norm_layer=nn.BatchNorm2d):
        super().__init__()
        w_b = int(round(w_out * bottleneck_ratio))
        num_groups = w_b // group_width
        self.conv1 = nn.Conv2d(w_in, w_b, kernel_size=1, bias=False)
        self.bn1 = norm_layer(w_b)
        self.conv2 = nn.Conv2d(w_b, w_b, kernel_size=3, stride=stride, padding=1, groups=num_groups, bias=False)
        self.bn2 = norm_layer(w_b)
        self.with_se = se_ratio > 0
        if self.with_se:
            w_se = int(round(w_in * se_ratio))
            self.se = nn.Sequential(
                nn.AdaptiveAvgPool2d(1), nn.Conv2d(w_b, w_se, 1), nn.ReLU(), nn.Conv2d(w_se, w_b, 1), nn.Sigmoid())
        self.conv3 = nn.Conv2d(w_b, w_out, kernel_size=1, bias=False)
        self.bn3 = norm_layer(w_out)
        self.downsample = None
        if stride != 1 or w_in != w_out:
            self.downsample = nn.Sequential(nn.Conv2d(w_in, w_out, 1, stride=stride, bias=False), norm_layer(w_out))

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = F.relu(self.bn2(self.conv2(out)), inplace=True)
        if self.with_se:
            out = out * self.se(out)
        out = self.bn3(self.conv3(out))
        return F.relu_(out + identity)


class RegNet(nn.Module):
    def __init__(self, depths=(1, 2), widths=(8, 16), group_width=4, se_ratio=0.25, num_classes=10):
        super().__init__()
        norm_layer = partial(nn.BatchNorm2d, eps=1e-5, momentum=0.1)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), norm_layer(8), nn.ReLU(inplace=True))
        w_in = 8
        for i, (d, w) in enumerate(zip(depths, widths)):
            blocks = []
            for j in range(d):
                blocks.append(RegBlock(w_in, w, 2 if j == 0 else 1, group_width, 1, se_ratio, norm_layer))
                w_in = w
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))
        self.n = len(depths)
        self.fc = nn.Linear(w_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for i in range(self.n):
            x = getattr(self, f"layer{i + 1}")(x)
        x = F.adaptive_avg_pool2d(x, (1, 1))
        x = torch.flatten(x, start_dim=1)
        return self.fc(x)


class AttnGRU(nn.Module):
    def __init__(self, input_size=5, hidden_size=8, n_layers=1):
        super().__init__()
        self.hidden_size = hidden_size
        self.n_layers = n_layers
        self.gru = nn.GRU(input_size, hidden_size, n_layers, batch_first=True)
        self.attn = nn.Linear(hidden_size, hidden_size)
        self.v = nn.Parameter(torch.rand(hidden_size))
        self.fc = nn.Linear(hidden_size * 2, 1)

    def init_hidden(self, batch_size):
        return torch.zeros(self.n_layers, batch_size, self.hidden_size)

    def forward(self, x, lengths=None):
        h0 = self.init_hidden(x.size(0)).to(x.device)
        out, h = self.gru(x, h0)
        energy = torch.tanh(self.attn(out))
        scores = torch.matmul(energy, self.v)
        if lengths is not None:
            mask = torch.arange(x.size(1))[None, :] >= lengths[:, None]
            scores = scores.masked_fill(mask, -1e9)
        alpha = F.softmax(scores, dim=1)
        context = torch.bmm(alpha.unsqueeze(1), out).squeeze(1)
        return self.fc(torch.cat([context, h[-1]], dim=-1)).squeeze(-1)


class ResMLP(nn.Module):
    def __init__(self, dim=8, depth=3, act=nn.GELU):
        super().__init__()
        self.blocks = nn.ModuleList()
        for _ in range(depth):
            self.blocks.append(nn.ModuleDict({
                "norm": nn.LayerNorm(dim), "fc1": nn.Linear(dim, 2 * dim), "act": act(), "fc2": nn.Linear(2 * dim, dim)}))
        self.register_buffer("scale", torch.full((1,), 0.5))
        self.gamma = nn.ParameterList([nn.Parameter(torch.ones(dim) * 0.1) for _ in range(depth)])
        self.head = nn.Linear(dim, 2)

    def forward(self, x):
        for block, gamma in zip(self.blocks, self.gamma):
            h = block["fc2"](block["act"](block["fc1"](block["norm"](x))))
            x = x + gamma * h * self.scale
        return F.log_softmax(self.head(x), dim=-1)


if __name__ == "__main__":
    for net in (GoogLeNet(), MobileNetV2(), EfficientNetTiny(), RegNet()):
        net(torch.randn(2, 3, 16, 16))
    print(AttnGRU()(torch.randn(3, 6, 5)).shape)
    print(AttnGRU(n_layers=2)(torch.randn(3, 6, 5), torch.tensor([6, 4, 2])).shape)
    print(ResMLP()(torch.randn(4, 8)).shape)
