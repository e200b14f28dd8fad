"""Networks that are stored in half or double precision: as such where the target says so, in single elsewhere."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")
onnx = pytest.importorskip("onnx")

from torch import nn  # noqa: E402

from netglot import convert  # noqa: E402


class Norm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(size))

    def forward(self, x):
        wide = x.to(torch.float32)
        return self.weight * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)).to(x.dtype)


class Network(nn.Module):
    """Half precision as people write it: some steps in single, and constants that say what they are."""

    def __init__(self, dtype):
        super().__init__()
        self.embed, self.norm = nn.Embedding(11, 6), Norm(6)
        self.query, self.out = nn.Linear(6, 12, bias=False), nn.Linear(6, 5)
        self.kind = dtype
        self.to(dtype)

    def forward(self, ids):
        x = self.norm(self.embed(ids))
        q, k = self.query(x).chunk(2, -1)
        scores = torch.softmax((q @ k.transpose(1, 2)).float(), -1).to(self.kind)
        return self.out((scores + torch.ones(1, dtype=self.kind)) @ x)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_keras_has_them_in_single_and_the_report_says_so(dtype):
    found = convert(Network(dtype), "keras", inputs="int64 B,T@0:11")
    assert found.report["verdict"] == "equivalent", found.report["differences"]
    said = (
        f"the weights are stored in {str(dtype).removeprefix('torch.')}; Keras has them in float32 and computes in it"
    )
    assert said in found.report["differences"]
    assert "cast(" not in (found.folder / "model.py").read_text()


@pytest.mark.filterwarnings("ignore:The feature will be removed:DeprecationWarning")
def test_onnx_has_them_as_they_are_and_back(tmp_path):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(36, 2)).half()
    found = convert(network, "onnx", inputs="B,3,5,5")
    assert found.report["verdict"] == "equivalent", found.report["differences"]
    model = onnx.load(found.folder / "model.onnx")
    assert {one.data_type for one in model.graph.initializer if one.name.endswith("weight")} == {
        onnx.TensorProto.FLOAT16
    }
    session = pytest.importorskip("onnxruntime").InferenceSession(model.SerializeToString())
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 5)).astype("float16")
    (theirs,) = session.run(None, {session.get_inputs()[0].name: x})
    mine = network.eval()(torch.from_numpy(x)).detach().numpy()
    assert theirs.dtype == np.float16 and np.allclose(theirs, mine, atol=1e-2)
    back = convert(found.folder / "model.onnx", "torch")
    assert back.report["verdict"] == "equivalent", back.report["differences"]
    assert not any("not proven" in one for one in back.report["differences"])  # the file itself was run as well
    assert "to(torch.float16)" in (back.folder / "model.py").read_text()


def test_a_mask_of_half_precision_that_forbids_is_read_as_one(tmp_path):
    from onnx import helper, numpy_helper

    from netglot.api import read

    mask = np.triu(np.full((3, 3), -65504, "float16"), 1)
    nodes = [helper.make_node("Add", ["x", "mask"], ["y"]), helper.make_node("Softmax", ["y"], ["z"])]
    kinds = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT16, [3, 3]) for name in "xz"]
    graph = helper.make_graph(nodes, "g", [kinds[0]], [kinds[1]], [numpy_helper.from_array(mask, "mask")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "m.onnx")
    found = read(str(tmp_path / "m.onnx"))
    assert not any(one.trainable for one in found.parameters.values())
