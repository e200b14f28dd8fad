"""What is asked of networks and their outputs."""

import torch.nn as nn


def begin(net):
    for m in net.modules():
        if isinstance(m, nn.Linear):
            nn.init.constant_(m.weight, 0.1)
            if m.bias is not None:
                nn.init.zeros_(m.bias)
        elif type(m) == nn.LayerNorm:
            nn.init.constant_(m.bias, 0.3)
        elif type(m) in (nn.Conv1d, nn.Embedding):
            nn.init.normal_(m.weight)


def largest_row(layer):
    return layer.weight.abs().sum(dim=1).max().item(), layer.weight[1].sum().item()
