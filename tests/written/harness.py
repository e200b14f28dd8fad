"""Ops and networks written as files: read back by our own readers, and run by the real framework where it is at hand.

The frameworks stand in interpreters of their own, which `make oracles` sets up under `build/oracles`; the environment
variable `NETGLOT_ORACLES` names another folder.
"""

from __future__ import annotations

import atexit
import functools
import os
from pathlib import Path

import numpy as np

from netglot.dialects.targets import TARGETS
from netglot.pivot.evaluate import evaluate_all
from netglot.pivot.graph import Builder, Graph, Names, Parameter, Value
from netglot.pivot.op import Op, TensorType, is_scalar
from netglot.verify.foreign import Foreign
from netglot.verify.runtime_file import as_wanted

ROOT = Path(__file__).resolve().parents[2]
ORACLES = Path(os.environ.get("NETGLOT_ORACLES") or ROOT / "build" / "oracles")
INTERPRETERS = {
    "mxnet": "mxnet/bin/python",
    "caffe": "opencv/bin/python",
    "darknet": "opencv/bin/python",
    "cntk": "cntk/python",
    "paddle": "paddle/bin/python",
}
"""Where each framework's interpreter stands under the folder of oracles."""


def interpreter(name: str) -> str | None:
    """The interpreter that runs the files of a target; None where it is not set up."""
    path = ORACLES / INTERPRETERS[name]
    return str(path) if path.is_file() else None


@functools.cache
def framework(name: str) -> Foreign:
    """The framework at work, started once."""
    made = Foreign(name, interpreter(name))
    atexit.register(made.close)
    return made


def single(held):
    """An operand, an attribute or a list of them in single precision."""
    if isinstance(held, tuple):
        return tuple(single(one) for one in held)
    if isinstance(held, np.ndarray) and held.dtype == np.float64:
        return held.astype("float32")
    return "float32" if isinstance(held, str) and held == "float64" else held


def network(op: Op):
    """A graph of one op, its weights as parameters, and the arrays for its inputs."""
    names, inputs, parameters, feeds = Names(), [], {}, {}

    def operand(array, field):
        if array is None or is_scalar(array):
            return array
        array = np.asarray(array)
        kind, name = TensorType(str(array.dtype), array.shape), names.unique(field.name)
        if field.names:
            parameters[name] = Parameter(name, kind, lambda: array)
            return parameters[name]
        inputs.append(Value(name, kind))
        feeds[name] = array
        return inputs[-1]

    changes = {}
    for field in op.operand_fields():
        held = getattr(op, field.name)
        several = isinstance(held, tuple)
        changes[field.name] = tuple(operand(one, field) for one in held) if several else operand(held, field)
    builder = Builder(names)
    results = builder.add(op.replace(**changes))
    return Graph("net", inputs, parameters, builder.nodes, {f"y{i}": r for i, r in enumerate(results)}), feeds


def save(target: str, written, folder: Path) -> None:
    """Writes the files of a target."""
    kind = TARGETS[target]
    if kind.source:
        (folder / kind.source).write_text(written.source, encoding="utf-8")
    kind.module().save_weights(written, folder / kind.weights)


def read_back(target: str, folder: Path, feeds: dict) -> list[np.ndarray]:
    """What our own reader makes of the files of a folder, computed."""
    graph = TARGETS[target].module().read_back(folder, None)
    named = {}
    for number, value in enumerate(graph.inputs):
        name = next((n for n in (value.hint, value.name) if n in feeds), None) or list(feeds)[number]
        named[value.name] = as_wanted(feeds[name], value.dtype)
    values = evaluate_all(graph, named, precision="float32")
    return [values[value.name] for _, value in graph.outputs]


def run(target: str, folder: Path, feeds: dict, dtype: str = "float32") -> list[np.ndarray]:
    """What the framework itself makes of the files of a folder."""
    return framework(target).run(str(folder), feeds, dtype)


def same(expected, found, *, rtol: float = 2e-4, atol: float = 2e-5) -> None:
    """Asserts that results are the same, shapes and kinds of numbers included."""
    expected = expected if isinstance(expected, tuple | list) else (expected,)
    assert len(expected) == len(found)
    for wanted, have in zip(expected, found, strict=True):
        wanted = np.asarray(wanted)
        assert have.shape == wanted.shape
        assert have.dtype.kind == wanted.dtype.kind
        np.testing.assert_allclose(have.astype("float64"), wanted.astype("float64"), rtol=rtol, atol=atol)
