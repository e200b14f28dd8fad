"""ONNX models, read and written: `from_onnx NETWORK ROUNDS`, or `from_onnx gigabyte ROUNDS`.

Beside it stand, in the same process and in turns, `torch.onnx.export` and onnx2torch; for a model of a gigabyte,
copying the file.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import Peak, answer, in_turns, ratio
from benchmarks.networks import IMAGE, network, weight_bytes

WIDTH, LAYERS = 4096, 16
"""Sixteen matrices of 64 MiB."""


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Medians of each candidate, ratios, and the memory of each above what was there, in sizes of the weights."""
    return _gigabyte(rounds) if name == "gigabyte" else _network(name, rounds)


def _network(name: str, rounds: int) -> dict[str, Any]:
    model = network(name)  # before onnx2torch, which imports torchvision as it is
    import onnx2torch
    import torch

    import netglot

    for parameter in model.parameters():  # equal ones would be kept once, which onnx2torch does not read
        torch.nn.init.normal_(parameter, std=0.02)
    x = torch.zeros(1, *IMAGE)
    with tempfile.TemporaryDirectory() as folder:
        path, other = Path(folder) / "model.onnx", Path(folder) / "other.onnx"

        def export(to: Path = other) -> None:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                torch.onnx.export(model, (x,), to, dynamo=True, external_data=False, verbose=False)

        _export_old(model, x, path)
        candidates = {
            "export": export,
            "to onnx": lambda: netglot.convert(model, to="onnx", inputs=[(1, *IMAGE)], verify=False),
            "onnx2torch": lambda: onnx2torch.convert(str(path)),
            "from onnx": lambda: netglot.convert(path, to="torch", verify=False),
        }
        failed = _why_not(candidates["onnx2torch"])
        if failed:
            del candidates["onnx2torch"]
        samples = in_turns(candidates, rounds)
        memory = {key: _peak(run) / weight_bytes(model) for key, run in candidates.items()}
    return {
        "seconds": {candidate: one.medians for candidate, one in samples.items()},
        "ratio to": ratio(samples, "to onnx", "export"),
        "ratio from": None if failed else ratio(samples, "from onnx", "onnx2torch"),
        "memory": memory,
        "failed": failed,
    }


def _export_old(model: Any, x: Any, path: Path) -> None:
    """Writes the model in version 13, the newest that onnx2torch reads whole; in 14 where PyTorch cannot."""
    import torch

    for version in (13, 14):
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                return torch.onnx.export(model, (x,), path, dynamo=False, opset_version=version)
        except torch.onnx.errors.UnsupportedOperatorError:
            if version == 14:
                raise


def _why_not(run: Callable[[], Any]) -> str:
    """Why a converter fails; empty where it does not."""
    try:
        run()
    except Exception as error:
        return " ".join(str(error).split()) or type(error).__name__
    return ""


def _gigabyte(rounds: int) -> dict[str, Any]:
    import torch  # noqa: F401  (what is imported is no part of the cost)

    import netglot

    with tempfile.TemporaryDirectory() as folder:
        path, copy = Path(folder) / "model.onnx", Path(folder) / "copy.onnx"
        _write_large(path)

        def converted(to: str) -> Callable[[], Any]:
            def run() -> None:
                netglot.convert(path, to=to, verify=False).save(Path(folder) / to, move=True)
                shutil.rmtree(Path(folder) / to)

            return run

        def copied() -> None:
            shutil.copyfile(path, copy)
            copy.unlink()

        candidates = {"copy": copied, "torch": converted("torch"), "onnx": converted("onnx")}
        samples = in_turns(candidates, rounds)
        size = path.stat().st_size
        return {
            "bytes": size,
            "seconds": {candidate: one.medians for candidate, one in samples.items()},
            "ratio": {to: ratio(samples, to, "copy") for to in ("torch", "onnx")},
            "memory": {to: _peak(candidates[to]) / size for to in ("torch", "onnx")},
        }


def _peak(run: Callable[[], Any]) -> int:
    peak = Peak()
    run()
    return peak.bytes


def _write_large(path: Path) -> None:
    """A stack of linear layers; its weights are made one at a time."""
    import numpy as np
    from onnx import TensorProto, helper

    from netglot.formats.onnx_save import Weight, save
    from netglot.pivot.op import TensorType

    nodes, weights, x = [], [], "x"
    for i in range(LAYERS):
        name = f"layers.{i}.weight"
        nodes += [
            helper.make_node("Gemm", [x, name], [f"h{i}"], transB=1),
            helper.make_node("Relu", [f"h{i}"], [f"r{i}"]),
        ]
        kind = TensorType("float32", (WIDTH, WIDTH))
        weights.append(Weight(name, kind, lambda i=i: np.random.default_rng(i).random((WIDTH, WIDTH), "float32")))
        x = f"r{i}"
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", WIDTH]) for name in ("x", x)]
    graph = helper.make_graph(nodes, "stack", ends[:1], ends[1:])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), weights, path)


if __name__ == "__main__":
    answer(measure(sys.argv[1], int(sys.argv[2])))
