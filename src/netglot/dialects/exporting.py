"""Files that a framework's own exporter makes of an emitted network: written as source, and exported in a process."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netglot.dialects.dialect import Dialect
from netglot.passes.layout import Arranged
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Graph
from netglot.pivot.op import concrete
from netglot.source.module_file import TargetVariable, Written


@dataclass
class _Outline:
    """What the report asks of a writer: the dialect, and what is not known of initialisers, which files have not."""

    dialect: Dialect
    style: Any = field(default_factory=lambda: type("Style", (), {"unknown": []})())


@dataclass
class Exported:
    """A network that was exported: the emitted network in a folder, and the file or folder that was made of it."""

    arranged: Arranged
    variables: list[TargetVariable]
    class_name: str
    outline: _Outline
    folder: Path
    made: Path
    source: str = ""

    def __post_init__(self):
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)


def exported(
    graph: Graph,
    written: Written,
    dialect: Dialect,
    kind: str,
    save_weights: Callable[[Written, Path], None],
    weights: str,
    export: Callable[[Path, Path], None],
) -> Exported:
    """What `export(folder, made)` makes of an emitted network, which is put into the folder beside `export.json`.

    Raises:
        Refusal: the framework does not export it.
    """
    folder = Path(tempfile.mkdtemp(prefix="netglot-export-"))
    try:
        (folder / "model.py").write_text(written.source, encoding="utf-8")
        save_weights(written, folder / weights)
        (folder / "export.json").write_text(json.dumps(_told(graph, written.arranged, kind)), encoding="utf-8")
        made = folder / "made"
        export(folder, made)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Exported(written.arranged, written.variables, written.class_name, _Outline(dialect), folder, made)


def _told(graph: Graph, arranged: Arranged, kind: str) -> dict[str, Any]:
    """What the exporter is told of the network: inputs in the target's order of axes, outputs by name."""
    letters = {symbol: 2 + number for number, symbol in enumerate(arranged.graph.symbols())}
    inputs = [
        {
            "name": re.sub(r"\W", "_", value.name),
            "argument": value.name,
            "shape": [None if isinstance(size, Dim) else int(size) for size in new.shape],
            "example": [concrete(size, letters) for size in new.shape],
            "dtype": value.dtype,
        }
        for value, new in zip(graph.inputs, arranged.graph.inputs, strict=True)
    ]
    outputs = [re.sub(r"\W", "_", name) for name, _ in graph.outputs]
    return {"kind": kind, "inputs": inputs, "outputs": [_named(name) for name in outputs]}


def _named(name: str) -> str:
    return f"output_{name}" if name[:1].isdigit() else name


def run_exporter(module: str, folder: Path, made: Path, **environment: str) -> str | None:
    """Runs `python -m module FOLDER MADE` in a process of its own; what it says where it fails, else None."""
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, "-m", module, str(folder), str(made)]
    run = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment, "PYTHONPATH": paths}
    )
    return None if run.returncode == 0 else run.stderr


def last_line(message: str) -> str:
    """The last line of what a process said: of a traceback, the error."""
    lines = [line for line in message.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no word of why"


def copy(written: Exported, path: Path) -> None:
    """Puts what was made where it is wanted."""
    (shutil.copytree if written.made.is_dir() else shutil.copyfile)(written.made, path)
