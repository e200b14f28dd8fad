"""From a graph to a `.mlpackage`, by way of the PyTorch network that it becomes and coremltools' own converter."""

from __future__ import annotations

import re
from pathlib import Path

from netglot.dialects.coreml.package import mlprogram
from netglot.dialects.coreml.program import read_package
from netglot.dialects.exporting import Exported, copy, exported, last_line, run_exporter
from netglot.dialects.torch import write as torch_write
from netglot.errors import Refusal, RefusedOp, UnsupportedOps, never, notimpl
from netglot.formats.mlprogram import specification
from netglot.passes.canonical import canonicalise
from netglot.passes.legal import lower
from netglot.pivot.graph import Graph

WEIGHTS = "model.safetensors"
_TAKEN = ("float32", "int32", "int64", "float16")


def write(graph: Graph, *, keep_layout: bool = False, exact_training: bool = False) -> Exported:
    """Writes `graph` as an ML Program.

    Raises:
        UnsupportedOps: everything that PyTorch cannot express, and inputs that Core ML does not take.
        Refusal: coremltools does not convert it.
    """
    wrong = [
        RefusedOp(value.name, "an input", never(f"Core ML takes no inputs of {value.dtype}"))
        for value in graph.inputs
        if value.dtype not in _TAKEN
    ]
    wrong += [
        RefusedOp(value.name, "an input", never(f"Core ML takes inputs of one to five axes, not {len(value.shape)}"))
        for value in graph.inputs
        if not 1 <= len(value.shape) <= 5
    ]
    if wrong:
        raise UnsupportedOps(wrong, len(graph.nodes), mlprogram.title)
    written = torch_write.write(lower(canonicalise(graph), mlprogram), keep_layout=keep_layout)
    return exported(graph, written, mlprogram, "mlprogram", torch_write.save_weights, WEIGHTS, _export)


def _export(folder: Path, made: Path) -> None:
    """Runs the exporter in a process of its own.

    Raises:
        Refusal: it does not convert the network.
    """
    said = run_exporter("netglot.dialects.coreml.package.export", folder, made)
    if said is None:
        _assert_readable(made)
        return
    advice = "keep it in PyTorch: --to torch"
    if re.search(r"\bis\d+\b|symbolic|dynamic", last_line(said)):
        advice = "fix the sizes that are left open with exclamation marks: --input '1!,3,224,224'"
    raise Refusal(notimpl(f"coremltools does not convert it: {last_line(said)}", advice))


def _assert_readable(made: Path) -> None:
    """Asserts that the package can be read back, without which nothing could be compared.

    Raises:
        Refusal: it cannot.
    """
    try:
        inner = specification(made)
        read_package(inner, inner.parent, None)
    except (UnsupportedOps, Refusal) as error:
        first = error.refused[0].reason if isinstance(error, UnsupportedOps) else error.reason
        advice = "fix the sizes that are left open with exclamation marks: --input '2!,20!,8'"
        raise Refusal(notimpl(f"what coremltools makes of it cannot be compared: {first.text}", advice)) from error


def save_weights(written: Exported, path: str | Path) -> None:
    """Puts the folder in its place."""
    copy(written, Path(path))
