"""Operations of the user's own: read by a Python file of theirs, refused by name without it."""

import importlib.util
import json
import pathlib
import textwrap

import numpy as np
import pytest

import netglot
from netglot.cli import run
from netglot.dialects.caffe.dialect import caffe
from netglot.errors import InputError, RequestError, UnsupportedOps, UserCodeError
from netglot.pivot.evaluate import evaluate

HERE = pathlib.Path(__file__).parent


def loaded(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def extension(folder, text):
    path = folder / "my_ops.py"
    path.write_text("from netglot.pivot import ops\n" + textwrap.dedent(text))
    return path


SCALED = """
    from netglot.dialects.caffe.dialect import caffe

    @caffe.reads("Python:ScaledSwish")
    def scaled_swish(layer, x):
        return ops.Multiply(ops.Silu(x), layer.weight(0, "scale", (3, 1, 1)))
"""


@pytest.fixture
def caffe_files(tmp_path):
    networks = loaded(HERE / "caffe" / "networks.py")
    net = networks.Net("custom", data=(1, 3, 4, 4))
    scale = np.array([1.0, 2.0, 3.0], "float32").reshape(3, 1, 1)
    options = 'python_param { module: "own" layer: "ScaledSwish" }'
    net.layer("Python", "swish", "data", None, options, [scale])
    net.layer("ReLU", "relu", "swish")
    (tmp_path / "net.prototxt").write_text(net.text)
    (tmp_path / "net.caffemodel").write_bytes(networks.caffemodel(net.weights))
    return tmp_path / "net.prototxt"


def computed(graph, *arrays):
    found = evaluate(graph, dict(zip((v.name for v in graph.inputs), arrays, strict=True)), precision="float64")
    return next(iter(found.values())) if isinstance(found, dict) else found


def test_a_python_layer_of_caffe(caffe_files, tmp_path):
    with pytest.raises(UnsupportedOps) as refused:
        netglot.read(str(caffe_files))
    assert "ScaledSwish" in refused.value.refused[0].reason.text
    assert "--extend" in refused.value.refused[0].reason.advice
    graph = netglot.read(str(caffe_files), extend=[extension(tmp_path, SCALED)])
    x = np.linspace(-2, 2, 48).reshape(1, 3, 4, 4)
    want = np.maximum(x / (1 + np.exp(-x)) * np.array([1, 2, 3.0]).reshape(3, 1, 1), 0)
    np.testing.assert_allclose(computed(graph, x), want, rtol=1e-12)
    assert "swish.scale" in graph.parameters


def test_it_is_converted_and_proven(caffe_files, tmp_path):
    conversion = netglot.convert(str(caffe_files), to="torch", extend=[str(extension(tmp_path, SCALED))])
    assert conversion.verdict == "equivalent"
    assert "silu" in conversion.source.lower()


def test_on_the_command_line(caffe_files, tmp_path, capsys):
    assert run(["inspect", str(caffe_files), "--extend", str(extension(tmp_path, SCALED)), "--view", "text"]) == 0
    assert "Silu" in capsys.readouterr().out


def test_it_is_in_force_for_one_network_only(caffe_files, tmp_path):
    before = dict(caffe.readers)
    netglot.read(str(caffe_files), extend=[extension(tmp_path, SCALED)])
    netglot.read(str(caffe_files), extend=[extension(tmp_path, SCALED)])
    assert caffe.readers == before


def test_a_custom_operator_of_mxnet(tmp_path):
    def node(op, name, inputs=(), **attrs):
        return {"op": op, "name": name, "attrs": attrs, "inputs": [[one, 0, 0] for one in inputs]}

    nodes = [node("null", "data"), node("Custom", "mine", [0], op_type="shifted", by="0.5"), node("relu", "r", [1])]
    (tmp_path / "net-symbol.json").write_text(json.dumps({"nodes": nodes, "heads": [[2, 0, 0]], "arg_nodes": [0]}))
    with pytest.raises(UnsupportedOps, match="shifted"):
        netglot.read(str(tmp_path / "net-symbol.json"), inputs="data=2,3")
    mine = extension(
        tmp_path,
        """
        from netglot.dialects.mxnet.dialect import mxnet

        @mxnet.reads("Custom:shifted")
        def shifted(work, x):
            return ops.Add(x, work.node.number("by"))
        """,
    )
    graph = netglot.read(str(tmp_path / "net-symbol.json"), inputs="data=2,3", extend=[mine])
    np.testing.assert_allclose(computed(graph, np.full((2, 3), -0.2)), np.full((2, 3), 0.3))


def test_a_function_of_cntk(tmp_path):
    with np.load(HERE / "cntk" / "own_function.npz") as file:
        (tmp_path / "net.model").write_bytes(file["model"].tobytes())
    with pytest.raises(UnsupportedOps, match="Twice"):
        netglot.read(str(tmp_path / "net.model"))
    mine = extension(
        tmp_path,
        """
        from netglot.dialects.cntk.dialect import cntk

        @cntk.reads("UserDefinedFunction:Twice")
        def twice(work, x):
            return x.like(ops.Multiply(x.value, 2.0))
        """,
    )
    graph = netglot.read(str(tmp_path / "net.model"), extend=[mine])
    np.testing.assert_allclose(computed(graph, np.array([[-1.0, 0.0, 2.0]])), [[1.0, 1.0, 5.0]])


def test_what_is_wrong_with_an_extension_is_told(caffe_files, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        netglot.read(str(caffe_files), extend=[tmp_path / "missing.py"])
    with pytest.raises(RequestError, match="declares no reader"):
        netglot.read(str(caffe_files), extend=[extension(tmp_path, "")])
    with pytest.raises(UserCodeError, match="division by zero"):
        netglot.read(str(caffe_files), extend=[extension(tmp_path, "1 / 0")])
    again = """
        from netglot.dialects.caffe.dialect import caffe
        caffe.reads("ReLU")(lambda layer, x: x)
    """
    with pytest.raises(UserCodeError, match="reads ReLU twice"):
        netglot.read(str(caffe_files), extend=[extension(tmp_path, again)])
