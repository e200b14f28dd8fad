"""From a graph to a `.tflite`, by way of the Keras network that it becomes and TensorFlow's own converter."""

from __future__ import annotations

from pathlib import Path

from netglot.dialects.tensorflow.through_keras import Exported, copy, exported
from netglot.dialects.tflite.dialect import tflite
from netglot.pivot.graph import Graph


def write(graph: Graph, *, keep_layout: bool = False, exact_training: bool = False) -> Exported:
    """Writes `graph` as a TensorFlow Lite file of builtin operators.

    Raises:
        UnsupportedOps: everything that Keras cannot express.
        Refusal: operators that TensorFlow Lite lacks.
    """
    return exported(graph, tflite, "tflite", keep_layout)


def save_weights(written: Exported, path: str | Path) -> None:
    """Puts the file in its place."""
    copy(written, Path(path))
