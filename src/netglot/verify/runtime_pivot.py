"""What a worker does for a source that is a graph: computes it by the NumPy meaning of its ops.

A model file of a retired framework has nothing that runs it here; the meaning of its ops is what the reader says it
is, and the readers themselves are held against recorded results of the real frameworks in the tests.
"""

from __future__ import annotations

import numpy as np

import netglot.pivot.ops  # noqa: F401  (a saved graph names them)
from netglot.pivot import serialize
from netglot.pivot.evaluate import evaluate_all
from netglot.pivot.graph import Graph, Parameter
from netglot.pivot.op import numpy_dtype
from netglot.verify.arrays import each_array, read_arrays, write_arrays


class Runtime:
    """The operations of the worker; each takes and returns JSON, arrays by way of `arrays`."""

    OPERATIONS = ("load", "describe", "set_dtype", "repair", "restore", "set_state", "state", "run", "intermediates")

    def __init__(self, folder: str):
        self.folder = folder
        self.graph: Graph
        self.precision = "float32"
        self.held: dict[str, np.ndarray] = {}
        """The parameters that were set, by name; all others are as the file has them."""

    def load(self, call, path):
        """Loads the graph saved in the folder `path`."""
        self.graph = serialize.load(path)
        for parameter in self._parameters().values():
            parameter.load = self._loader(parameter)
        return self.describe()

    def describe(self):
        """The parameters: `[[name, shape, dtype, trainable], ...]`."""
        state = [[n, list(map(int, p.shape)), p.dtype, p.trainable] for n, p in self._parameters().items()]
        return {"state": state, "framework": f"the pivot, computed by numpy {np.__version__}"}

    def set_dtype(self, dtype):
        """Makes the whole network compute in `dtype`."""
        self.precision = dtype

    def repair(self, names):
        """Nothing: the meaning of an op has no imprecision that is known."""

    def restore(self):
        """Sets the parameters back to those of the file."""
        self.held.clear()

    def set_state(self, arrays):
        """Overwrites parameters by name."""
        self.held.update(each_array(arrays))

    def state(self, names=None):
        """The parameters, all or those named."""
        wanted = {n: p for n, p in self._parameters().items() if names is None or n in names}
        return write_arrays(self.folder, ((n, self._array(p)) for n, p in wanted.items()))

    def run(self, inputs, training=False, steady=False):
        """The outputs by name."""
        values = self._values(inputs, training)
        return write_arrays(self.folder, {name: values[value.name] for name, value in self.graph.outputs})

    def intermediates(self, inputs, program=None, names=None):
        """All values inside the graph by name."""
        return write_arrays(self.folder, self._values(inputs, False))

    def _values(self, inputs, training):
        given = {name: self._wide(array) for name, array in read_arrays(inputs).items()}
        return evaluate_all(self.graph, given, precision=self.precision, training=training)

    def _parameters(self) -> dict[str, Parameter]:
        return {name: p for name, p in self.graph.parameters.items() if p.kind != "constant"}

    def _loader(self, parameter: Parameter):
        original = parameter.load
        return lambda: self.held[parameter.name] if parameter.name in self.held else original()

    def _array(self, parameter: Parameter) -> np.ndarray:
        """What a parameter holds, floats in the precision in which the network computes."""
        return self._wide(np.asarray(parameter.load()))

    def _wide(self, array: np.ndarray) -> np.ndarray:
        floats = array.dtype.kind == "f" or str(array.dtype) in ("bfloat16", "float8_e4m3fn", "float8_e5m2")
        return array.astype(numpy_dtype(self.precision), copy=False) if floats else array
