"""Every version of the standard that is written: valid by the checker's full mode, right in onnxruntime, read back."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("torch")

import onnx
import onnxruntime
from tests.written.harness import network, single
from torch import nn

import netglot
from netglot.dialects.dialect import all_ops
from netglot.dialects.onnx.dialect import onnx as dialect
from netglot.dialects.onnx.read import read_onnx
from netglot.dialects.onnx.versions import OLDEST, USUAL
from netglot.dialects.onnx.write import save_weights, write
from netglot.errors import RequestError, UnsupportedOps
from netglot.pivot import ops
from netglot.pivot.evaluate import evaluate_all
from netglot.pivot.graph import Builder, Graph, Names, Parameter, Value
from netglot.pivot.op import TensorType, is_scalar

VERSIONS = range(OLDEST, onnx.defs.onnx_opset_version() + 1)


def _all_in_one(version: int):
    """A network of one case of every op that this version writes, what it is given and what each op means by it.

    The versions take turns with the cases.
    """
    names = Names()
    builder = Builder(names)
    inputs, parameters, feeds, outputs, wanted = [], {}, {}, {}, {}
    for name, kind in all_ops().items():
        if dialect.status(kind)[0] == "refused" or not kind.cases:
            continue
        case = kind.cases[version % len(kind.cases)]
        op = kind(**{key: single(held) for key, held in case.items()})
        try:
            write(network(op)[0], keep_layout=True, opset=version)
        except UnsupportedOps:
            continue

        def operand(array, field, name=name):
            if array is None or is_scalar(array):
                return array
            array = np.asarray(array)
            called, held = names.unique(f"{name}_{field.name}"), TensorType(str(array.dtype), array.shape)
            if field.names:
                parameters[called] = Parameter(called, held, lambda: array)
                return parameters[called]
            inputs.append(Value(called, held))
            feeds[called] = array
            return inputs[-1]

        changes = {}
        for field in op.operand_fields():
            held = getattr(op, field.name)
            changes[field.name] = (
                tuple(operand(one, field) for one in held) if isinstance(held, tuple) else operand(held, field)
            )
        meant = op.reference()
        for number, (result, array) in enumerate(
            zip(builder.add(op.replace(**changes)), meant if isinstance(meant, tuple) else (meant,), strict=True)
        ):
            outputs[f"{name}_{number}"] = result
            wanted[f"{name}_{number}"] = np.asarray(array)
    return Graph("net", inputs, parameters, builder.nodes, outputs), feeds, wanted


def _same(found: dict, wanted: dict) -> None:
    for name, array in wanted.items():
        have = found[name]
        assert have.dtype == array.dtype and have.shape == array.shape, name
        np.testing.assert_allclose(have.astype("float64"), array.astype("float64"), rtol=2e-4, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_op_of_a_version(version, tmp_path):
    graph, feeds, wanted = _all_in_one(version)
    assert len(wanted) > 180
    path = tmp_path / "model.onnx"
    save_weights(write(graph, keep_layout=True, opset=version), path)
    onnx.checker.check_model(str(path), full_check=True)
    assert [one.version for one in onnx.load(path).opset_import] == [version]
    back = read_onnx(path)
    with np.errstate(invalid="ignore"):  # the softmax of a row that sees nothing
        values = evaluate_all(back, feeds, precision="float32")
    _same({name: values[value.name] for name, value in back.outputs}, wanted)
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except onnxruntime.capi.onnxruntime_pybind11_state.Fail as error:
        assert version > 26 and ("IR version" in str(error) or "Opset" in str(error)), error
    else:
        _same(dict(zip(wanted, session.run(list(wanted), feeds), strict=True)), wanted)


class Mixer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.RMSNorm(8)
        self.groups = nn.GroupNorm(2, 6)
        self.sampled = nn.GELU()

    def forward(self, x):
        y = self.norm(x).unflatten(2, (2, 4)).transpose(1, 2)
        y = nn.functional.scaled_dot_product_attention(y, y, y, is_causal=True).transpose(1, 2).flatten(2)
        return self.sampled(self.groups(x + y)) + x.cumprod(2)


_NEW = {"RMSNormalization": 23, "GroupNormalization": 21, "Attention": 23, "Gelu": 20, "CumProd": 26}


@pytest.mark.parametrize("version", [OLDEST, USUAL, 26, VERSIONS[-1]])
def test_a_version_is_proven_and_has_its_own_operators(version, tmp_path):
    """Those that onnxruntime does not know yet are run by the standard's own implementation."""
    conversion = netglot.convert(Mixer(), to="onnx", inputs=[("B", 6, 8)], opset=version)
    assert conversion.verdict == "equivalent", conversion.report["differences"]
    conversion.save(tmp_path)
    kinds = {node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node}
    assert kinds & set(_NEW) == {kind for kind, since in _NEW.items() if since <= version}
    source = netglot.write(read_onnx(tmp_path / "model.onnx"), to="torch").source
    assert "nn.RMSNorm(8" in source and "nn.GroupNorm(2, 6" in source and "is_causal=True" in source
    assert json.loads((tmp_path / "report.json").read_text())["opset"] == version


def test_what_an_older_version_lacks_is_refused_with_the_version_that_has_it():
    case = next(case for case in ops.GridSample.cases if case["x"].ndim == 5)
    graph, _ = network(ops.GridSample(**{key: single(held) for key, held in case.items()}))
    with pytest.raises(UnsupportedOps, match="version 20") as refused:
        write(graph, keep_layout=True, opset=19)
    assert "--opset 20" in refused.value.refused[0].reason.advice
    write(graph, keep_layout=True, opset=20)


@pytest.mark.parametrize(("target", "version"), [("onnx", 17), ("onnx", VERSIONS[-1] + 1), ("torch", 20)])
def test_versions_that_there_are_not(target, version):
    with pytest.raises(RequestError, match="version"):
        netglot.convert(nn.ReLU(), to=target, inputs=[(1, 2)], opset=version)
