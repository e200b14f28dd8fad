"""Every op as an ONNX model: valid by the checker's full mode, and right in onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
import onnxruntime
from tests.written.harness import network, single

from netglot.dialects.dialect import all_ops
from netglot.dialects.onnx.dialect import onnx as dialect
from netglot.dialects.onnx.write import save_weights, write
from netglot.errors import UnsupportedOps

MOST = 5
"""Cases of an op that are tried: the last ones."""


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
