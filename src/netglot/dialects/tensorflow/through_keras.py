"""Files that TensorFlow makes of an emitted Keras network: the network is written as Keras source, and exported."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netglot.dialects.dialect import Dialect
from netglot.dialects.keras import write as keras_write
from netglot.dialects.tensorflow.export import missing
from netglot.errors import Refusal, never, notimpl
from netglot.passes.layout import Arranged
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Graph
from netglot.source.module_file import TargetVariable

WEIGHTS = "model.weights.h5"


@dataclass
class _Outline:
    """What the report asks of a writer: the dialect, and what is not known of initialisers, which files have not."""

    dialect: Dialect
    style: Any = field(default_factory=lambda: type("Style", (), {"unknown": []})())


@dataclass
class Exported:
    """A network that was exported: the Keras network in a folder, and the file or folder that was made of it."""

    arranged: Arranged
    variables: list[TargetVariable]
    class_name: str
    outline: _Outline
    folder: Path
    made: Path
    source: str = ""

    def __post_init__(self):
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)


def exported(graph: Graph, dialect: Dialect, kind: str, keep_layout: bool) -> Exported:
    """Writes `graph` in Keras and exports that; `kind` is "saved_model" or "tflite".

    Raises:
        UnsupportedOps: what Keras cannot express.
        Refusal: TensorFlow does not export it.
    """
    written = keras_write.write(graph, keep_layout=keep_layout)
    folder = Path(tempfile.mkdtemp(prefix="netglot-export-"))
    try:
        (folder / "model.py").write_text(written.source, encoding="utf-8")
        keras_write.save_weights(written, folder / WEIGHTS)
        (folder / "export.json").write_text(json.dumps(_told(graph, written.arranged, kind)), encoding="utf-8")
        made = folder / "made"
        _export(folder, made, dialect)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Exported(written.arranged, written.variables, written.class_name, _Outline(dialect), folder, made)


def _told(graph: Graph, arranged: Arranged, kind: str) -> dict[str, Any]:
    """What the exporter is told of the network: inputs in the target's order of axes, outputs by name."""
    inputs = [
        {
            "name": re.sub(r"\W", "_", value.name),
            "argument": value.name,
            "shape": [None if isinstance(size, Dim) else int(size) for size in new.shape],
            "dtype": value.dtype,
        }
        for value, new in zip(graph.inputs, arranged.graph.inputs, strict=True)
    ]
    outputs = [re.sub(r"\W", "_", name) for name, _ in graph.outputs]
    return {"kind": kind, "inputs": inputs, "outputs": [_named(name) for name in outputs]}


def _named(name: str) -> str:
    return f"output_{name}" if name[:1].isdigit() else name


def _export(folder: Path, made: Path, dialect: Dialect) -> None:
    """Runs the exporter in a process of its own.

    Raises:
        Refusal: it does not export the network.
    """
    root = str(Path(__file__).parents[3])
    paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    quiet = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "netglot.dialects.tensorflow.export", str(folder), str(made)]
    run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **quiet, "PYTHONPATH": paths})
    if run.returncode == 0:
        return
    lacks = missing(run.stderr)
    if lacks:
        raise Refusal(never(f"{dialect.title} has no {', '.join(lacks)}", "keep it in Keras: --to keras"))
    if "tensor list" in run.stderr:
        why = f"{dialect.title} has no recurrence over a batch of any size"
        raise Refusal(notimpl(why, "pin the size of the batch with an exclamation mark: --input '1!,20'"))
    lines = [line for line in run.stderr.splitlines() if line.strip()]
    raise Refusal(notimpl(f"TensorFlow's exporter fails: {lines[-1][:300] if lines else run.returncode}"))


def copy(written: Exported, path: Path) -> None:
    """Puts what was made where it is wanted."""
    (shutil.copytree if written.made.is_dir() else shutil.copyfile)(written.made, path)
