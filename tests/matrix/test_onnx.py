"""Every op as an ONNX model: valid by the checker's full mode, and right in onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
import onnxruntime

from netglot.dialects.dialect import all_ops
from netglot.dialects.onnx.dialect import onnx as dialect
from netglot.dialects.onnx.write import save_weights, write
from netglot.errors import UnsupportedOps
from netglot.pivot.graph import Builder, Graph, Names, Parameter, Value
from netglot.pivot.op import Op, TensorType, is_scalar

MOST = 5
"""Cases of an op that are tried: the last ones."""


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


@pytest.mark.parametrize("name", [n for n, kind in all_ops().items() if dialect.status(kind)[0] != "refused"])
def test_op(name, tmp_path):
    tried = 0
    for case in all_ops()[name].cases[-MOST:]:
        op = all_ops()[name](**{key: single(held) for key, held in case.items()})
        graph, feeds = network(op)
        try:
            written = write(graph, keep_layout=True)
        except UnsupportedOps:
            continue
        tried += 1
        path = tmp_path / "model.onnx"
        save_weights(written, path)
        onnx.checker.check_model(str(path), full_check=True)
        expected = op.reference()
        expected = expected if isinstance(expected, tuple) else (expected,)
        found = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, feeds)
        for wanted, have in zip(expected, found, strict=True):
            assert have.dtype == wanted.dtype and have.shape == wanted.shape
            np.testing.assert_allclose(have.astype("float64"), wanted.astype("float64"), rtol=2e-4, atol=2e-5)
    assert tried
