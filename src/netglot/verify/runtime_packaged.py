"""What a worker does for a file that coremltools made of an emitted PyTorch network: reads it back and computes it.

With weights other than the file's, the PyTorch network is given them and converted again, and what that makes is read.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from netglot.dialects.coreml.package.export import export_model
from netglot.dialects.targets import TARGETS
from netglot.formats.registry import FORMATS
from netglot.pivot.evaluate import evaluate_all
from netglot.verify import target_torch
from netglot.verify.arrays import read_arrays, write_arrays


class Runtime(target_torch.Runtime):
    """The operations of the worker; state is that of the PyTorch network."""

    OPERATIONS = ("load", "describe", "restore", "set_state", "state", "run")

    def load(self, call, path, dtype="float32", entry="load", exact=()):
        """Takes the file in the folder `path`, and loads the PyTorch network behind it."""
        self.target = TARGETS[call["target"]]
        self.file, self.behind = Path(path) / self.target.weights, Path(call["behind"])
        self.told = json.loads((self.behind / "export.json").read_text(encoding="utf-8"))
        self.returns, self.graph, self.again = call["returns"], None, False
        described = super().load({"args": [], "kwargs": {}}, str(self.behind), "float32", entry, exact)
        self.held = {name: tensor.detach().clone() for name, tensor in self._tensors()}
        return described

    def describe(self, paths):  # type: ignore[override]
        """As for the PyTorch network; what is run is the file, read back."""
        return {**super().describe(paths), "framework": "Core ML's package, read back"}

    def restore(self):
        """Sets the weights back to those of the file."""
        for name, tensor in self._tensors():
            tensor.data.copy_(self.held[name])
        self.graph, self.again = None, False

    def set_state(self, arrays):
        """Overwrites variables of the PyTorch network; the next run converts it again."""
        super().set_state(arrays)
        self.graph, self.again = None, True

    def run(self, inputs, training=False, steady=False):
        """The outputs by name, from the file."""
        if self.graph is None:
            file = self.file
            if self.again:
                file = Path(self.folder) / "again.mlpackage"
                shutil.rmtree(file, ignore_errors=True)
                export_model(self.module, self.told, str(file))
            self.graph = FORMATS["coreml"].read(file)
            for parameter in self.graph.parameters.values():
                parameter.load = _held(np.array(parameter.load()))
        given = read_arrays(inputs)
        named = {one["name"]: given[one["argument"]] for one in self.told["inputs"]}
        fed = {value.name: named[value.hint or value.name].astype(value.dtype) for value in self.graph.inputs}
        values = evaluate_all(self.graph, fed, precision="float32")
        outputs = [values[value.name] for _, value in self.graph.outputs]
        return write_arrays(self.folder, dict(zip(self.returns, outputs, strict=True)))


def _held(array):
    """A function that gives an array, so that the file may go."""
    return lambda: array
