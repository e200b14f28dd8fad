"""What a worker does for a written file: runs it in its own framework, or where that is not at hand reads it back.

The framework runs in an interpreter of its own, see `foreign`. Read back, the file is computed by the meaning of the
ops that its reader finds, which proves what was written as far as the reader is right.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

import netglot.pivot.ops  # noqa: F401  (graphs are made of them)
from netglot.dialects.targets import TARGETS
from netglot.pivot.evaluate import evaluate_all
from netglot.verify.arrays import each_array, read_arrays, write_arrays
from netglot.verify.foreign import Foreign


class Runtime:
    """The operations of the worker; each takes and returns JSON, arrays by way of `arrays`."""

    OPERATIONS = ("load", "describe", "set_dtype", "repair", "restore", "set_state", "state", "run")

    def __init__(self, folder: str):
        self.folder = folder
        self.foreign: Foreign | None = None
        self.own: Path | None = None

    def load(self, call, path, dtype="float32", exact=()):
        """Takes the network in the folder `path`; `call` says which framework it is for and what runs it."""
        self.call, self.precision = call, dtype
        self.target = TARGETS[call["target"]]
        self.module = self.target.module()
        self.path = Path(path)
        self.restore()
        if call.get("python") and self.foreign is None:
            self.foreign = Foreign(self.target.name, call["python"])
        return self.describe()

    def describe(self, paths=None):
        """The weights: `[[name, shape, dtype, None], ...]`, because a file does not say which are trained."""
        held = self.module.stored(self.path)
        names = list(held) if paths is None else [name for name in paths if name in held]
        missing = [] if paths is None else [name for name in paths if name not in held]
        state = [[n, list(held[n].shape), str(held[n].dtype), None] for n in names]
        state += [[n, [], "", None] for n in missing]
        framework = self.foreign.framework if self.foreign else f"{self.target.title}'s file, read back"
        return {"state": state, "framework": framework, "parameters": None, "left_out": []}

    def set_dtype(self, dtype):
        """Makes the whole network compute in `dtype`."""
        self.precision = dtype

    def repair(self, names):
        """Nothing: no imprecision is known."""

    def restore(self):
        """Takes the weights of the file."""
        self.here, self.graph = self.path, None

    def set_state(self, arrays):
        """Puts other weights into a copy of the file."""
        given = dict(each_array(arrays))
        held = self.module.stored(self.here)
        for name, array in given.items():
            if name in held and np.size(held[name]) != np.size(array):
                raise ValueError(f"{name} has shape {held[name].shape} and is given {np.shape(array)}")
        self.count = getattr(self, "count", 0) + 1
        copy = Path(self.folder) / f"copy{self.count}"
        copy.mkdir()
        self.module.store(self.here, given, copy)
        if self.own is not None:
            shutil.rmtree(self.own, ignore_errors=True)
        self.here, self.own, self.graph = copy, copy, None

    def state(self, paths=None):
        """The weights, all or those named."""
        held = self.module.stored(self.here)
        return write_arrays(self.folder, ((n, np.array(held[n])) for n in (held if paths is None else paths)))

    def run(self, inputs, training=False, steady=False):
        """The outputs by name."""
        given = {name: self._wide(array) for name, array in read_arrays(inputs).items()}
        outputs = self._foreign(given) if self.foreign else self._read_back(given)
        return write_arrays(self.folder, dict(zip(self.call["returns"], outputs, strict=True)))

    def _foreign(self, given):
        assert self.foreign is not None
        return self.foreign.run(str(self.here), given, self.precision)

    def _read_back(self, given):
        if self.graph is None:
            self.graph = self.module.read_back(self.here, None)
        named = {}
        for number, value in enumerate(self.graph.inputs):
            name = next((n for n in (value.hint, value.name) if n in given), list(given)[number])
            named[value.name] = as_wanted(given[name], value.dtype)
        values = evaluate_all(self.graph, named, precision=self.precision)
        return [values[value.name] for _, value in self.graph.outputs]

    def _wide(self, array):
        return array.astype(self.precision) if array.dtype.kind == "f" else array


def as_wanted(array, dtype):
    """Numbers and truth values as floats, where a format has no others."""
    return array.astype(dtype) if dtype.startswith("float") and array.dtype.kind in "biu" else array
