"""A multilayer perceptron for tables."""
import torch
from torch import nn


class MLP(nn.Module):
    """Dense layers with dropout between them."""

    def __init__(self, in_features: int = 20, hidden=(64, 32), num_classes: int = 3, dropout: float = 0.1):
        super().__init__()
        sizes = [in_features, *hidden]
        blocks = []
        for a, b in zip(sizes[:-1], sizes[1:]):
            blocks += [nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU(inplace=True), nn.Dropout(dropout)]
        self.body = nn.Sequential(*blocks)
        self.head = nn.Linear(sizes[-1], num_classes)
        self._reset()

    def _reset(self):
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.xavier_uniform_(m.weight)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))
