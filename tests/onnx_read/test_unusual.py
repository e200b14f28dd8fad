"""Operators that no framework has as one: unusual recurrent layers, sampling at places that are data, held against
onnxruntime."""

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnxruntime
from onnx import TensorProto, helper
from tests.onnx_read.models import graph_of, model, node, result

from netglot.passes.composed.recurrent import spell_out
from netglot.pivot import ops

RANDOM = np.random.default_rng(0)


def drawn(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def compare(kind, feeds, weights, outputs, opset=22, **attributes):
    order = [name for name in (feeds | weights) if name != "_"]
    codes = {name: (helper.np_dtype_to_tensor_dtype(a.dtype), list(a.shape)) for name, a in feeds.items()}
    made = helper.make_node(kind, order, outputs.split(), **attributes)
    for index, name in enumerate(made.input):
        made.input[index] = "" if name.startswith("_") else name
    held = {name: a for name, a in weights.items() if not name.startswith("_")}
    proto = model([made], codes, outputs.split(), held, opset=opset)
    proto.ir_version = 10
    for value in proto.graph.output:
        value.type.tensor_type.elem_type = TensorProto.INT64 if value.name == "places" else TensorProto.FLOAT
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    wanted = session.run(None, feeds)
    graph = graph_of(proto)
    found = result(graph, *feeds.values())
    found = list(found.values()) if isinstance(found, dict) else [found]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    return graph


CURVES = {"activations": ["HardSigmoid", "Softsign", "LeakyRelu"], "activation_alpha": [0.3, 0.2]}


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("LSTM", {"peepholes": True}),
        ("LSTM", {"peepholes": True, "direction": "bidirectional"}),
        ("LSTM", {"clip": 0.3, "direction": "reverse"}),
        ("LSTM", {"input_forget": 1}),
        ("LSTM", CURVES | {"activation_beta": [0.4]}),
        ("GRU", {"clip": 0.5, "linear_before_reset": 1}),
        ("GRU", {"activations": ["HardSigmoid", "Softplus"]}),
        ("RNN", {"activations": ["Tanh", "Relu"], "direction": "bidirectional"}),
    ],
)
def test_recurrent_layers_that_frameworks_lack_are_written_step_by_step(kind, options):
    options = dict(options)
    gates, both = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind], options.get("direction") == "bidirectional"
    many, lengths = 2 if both else 1, np.array([5, 3], "int32")
    weights = {"w": drawn(many, gates * 4, 3), "r": drawn(many, gates * 4, 4), "b": drawn(many, gates * 8)}
    weights |= {"lengths": lengths, "h": drawn(many, 2, 4)}
    if kind == "LSTM":
        weights["c"] = drawn(many, 2, 4)
    if options.pop("peepholes", False):
        weights["p"] = drawn(many, 12)
    outputs = "y h_end c_end" if kind == "LSTM" else "y h_end"
    graph = compare(kind, {"x": drawn(5, 2, 3)}, weights, outputs, hidden_size=4, **options)
    trained = [p for p in graph.parameters.values() if p.trainable]
    count = sum(int(np.prod(p.shape)) for p in trained)
    used = {k: v for k, v in weights.items() if k != "lengths"}
    assert count == sum(v.size for v in used.values())


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_a_recurrence_with_weights_that_are_inputs_is_written_step_by_step(kind):
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    feeds = {"x": drawn(5, 2, 3), "w": drawn(2, gates * 4, 3), "r": drawn(2, gates * 4, 4), "b": drawn(2, gates * 8)}
    weights = {"lengths": np.array([5, 3], "int32"), "h": drawn(2, 2, 4)}
    graph = compare(kind, feeds, weights, "y h_end", hidden_size=4, direction="bidirectional")
    before = result(graph, *feeds.values())
    made = spell_out(graph)
    assert not any(isinstance(node.op, ops.Lstm | ops.Gru | ops.Rnn) for node in made.nodes)
    after = result(made, *feeds.values())
    for one, other in zip(before.values(), after.values(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_whose_taps_move(groups):
    options = {"strides": [2, 1], "pads": [1, 0, 2, 1], "dilations": [1, 2], "group": groups, "offset_group": groups}
    feeds = {"x": drawn(2, 4, 9, 8)}
    weights = {"w": drawn(6, 4 // groups, 3, 2), "shifts": 2 * drawn(2, groups * 12, 5, 7), "b": drawn(6)}
    graph = compare("DeformConv", feeds, weights | {"mask": abs(drawn(2, groups * 6, 5, 7))}, "y", **options)
    assert [node.op.groups for node in graph.nodes if isinstance(node.op, ops.Conv)] == [groups]


@pytest.mark.parametrize("shift", ["half_pixel", "output_half_pixel"])
def test_pooling_over_regions(shift):
    corners = abs(drawn(4, 4)) * 6
    corners[:, 2:] += corners[:, :2]
    corners[0], corners[1] = [-3, -4, 14, 20], [2, 2, 2.2, 2.1]
    feeds = {"x": drawn(2, 3, 12, 10), "regions": corners, "pictures": np.array([0, 1, 1, 0])}
    options = {"output_height": 3, "output_width": 2, "sampling_ratio": 2, "spatial_scale": 0.5}
    compare("RoiAlign", feeds, {}, "y", opset=16, coordinate_transformation_mode=shift, **options)


def test_places_of_maxima_counted_by_columns():
    options = {"kernel_shape": [3, 2], "storage_order": 1, "pads": [1, 0, 0, 1], "strides": [2, 1]}
    compare("MaxPool", {"x": drawn(2, 3, 7, 8)}, {}, "y places", **options)


def test_half_a_spectrum_taken_back():
    x = drawn(2, 9)
    half = np.fft.rfft(x)
    proto = model(
        [node("DFT", "x n axis", "y", inverse=1, onesided=1)],
        {"x": [2, 5, 2]},
        ["y"],
        {"n": np.int64(9), "axis": np.int64(1)},
        opset=20,
    )
    found = result(graph_of(proto), np.stack((half.real, half.imag), -1).astype("float32"))
    np.testing.assert_allclose(found[..., 0], x, rtol=1e-4, atol=1e-5)
