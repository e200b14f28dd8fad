"""Weights and networks in files."""

import torch


def save_weights(model, path):
    """Writes the weights of a network."""
    torch.save(model.state_dict(), path)


def load_weights(model, path):
    """Reads the weights of a network."""
    model.load_state_dict(torch.load(path))


def get_weights(model):
    """Copies of all weights of a network, in PyTorch's order."""
    return [one.detach().clone() for one in model.state_dict().values()]


def set_weights(model, weights):
    """Gives a network the weights that `get_weights` told, or others in their places."""
    for own, new in zip(model.state_dict().values(), weights):
        own.copy_(torch.as_tensor(new))
