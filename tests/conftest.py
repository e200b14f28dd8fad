"""What all tests share: quiet frameworks, one thread each, and torchvision where its compiled operators are missing."""

from __future__ import annotations

import importlib.util
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("PYTHONHASHSEED", "0")

import pytest


def register_torchvision_operators() -> None:
    """Defines the two operators that torchvision's import looks for and that its wheel lacks on this platform."""
    import torch

    try:
        torch.ops.torchvision.nms  # noqa: B018  (the attribute is looked up by name)
    except AttributeError:
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _LIBRARIES.append(library)


_LIBRARIES: list = []


@pytest.fixture(scope="session")
def torchvision():
    """torchvision, importable whether or not it has its compiled operators."""
    pytest.importorskip("torch")
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    register_torchvision_operators()
    import torchvision

    return torchvision
