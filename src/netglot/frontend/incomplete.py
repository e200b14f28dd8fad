"""Packages that are installed in part: torchvision whose compiled operators cannot be loaded.

Its wheels come apart from those of PyTorch, and where the two do not fit its import fails on a signature, though nearly
all of its networks need none of these operators. The signatures are declared before it is imported; an operator that a
network does call is then missing by its own name.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

_SIGNATURES = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
"""What importing torchvision looks up without asking whether its operators are there."""
_declared: list = []


class _BeforeTorchvision(MetaPathFinder):
    """Finds nothing; completes torchvision's operators when it is first looked for."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname == "torchvision":
            sys.meta_path.remove(self)
            _complete()
        return None


_finder = _BeforeTorchvision()


def complete_on_import() -> None:
    """Sees to it that user code can import a torchvision whose compiled operators do not load."""
    if "torchvision" not in sys.modules and _finder not in sys.meta_path and not _declared:
        sys.meta_path.insert(0, _finder)


def _complete() -> None:
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None or importlib.util.find_spec("torch") is None:
        return
    import torch

    for library in Path(found.origin).parent.glob("_C*.so"):
        try:
            torch.ops.load_library(str(library))
        except (OSError, RuntimeError):
            continue
    if not hasattr(torch.ops.torchvision, "nms"):
        declared = torch.library.Library("torchvision", "DEF")
        for signature in _SIGNATURES:
            declared.define(signature)
        _declared.append(declared)  # the signatures live as long as it does
