"""Trains `DigitNet` and saves its weights: `python train.py digits.pt`."""

import sys

import torch
from data import digits
from model import DigitNet
from torch import nn


def train(epochs: int = 12) -> DigitNet:
    """A trained network; some seconds on one core."""
    torch.manual_seed(0)
    x, _, y, _ = (torch.from_numpy(array) for array in digits())
    net = DigitNet().train()
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3)
    for epoch in range(epochs):
        order = torch.randperm(len(x))
        total = 0.0
        for batch in order.split(64):
            loss = nn.functional.cross_entropy(net(x[batch]), y[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(batch)
        print(f"epoch {epoch + 1:2}  loss {total / len(x):.4f}", flush=True)
    return net.eval()


def accuracy(net: DigitNet) -> float:
    """The share of held-out digits that the network names."""
    _, x, _, y = (torch.from_numpy(array) for array in digits())
    with torch.no_grad():
        return (net(x).argmax(1) == y).float().mean().item()


if __name__ == "__main__":
    trained = train()
    torch.save(trained.state_dict(), sys.argv[1])
    print(f"PyTorch  {accuracy(trained):.2%} of the held-out digits")
