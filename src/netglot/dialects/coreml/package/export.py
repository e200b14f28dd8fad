"""Converts an emitted PyTorch network by coremltools' own means, as an ML Program.

    python -m netglot.dialects.coreml.package.export FOLDER OUT

FOLDER holds `model.py`, its weights, and `export.json`: the inputs and outputs by name. Run in a process of its own,
because it imports the framework.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import warnings
from pathlib import Path
from typing import Any

LARGEST = 1024
"""The largest size of an axis that is left open: an ML Program wants a bound."""


def export(folder: Path, out: str) -> None:
    """Exports the network in an emitted folder."""
    spec = importlib.util.spec_from_file_location("netglot_exported", folder / "model.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    export_model(module.load(), json.loads((folder / "export.json").read_text("utf-8")), out)


def export_model(model: Any, told: dict[str, Any], out: str) -> None:
    """Converts a PyTorch module; `told` says its inputs and outputs."""
    warnings.filterwarnings("ignore")
    import coremltools
    import numpy as np
    import torch

    examples, inputs = [], []
    for one in told["inputs"]:
        examples.append(torch.zeros(one["example"], dtype=getattr(torch, one["dtype"])))
        pairs = zip(one["shape"], one["example"], strict=True)
        shape = [coremltools.RangeDim(1, LARGEST, example) if size is None else size for size, example in pairs]
        kind = {"int64": "int32"}.get(one["dtype"], one["dtype"])
        inputs.append(coremltools.TensorType(one["name"], tuple(shape), getattr(np, kind)))
    torch.backends.mha.set_fastpath_enabled(False)  # which coremltools does not know
    with torch.no_grad():
        traced = torch.jit.trace(_flat(model), tuple(examples), check_trace=False)
    made = coremltools.convert(
        traced,
        source="pytorch",
        inputs=inputs,
        outputs=[coremltools.TensorType(name) for name in told["outputs"]],
        convert_to="mlprogram",
        compute_precision=coremltools.precision.FLOAT32,
        minimum_deployment_target=coremltools.target.iOS17,
        skip_model_load=True,
    )
    folder = out if out.endswith(".mlpackage") else f"{out}.mlpackage"
    made.save(folder)
    if folder != out:
        Path(folder).rename(out)


def _flat(model: Any) -> Any:
    """The module with its results as tensors one beside the other."""
    import torch

    class Flat(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, *tensors):
            found = leaves(self.model(*tensors))
            return found[0] if len(found) == 1 else tuple(found)

    return Flat().eval()


def leaves(tree: Any) -> list[Any]:
    """The tensors in what a network returns, in order."""
    if isinstance(tree, dict):
        return [leaf for branch in tree.values() for leaf in leaves(branch)]
    if isinstance(tree, list | tuple):
        return [leaf for branch in tree if branch is not None for leaf in leaves(branch)]
    return [tree]


if __name__ == "__main__":
    export(Path(sys.argv[1]), sys.argv[2])
