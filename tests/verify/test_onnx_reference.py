"""The recurrent operators of ONNX in NumPy, which stand in where onnxruntime lacks double precision."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from netglot.verify.onnx_reference import evaluator  # noqa: E402
from netglot.verify.runtime_onnx import Runtime  # noqa: E402

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def model(kind, *, lengths=False, states=False, peepholes=False, dtype="float32", **options):
    """One recurrent operator over 5 steps of 3 sequences of 4 features, with 2 hidden ones."""
    rng = np.random.default_rng(0)
    directions = 2 if options.get("direction") == "bidirectional" else 1
    gates = GATES[kind]
    weights = {
        "w": rng.normal(size=(directions, gates * 2, 4)),
        "r": rng.normal(size=(directions, gates * 2, 2)),
        "b": rng.normal(size=(directions, 2 * gates * 2)),
        "h": rng.normal(size=(directions, 3, 2)) if states else None,
        "c": rng.normal(size=(directions, 3, 2)) if states and kind == "LSTM" else None,
        "p": rng.normal(size=(directions, 6)) if peepholes else None,
    }
    held = [numpy_helper.from_array(a.astype(dtype), n) for n, a in weights.items() if a is not None]
    held += [numpy_helper.from_array(np.array([5, 2, 3], "int32"), "lengths")] if lengths else []
    names = ["x", "w", "r", "b", "lengths" if lengths else "", *(n if weights[n] is not None else "" for n in "hcp")]
    outputs = ["y", "last", "cell"][: 3 if kind == "LSTM" else 2]
    node = helper.make_node(kind, names if kind == "LSTM" else names[:6], outputs, hidden_size=2, **options)
    kinds = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    given = helper.make_tensor_value_info("x", kinds, [5, 3, 4])
    made = [helper.make_tensor_value_info(name, kinds, None) for name in outputs]
    graph = helper.make_graph([node], "g", [given], made, held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


CASES = [
    *(dict(kind=kind, direction=d) for kind in GATES for d in ("forward", "reverse", "bidirectional")),
    *(dict(kind=kind, direction=d, lengths=True) for kind in GATES for d in ("reverse", "bidirectional")),
    *(dict(kind=kind, states=True, clip=0.5) for kind in GATES),
    dict(kind="GRU", linear_before_reset=1, direction="bidirectional", states=True),
    dict(kind="LSTM", peepholes=True),
    dict(kind="LSTM", activations=["HardSigmoid", "Softsign", "Relu"], activation_alpha=[0.3], activation_beta=[0.4]),
    dict(kind="RNN", activations=["LeakyRelu"], activation_alpha=[0.3]),
    dict(kind="RNN", activations=["Elu", "Affine"], direction="bidirectional", activation_alpha=[0.7, 0.4],
         activation_beta=[0.1]),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_as_onnxruntime_in_single_precision(case):
    made = model(**case)
    x = np.random.default_rng(1).normal(size=(5, 3, 4)).astype("float32")
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    for mine, theirs in zip(evaluator(made).run(None, {"x": x}), session.run(None, {"x": x}), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-6)


def test_a_kernel_that_fails_only_when_it_runs(tmp_path):
    from netglot.verify.arrays import each_array, write_arrays

    onnx.save(model("LSTM", direction="bidirectional"), tmp_path / "model.onnx")
    runtime = Runtime(str(tmp_path))
    runtime.load({}, str(tmp_path / "model.onnx"))
    x = np.random.default_rng(1).normal(size=(5, 3, 4))
    outputs = {}
    for precision in ("float32", "float64"):
        runtime.set_dtype(precision)
        outputs[precision] = dict(each_array(runtime.run(write_arrays(str(tmp_path), {"x": x}))))
    assert runtime.by == "reference"
    assert outputs["float64"]["y"].dtype == np.float64
    np.testing.assert_allclose(outputs["float64"]["y"], outputs["float32"]["y"], atol=2e-6)
    assert TensorProto.FLOAT in {one.data_type for one in runtime.model.graph.initializer}  # the file's own stay


def test_a_recurrent_network_is_proven_as_onnx():
    torch = pytest.importorskip("torch")
    from netglot import convert

    class Tagger(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = torch.nn.Embedding(9, 4)
            self.lstm = torch.nn.LSTM(4, 3, batch_first=True, bidirectional=True)
            self.gru = torch.nn.GRU(6, 2, batch_first=True)

        def forward(self, ids):
            y, (h, c) = self.lstm(self.embed(ids))
            return {"out": self.gru(y)[0], "states": [h, (c,)]}

    report = convert(Tagger(), "onnx", inputs="int64 B,T@0:9").report
    assert report["verdict"] == "equivalent", report["differences"]
    assert report["float64"]["max_rel"] < 1e-12
    assert [one["name"] for one in report["outputs"]] == ["out", "states.0", "states.1.0"]
