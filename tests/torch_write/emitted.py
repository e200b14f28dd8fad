"""Emitted PyTorch files, loaded and run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from netglot.dialects.torch.write import save_weights, write
from netglot.pivot.graph import Graph
from netglot.source.module_file import Written
from netglot.verify.emitted import import_emitted
from netglot.verify.runtime_torch import flatten


def emit(graph: Graph, folder: Path) -> tuple[Written, Any]:
    """What the writer makes of a graph, and the `load` of the emitted file."""
    written = write(graph)
    (folder / "model.py").write_text(written.source, encoding="utf-8")
    save_weights(written, folder / "model.safetensors")
    return written, import_emitted(str(folder / "model.py")).load


def outputs(module: Any, arguments: list) -> dict[str, np.ndarray]:
    """The outputs of a module in inference, by name."""
    with torch.no_grad():
        return {name: tensor.numpy() for name, tensor in flatten(module(*arguments))}
