"""One network, converted in this process and described as plain data."""

from __future__ import annotations

import ast
import contextlib
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.zoo.network import Network, catalogue

LARGEST = 140_000_000
"""Networks with more parameters than this are converted but not compared: both sides in float64, with gradients and a
trained copy, would need more memory than most machines have."""


def run(name: str, verify: bool, training: bool, time_limit: float, sources: Path) -> dict[str, Any]:
    """Converts the network called `name` and returns its record; whatever is raised becomes a part of the record."""
    record: dict[str, Any] = {"name": name, "verify": verify, "verdict": "failed"}
    start = time.perf_counter()
    try:
        _convert(catalogue()[name], record, verify, training, time_limit, sources)
    except BaseException as error:
        record["error"] = f"{type(error).__name__}: {error}"[:2000]
        record["trace"] = traceback.format_exc()[-6000:]
    record["wall_seconds"] = time.perf_counter() - start
    return record


def _convert(
    network: Network, record: dict[str, Any], verify: bool, training: bool, time_limit: float, sources: Path
) -> None:
    import netglot

    model, record["parameters"], weights = _from_keras(network) if network.to == "torch" else _from_torch(network)
    inputs = list(network.inputs) or None
    if verify and record["parameters"] > LARGEST:
        verify = False
        record["too_large"] = True
    with _peak(record, weights):
        conversion = netglot.convert(model, to=network.to, inputs=inputs, verify=False)
    record["seconds"] = sum(phase["seconds"] for phase in conversion.report["phases"])
    if verify and conversion.verdict != "refused":
        conversion = netglot.convert(model, to=network.to, inputs=inputs, training=training, time_limit=time_limit)
    record.update(_told(conversion.report))
    if conversion.source:
        record |= _of_source(conversion.source)
        path = sources / f"{network.name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(conversion.source, encoding="utf-8")


def _from_torch(network: Network) -> tuple[Any, int, int]:
    """The module, its number of parameters, and the size of its weights in bytes."""
    import torch

    torch.manual_seed(0)
    model = network.build().eval()
    weights = sum(t.numel() * t.element_size() for t in [*model.parameters(), *model.buffers()])
    return model, sum(p.numel() for p in model.parameters()), weights


def _from_keras(network: Network) -> tuple[Any, int, int]:
    """The Keras model, its number of parameters, and the size of its weights in bytes."""
    import keras

    keras.utils.set_random_seed(0)
    model = network.build()
    return model, model.count_params(), 4 * model.count_params()


@contextlib.contextmanager
def _peak(record: dict[str, Any], weights: int) -> Iterator[None]:
    """The memory that the block needs at most beyond what was there before it, in bytes and relative to the weights."""
    import psutil

    process = psutil.Process()
    before = peak = process.memory_info().rss
    done = threading.Event()

    def watch():
        nonlocal peak
        while not done.wait(0.01):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
        record["weight_bytes"] = weights
        record["peak_bytes"] = max(peak, process.memory_info().rss) - before


def _told(report: dict[str, Any]) -> dict[str, Any]:
    """What the table shows of a report."""

    def largest(key: str) -> Any:
        found = report.get(key) or {}
        return {k: found[k] for k in ("same", "max_abs", "max_rel", "compared") if k in found} or None

    return {
        "verdict": report["verdict"],
        "float64": largest("float64"),
        "float32": largest("float32"),
        "gradients": largest("gradients"),
        "training": (report.get("training") or {}).get("same"),
        "transposes": report["transposes"],
        "differences": report["differences"],
        "stopped": report.get("stopped"),
        "refused": report["refused"],
    }


def _of_source(source: str) -> dict[str, Any]:
    """The size of the emitted source: lines, classes, and the statements of its longest function."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return {
        "lines": len(source.splitlines()),
        "classes": sum(isinstance(node, ast.ClassDef) for node in tree.body),
        "longest": max(sum(isinstance(n, ast.stmt) for n in ast.walk(f)) - 1 for f in functions),
    }
