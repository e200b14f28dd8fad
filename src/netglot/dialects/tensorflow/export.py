"""Exports an emitted Keras network by TensorFlow's own means: as a SavedModel, or from that as a TensorFlow Lite file.

    python -m netglot.dialects.tensorflow.export FOLDER OUT

FOLDER holds `model.py`, its weights, and `export.json`: the inputs and outputs by name, and what is made. Run in a
process of its own, because it imports the framework.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any


def export(folder: Path, out: str) -> None:
    """Exports the network in an emitted folder."""
    spec = importlib.util.spec_from_file_location("netglot_exported", folder / "model.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    export_model(module.load(), json.loads((folder / "export.json").read_text("utf-8")), out)


def export_model(model: Any, told: dict[str, Any], out: str) -> None:
    """Exports a Keras model; `told` says its inputs and outputs, and which kind of file is made."""
    if told["kind"] == "saved_model":
        _save(model, told, out)
        return
    import tensorflow as tf

    with tempfile.TemporaryDirectory(prefix="netglot-saved-") as between:
        _save(model, told, between)
        # its own operators only: a file with TensorFlow's beside them runs in few interpreters, and not in Python's
        Path(out).write_bytes(tf.lite.TFLiteConverter.from_saved_model(between).convert())


def _save(model: Any, told: dict[str, Any], out: str) -> None:
    """Writes a SavedModel whose serving signature has the network's own names."""
    import keras
    import tensorflow as tf

    kinds = [tf.TensorSpec(tuple(one["shape"]), one["dtype"], one["name"]) for one in told["inputs"]]

    def serve(*tensors):
        given = dict(zip([one["argument"] for one in told["inputs"]], tensors, strict=True))
        result = model(next(iter(given.values())) if len(given) == 1 else given, training=False)
        return dict(zip(told["outputs"], leaves(result), strict=True))

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", serve, input_signature=kinds)
    archive.write_out(out, verbose=False)


def leaves(tree: Any) -> list[Any]:
    """The tensors in what a network returns, in order."""
    if isinstance(tree, dict):
        return [leaf for branch in tree.values() for leaf in leaves(branch)]
    if isinstance(tree, list | tuple):
        return [leaf for branch in tree if branch is not None for leaf in leaves(branch)]
    return [tree]


def missing(message: str) -> list[str]:
    """The operations that TensorFlow Lite lacks, from what its converter says."""
    flexible = re.findall(r"\bFlex(\w+)", message)
    return sorted({*flexible, *re.findall(r"error: '(tf\.\w+)' op is neither", message)})


if __name__ == "__main__":
    export(Path(sys.argv[1]), sys.argv[2])
