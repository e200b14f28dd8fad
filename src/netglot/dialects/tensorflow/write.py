"""From a graph to a SavedModel, by way of the Keras network that it becomes."""

from __future__ import annotations

from pathlib import Path

from netglot.dialects.tensorflow.dialect import tensorflow
from netglot.dialects.tensorflow.through_keras import Exported, copy, exported
from netglot.pivot.graph import Graph


def write(graph: Graph, *, keep_layout: bool = False, exact_training: bool = False) -> Exported:
    """Writes `graph` as a SavedModel with one serving signature.

    Raises:
        UnsupportedOps: everything that Keras cannot express.
    """
    return exported(graph, tensorflow, "saved_model", keep_layout)


def save_weights(written: Exported, path: str | Path) -> None:
    """Puts the folder in its place."""
    copy(written, Path(path))
