"""What the server imports before it forks: the frameworks, and nothing of this repository that a fix would change."""

import contextlib
import importlib
import importlib.util

from tests.conftest import register_torchvision_operators

if importlib.util.find_spec("torch") is not None:
    import torch

    torch.set_num_threads(1)
    register_torchvision_operators()
    for package in ("torchvision", "timm", "transformers", "torch.export", "torch._dynamo"):
        with contextlib.suppress(ImportError):
            importlib.import_module(package)
