"""Weights and networks in files."""

import torch


def save_weights(model, path):
    """Writes the weights of a network."""
    torch.save(model.state_dict(), path)


def load_weights(model, path):
    """Reads the weights of a network."""
    model.load_state_dict(torch.load(path))
