"""ONNX models that are written: names, hierarchy, open sizes, files; and back again."""

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("torch")

import onnx
import onnxruntime
import torch
from torch import nn

import netglot
from netglot.dialects.onnx.read import read_onnx
from netglot.dialects.onnx.write import save_weights, write
from netglot.formats.onnx_save import save


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x))) + x


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2)
        self.blocks = nn.Sequential(Block(8), Block(8))
        self.mix = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.blocks(self.stem(x)).flatten(2).transpose(1, 2)
        x, _ = self.mix(x, x, x, need_weights=False)
        return self.head(nn.functional.gelu(x).mean(1))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    module = Network().eval()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module


@pytest.fixture(scope="module")
def written(network):
    return write(netglot.read(network, inputs=[("B", 3, 17, 17)]))


@pytest.fixture
def path(written, tmp_path):
    save_weights(written, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def run(path, x):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]


def test_is_valid_and_right_for_every_batch(network, path):
    onnx.checker.check_model(str(path), full_check=True)
    for batch in (1, 3):
        x = np.random.default_rng(batch).standard_normal((batch, 3, 17, 17)).astype("float32")
        with torch.no_grad():
            expected = network(torch.from_numpy(x)).numpy()
        np.testing.assert_allclose(run(path, x), expected, rtol=1e-4, atol=1e-5)


def test_initialisers_have_the_names_of_parameters(network, path):
    names = {tensor.name for tensor in onnx.load(path).graph.initializer}
    own = {name for name in network.state_dict() if "num_batches" not in name and "mix" not in name}
    assert own <= names


def test_the_hierarchy_is_kept(path):
    nodes = {node.name: node for node in onnx.load(path).graph.node}
    assert "/blocks/0/conv/Conv" in nodes
    held = {one.key: one.value for one in nodes["/blocks/0/conv/Conv"].metadata_props}
    assert "'blocks.0.conv'" in held["pkg.torch.onnx.name_scopes"]
    assert ".Block'" in held["pkg.torch.onnx.class_hierarchy"]


def test_nothing_is_transposed_without_need(path):
    assert sum(node.op_type == "Transpose" for node in onnx.load(path).graph.node) <= 6  # those of attention


def test_comes_back_as_the_classes_that_it_was(network, path):
    source = netglot.write(read_onnx(path), to="torch").source
    assert "class Block(nn.Module):" in source
    assert "self.blocks = nn.Sequential(*[Block() for _ in range(2)])" in source
    assert "nn.GELU()" in source or "F.gelu(" in source


def test_statistics_come_back_as_such(path):
    graph = read_onnx(path)
    kinds = {name: p.kind for name, p in graph.parameters.items()}
    assert kinds["blocks.0.norm.running_mean"] == "buffer" and kinds["blocks.0.norm.weight"] == "parameter"


def test_large_weights_go_beside_the_model(written, path, tmp_path):
    (tmp_path / "apart").mkdir()
    apart = tmp_path / "apart" / "model.onnx"
    save(written.proto, written.weights, apart, largest=1000)
    assert (tmp_path / "apart" / "model.onnx.data").stat().st_size > 1000
    assert apart.stat().st_size < path.stat().st_size
    onnx.checker.check_model(str(apart), full_check=True)
    x = np.ones((2, 3, 17, 17), "float32")
    assert np.array_equal(run(apart, x), run(path, x))


def test_converts_and_is_proven(network, tmp_path):
    conversion = netglot.convert(network, to="onnx", inputs=[(1, 3, 17, 17)])
    assert conversion.verdict == "equivalent", conversion.report
    conversion.save(tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["README.md", "model.onnx", "report.json"]
    assert "onnxruntime" in (tmp_path / "out" / "README.md").read_text()


def test_open_sizes_of_other_axes_are_computed():
    class Pooled(nn.Module):
        def forward(self, x):
            batch, time, width = x.shape
            steps = torch.arange(time, device=x.device, dtype=x.dtype)
            return x.reshape(batch, time // 1, 2, width // 2).sum(2) * steps[:, None]

    graph = netglot.read(Pooled(), inputs=[("B", "T", 6)])
    made = write(graph)
    session = None
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        save_weights(made, Path(folder) / "m.onnx")
        session = onnxruntime.InferenceSession(str(Path(folder) / "m.onnx"), providers=["CPUExecutionProvider"])
    for shape in ((2, 3, 6), (1, 5, 6)):
        x = np.random.default_rng(0).standard_normal(shape).astype("float32")
        expected = x.reshape(*shape[:2], 2, 3).sum(2) * np.arange(shape[1], dtype="float32")[:, None]
        np.testing.assert_allclose(session.run(None, {"x": x})[0], expected, rtol=1e-5)


def test_zeros_around_a_pool_count_in_onnxruntime_too(tmp_path):
    """onnxruntime takes padding before a pool for that of the pool, where nothing says that it is not."""
    module = nn.Sequential(nn.ZeroPad2d(1), nn.MaxPool2d(3, 2), nn.ZeroPad2d(1), nn.AvgPool2d(2, padding=1))
    x = torch.rand(1, 2, 9, 9) - 2
    save_weights(write(netglot.read(module, inputs=[x]), keep_layout=True), tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    (made,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    np.testing.assert_allclose(made, module(x).numpy(), atol=1e-6)
