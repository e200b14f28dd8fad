"""Weights and networks in files."""

import glob
import os

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


class Checkpoint:
    """Networks, optimisers and other values by name, kept in one numbered file."""

    def __init__(self, **values):
        self.values, self.count = values, 0

    def __getattr__(self, name):
        return self.__dict__["values"][name]

    def write(self, path):
        """Keeps all values in a file of this name."""
        held = {name: one.state_dict() if hasattr(one, "state_dict") else one for name, one in self.values.items()}
        torch.save(held, path)
        return path

    def save(self, file_prefix):
        """Keeps all values in a file of the next number."""
        os.makedirs(os.path.dirname(file_prefix) or ".", exist_ok=True)
        self.count += 1
        return self.write(f"{file_prefix}-{self.count}")

    def restore(self, path):
        """Gives all values what a file holds; nothing where there is no file."""
        for name, held in (torch.load(path, weights_only=False) if path else {}).items():
            one = self.values.get(name)
            if hasattr(one, "load_state_dict"):
                one.load_state_dict(held)
            elif isinstance(one, torch.Tensor):
                one.data.copy_(held)
            elif name in self.values:
                self.values[name] = held
        return self

    read = restore

    def expect_partial(self):
        """Nothing is missed here."""
        return self

    assert_consumed = assert_existing_objects_matched = expect_partial


def latest_checkpoint(directory):
    """The last file that a checkpoint was saved in; None where there is none."""
    found = [one for one in glob.glob(os.path.join(directory, "*-*")) if one.rpartition("-")[2].isdigit()]
    return max(found, key=lambda path: int(path.rpartition("-")[2]), default=None)


class CheckpointManager:
    """Keeps the last few files of a checkpoint in a folder."""

    def __init__(self, checkpoint, directory, max_to_keep=None, checkpoint_name="ckpt"):
        self.checkpoint, self.directory, self.max_to_keep = checkpoint, directory, max_to_keep
        self.prefix = os.path.join(directory, checkpoint_name)

    @property
    def checkpoints(self):
        found = [one for one in glob.glob(f"{self.prefix}-*") if one.rpartition("-")[2].isdigit()]
        return sorted(found, key=lambda path: int(path.rpartition("-")[2]))

    @property
    def latest_checkpoint(self):
        return latest_checkpoint(self.directory)

    def save(self, checkpoint_number=None):
        path = self.checkpoint.save(self.prefix)
        for old in self.checkpoints[: -self.max_to_keep] if self.max_to_keep else ():
            os.remove(old)
        return path

    def restore_or_initialize(self):
        if self.latest_checkpoint:
            self.checkpoint.restore(self.latest_checkpoint)
        return self.latest_checkpoint
