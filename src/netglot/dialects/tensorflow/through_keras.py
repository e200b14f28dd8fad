"""Files that TensorFlow makes of an emitted Keras network: the network is written as Keras source, and exported."""

from __future__ import annotations

from pathlib import Path

from netglot.dialects.dialect import Dialect
from netglot.dialects.exporting import Exported, copy, last_line, run_exporter
from netglot.dialects.exporting import exported as _exported
from netglot.dialects.keras import write as keras_write
from netglot.dialects.tensorflow.export import missing
from netglot.errors import Refusal, never, notimpl
from netglot.pivot.graph import Graph

WEIGHTS = "model.weights.h5"


def exported(graph: Graph, dialect: Dialect, kind: str, keep_layout: bool) -> Exported:
    """Writes `graph` in Keras and exports that; `kind` is "saved_model" or "tflite".

    Raises:
        UnsupportedOps: what Keras cannot express.
        Refusal: TensorFlow does not export it.
    """
    written = keras_write.write(graph, keep_layout=keep_layout)

    def export(folder: Path, made: Path) -> None:
        _export(folder, made, dialect)

    return _exported(graph, written, dialect, kind, keras_write.save_weights, WEIGHTS, export)


def _export(folder: Path, made: Path, dialect: Dialect) -> None:
    """Runs the exporter in a process of its own.

    Raises:
        Refusal: it does not export the network.
    """
    quiet = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    said = run_exporter("netglot.dialects.tensorflow.export", folder, made, **quiet)
    if said is None:
        return
    lacks = missing(said)
    if lacks:
        raise Refusal(never(f"{dialect.title} has no {', '.join(lacks)}", "keep it in Keras: --to keras"))
    if "tensor list" in said:
        why = f"{dialect.title} has no recurrence over a batch of any size"
        raise Refusal(notimpl(why, "pin the size of the batch with an exclamation mark: --input '1!,20'"))
    raise Refusal(notimpl(f"TensorFlow's exporter fails: {last_line(said)}"))


__all__ = ["Exported", "copy", "exported"]
