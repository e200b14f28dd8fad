"""Caffe's networks against what OpenCV computes of them, and each semantic that converters get wrong."""

import importlib.util
import pathlib

import numpy as np
import pytest

from netglot.dialects.caffe.read import read_caffe
from netglot.errors import InputError, UnsupportedOps, WeightsError
from netglot.pivot import ops
from netglot.pivot.evaluate import evaluate

HERE = pathlib.Path(__file__).parent
_spec = importlib.util.spec_from_file_location("caffe_networks", HERE / "networks.py")
networks = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(networks)
RECORDED = np.load(HERE / "recorded.npz")
RUN = sorted({name.split("/")[0] for name in RECORDED.files})


def written(folder, net, **how):
    """The files of a network."""
    (folder / "net.prototxt").write_text(net.text)
    if net.weights:
        (folder / "net.caffemodel").write_bytes(networks.caffemodel(net.weights, **how))
    return folder / "net.prototxt"


def results(graph, arrays):
    """What a graph gives, by name."""
    given = {value.name: arrays[value.name] for value in graph.inputs}
    found = evaluate(graph, given, precision="float64")
    if isinstance(found, dict):
        return found
    return {"output": found}


def run(folder, net, arrays=None, **how):
    graph = read_caffe(written(folder, net, **how))
    return graph, results(graph, arrays or net.arrays())


@pytest.mark.parametrize("name", RUN)
def test_computes_what_opencv_computes(name, tmp_path):
    net = networks.NETWORKS[name]()
    _, found = run(tmp_path, net)
    expected = {key.split("/", 1)[1]: RECORDED[key] for key in RECORDED.files if key.startswith(f"{name}/")}
    assert len(found) == len(expected)
    for (top, want), (_, got) in zip(sorted(expected.items()), sorted(found.items()), strict=True):
        assert got.reshape(-1).shape == want.reshape(-1).shape, top
        np.testing.assert_allclose(got.reshape(want.shape), want, rtol=2e-5, atol=2e-5, err_msg=top)


def test_there_are_enough_networks():
    assert len(RUN) >= 20 and {"googlenet", "resnet50"} <= set(RUN)


@pytest.mark.parametrize(
    "how", [dict(generation=1), dict(legacy=True), dict(loose=True), dict(generation=1, legacy=True)]
)
def test_all_generations_of_weights_are_the_same(how, tmp_path):
    net = networks.NETWORKS["inner_products"]()
    _, new = run(tmp_path, net)
    _, old = run(tmp_path, net, **how)
    np.testing.assert_array_equal(new["output"], old["output"])


def test_weights_in_half_precision(tmp_path):
    net = networks.NETWORKS["inner_products"]()
    path = written(tmp_path, net)
    plain = results(read_caffe(path), net.arrays())["output"]

    def half(array):
        data = networks.key(10, 0) + networks.varint(2) + networks.block(12, array.astype("<f2").tobytes())
        return data + networks.block(7, networks.block(1, b"".join(networks.varint(n) for n in array.shape)))

    made = b""
    for name, arrays in net.weights.items():
        body = networks.block(1, name.encode()) + b"".join(networks.block(7, half(array)) for array in arrays)
        made += networks.block(100, body)
    path.with_suffix(".caffemodel").write_bytes(made)
    np.testing.assert_allclose(results(read_caffe(path), net.arrays())["output"], plain, rtol=0.02)


SECOND = """
name: "old" input: "data" input_dim: 1 input_dim: 2 input_dim: 6 input_dim: 6
layers { name: "conv" type: CONVOLUTION bottom: "data" top: "conv" blobs_lr: 1
  convolution_param { num_output: 3 kernel_size: 3 } }
layers { name: "relu" type: RELU bottom: "conv" top: "conv" relu_param { negative_slope: 0.2 } }
layers { name: "pool" type: POOLING bottom: "conv" top: "pool" pooling_param { pool: AVE kernel_size: 2 stride: 2 } }
layers { name: "fc" type: INNER_PRODUCT bottom: "pool" top: "fc" inner_product_param { num_output: 4 } }
layers { name: "prob" type: SOFTMAX bottom: "fc" top: "prob" }
"""
FIRST = """
name: "oldest" input: "data" input_dim: 1 input_dim: 2 input_dim: 4 input_dim: 4
layers { layer { name: "pad" type: "padding" pad: 1 } bottom: "data" top: "pad" }
layers { layer { name: "conv" type: "conv" num_output: 3 kernelsize: 3 biasterm: true } bottom: "pad" top: "conv" }
layers { layer { name: "relu" type: "relu" } bottom: "conv" top: "conv" }
layers { layer { name: "pool" type: "pool" pool: AVE kernelsize: 2 stride: 2 } bottom: "conv" top: "pool" }
layers { layer { name: "fc" type: "innerproduct" num_output: 4 } bottom: "pool" top: "fc" }
layers { layer { name: "prob" type: "softmax" } bottom: "fc" top: "prob" }
"""


@pytest.mark.parametrize(("text", "slope", "pad"), [(SECOND, 0.2, 0), (FIRST, 0.0, 1)], ids=["second", "first"])
def test_older_generations_of_text(text, slope, pad, tmp_path):
    weights = {
        "conv": [networks.random("w", 3, 2, 3, 3), networks.random("b", 3)],
        "fc": [networks.random("fw", 4, 12), networks.random("fb", 4)],
    }
    (tmp_path / "net.prototxt").write_text(text)
    (tmp_path / "net.caffemodel").write_bytes(networks.caffemodel(weights, generation=1, legacy=True))
    size = 6 - 2 * pad
    x = networks.random("x", 1, 2, size, size)
    found = results(read_caffe(tmp_path / "net.prototxt"), {"data": x})["output"]
    seen = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((0, 0), (0, 0), (pad,) * 2, (pad,) * 2)), (3, 3), (2, 3))
    y = np.einsum("nchwij,ocij->nohw", seen, weights["conv"][0]) + weights["conv"][1][:, None, None]
    y = np.where(y > 0, y, slope * y).reshape(1, 3, 2, 2, 2, 2).mean((3, 5)).reshape(1, 12)
    y = y @ weights["fc"][0].T + weights["fc"][1]
    np.testing.assert_allclose(found, np.exp(y) / np.exp(y).sum(), rtol=1e-5)


def test_a_training_file_is_read_as_it_is_tested(tmp_path):
    net = networks.NETWORKS["inner_products"]()
    _, deployed = run(tmp_path, net)
    data = """
    layer { name: "train" type: "Data" top: "data" top: "label" include { phase: TRAIN }
      transform_param { crop_size: 9 } }
    layer { name: "test" type: "Data" top: "data" top: "label" include { phase: TEST }
      transform_param { mean_value: 104 mean_value: 117 scale: 0.5 } }
    """
    losses = """
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc2" bottom: "label" top: "loss" }
    layer { name: "right" type: "Accuracy" bottom: "fc2" bottom: "label" top: "right" include { phase: TEST } }
    """
    lines = [line for line in net.text.splitlines() if '"Input"' not in line and '"Softmax"' not in line]
    net.text = "\n".join([*lines[:1], data, *lines[1:], losses])
    graph = read_caffe(written(tmp_path, net), inputs="data=3,2,4,3")
    np.testing.assert_array_equal(results(graph, net.arrays())["output"], deployed["output"])
    assert [value.name for value in graph.inputs] == ["data"]
    assert any("mean_value [104, 117]" in note for note in graph.notes)


def test_ceil_pooling_is_clipped(tmp_path):
    shapes = {}
    for name in ("pool_ceil", "pool_clip", "pool_floor"):
        _, found = run(tmp_path, networks.NETWORKS[name]())
        shapes[name] = found["output"].shape[2:]
    assert shapes == {"pool_ceil": (3, 4), "pool_clip": (4, 4), "pool_floor": (2, 3)}


def test_a_norm_and_its_scale_are_one(tmp_path):
    graph, _ = run(tmp_path, networks.NETWORKS["norm_factor"]())
    norms = [node.op for node in graph.nodes if isinstance(node.op, ops.BatchNorm)]
    assert len(norms) == 2 and norms[0].scale is not None and norms[1].scale is None
    assert not any(isinstance(node.op, ops.Multiply | ops.Add) for node in graph.nodes)
    assert norms[0].epsilon == 0.001 and norms[0].momentum == 0.001


def test_a_moving_average_factor_of_zero_means_zeros(tmp_path):
    net = networks.Net("zero", data=(1, 2, 3, 3))
    net.layer("BatchNorm", "bn", "data", None, "", [networks.random("m", 2), networks.random("v", 2), np.zeros(1)])
    _, found = run(tmp_path, net)
    np.testing.assert_allclose(found["output"], net.arrays()["data"] / np.sqrt(1e-5), rtol=1e-5)


def test_lstm_gates(tmp_path):
    net = networks.NETWORKS["lstm"]()
    graph, found = run(tmp_path, net)
    w_x, b, w_h = net.weights["lstm"]
    h, c = np.zeros((2, 5)), np.zeros((2, 5))
    steps = []
    for x in net.arrays()["data"]:
        i, f, o, g = np.split(x @ w_x.T + b + h @ w_h.T, 4, -1)  # Caffe's order
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
        steps.append(h)
    np.testing.assert_allclose(found["output"], np.stack(steps), rtol=1e-6)
    assert [value.name for value in graph.inputs] == ["data"]
    assert any("continuation" in note for note in graph.notes)


def test_what_opencv_lacks(tmp_path):
    net = networks.Net("more", data=(2, 4, 3, 3))
    net.layer("Bias", "bias", "data", None, "bias_param { axis: 1 }", [networks.random("bb", 4)])
    net.layer("Log", "log", "data", None, "log_param { base: 2 scale: 0.5 shift: 3 }")
    net.layer("Threshold", "threshold", "data", None, "threshold_param { threshold: 0.5 }")
    net.layer("Reduction", "reduction", "data", None, "reduction_param { operation: ASUM axis: 1 coeff: 0.5 }")
    net.layer("Tile", "tile", "data", None, "tile_param { axis: 1 tiles: 2 }")
    net.layer("ArgMax", "argmax", "data", None, "argmax_param { out_max_val: true top_k: 2 }")
    net.layer("Swish", "swish", "data", None, "swish_param { beta: 2 }")
    net.layer("Clip", "clip", "data", None, "clip_param { min: -0.5 max: 1 }")
    net.layer("LRN", "lrn", "data", None, "lrn_param { local_size: 3 alpha: 0.5 beta: 0.6 k: 2 }")
    net.layer("MVN", "mvn", "data", None, "mvn_param { eps: 0.1 }")
    x = net.arrays()["data"].astype("float64")
    around = np.pad(x**2, ((0, 0), (1, 1), (0, 0), (0, 0)))
    _, found = run(tmp_path, net)
    flat = x.reshape(2, -1)
    order = np.argsort(-flat, 1)[:, :2]
    expected = {
        "bias": x + net.weights["bias"][0].reshape(1, 4, 1, 1),
        "log": np.log2(0.5 * x + 3),
        "threshold": (x > 0.5) * 1.0,
        "reduction": np.abs(x).sum((1, 2, 3)) * 0.5,
        "tile": np.concatenate([x, x], 1),
        "argmax": np.stack([order, np.take_along_axis(flat, order, 1)], 1),
        "swish": x / (1 + np.exp(-2 * x)),
        "clip": x.clip(-0.5, 1),
        "lrn": x / (2 + 0.5 / 3 * (around[:, :-2] + around[:, 1:-1] + around[:, 2:])) ** 0.6,
        "mvn": (x - x.mean((2, 3), keepdims=True)) / (x.std((2, 3), keepdims=True) + 0.1),
    }
    assert found.keys() == expected.keys()
    for name, want in expected.items():
        np.testing.assert_allclose(found[name], want, rtol=1e-6, err_msg=name)


def test_weights_that_layers_share_are_one(tmp_path):
    net = networks.Net("shared", data=(1, 3, 4, 4))
    weights = [networks.random("sw", 3, 3, 1, 1), networks.random("sb", 3)]
    options = 'param { name: "w" } param { name: "b" } convolution_param { num_output: 3 kernel_size: 1 }'
    net.layer("Convolution", "one", "data", None, options, weights)
    net.layer("Convolution", "two", "one", None, options, weights)
    graph, _ = run(tmp_path, net)
    assert sorted(graph.parameters) == ["one.bias", "one.weight"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("CORNER", lambda box, m, v: box + m * v),
        (
            "CENTER_SIZE",
            lambda box, m, v: np.concatenate(
                [
                    (box[:, :2] + box[:, 2:]) / 2
                    + s * (m * v)[..., :2] * (box[:, 2:] - box[:, :2]) * 0
                    + (m * v)[..., :2] * (box[:, 2:] - box[:, :2])
                    + s * np.exp((m * v)[..., 2:]) * (box[:, 2:] - box[:, :2]) / 2
                    for s in (-1, 1)
                ],
                -1,
            ),
        ),
    ],
)
def test_detections_are_decoded(code, expected, tmp_path):
    net = networks.Net("ssd", data=(2, 3, 16, 16), loc=(2, 32), conf=(2, 24))
    net.pool("map", "data", "pool: MAX kernel_size: 8 stride: 8")
    net.layer("PriorBox", "priors", ["map", "data"], None,
              "prior_box_param { min_size: 4 aspect_ratio: 2 flip: false variance: 0.1 variance: 0.1 variance: 0.2 "
              "variance: 0.2 }")  # fmt: skip
    net.layer("DetectionOutput", "found", ["loc", "conf", "priors"], None,
              f"detection_output_param {{ num_classes: 3 code_type: {code} "
              "nms_param { nms_threshold: 0.45 top_k: 9 } }")  # fmt: skip
    graph, found = run(tmp_path, net)
    arrays = net.arrays()
    boxes = []
    for y in (4, 12):
        for x in (4, 12):
            for w, h in ((4, 4), (4 * 2**0.5, 4 / 2**0.5)):
                boxes.append([(x - w / 2) / 16, (y - h / 2) / 16, (x + w / 2) / 16, (y + h / 2) / 16])
    want = expected(np.array(boxes), arrays["loc"].reshape(2, 8, 4), np.array([0.1, 0.1, 0.2, 0.2]))
    np.testing.assert_allclose(dict(flatten_tree_of(found))["boxes"], want, rtol=1e-5, atol=1e-6)
    assert any("0.45" in note and "non-maximum" in note for note in graph.notes)


def flatten_tree_of(found):
    for name, one in found.items():
        if isinstance(one, dict):
            yield from flatten_tree_of(one)
        else:
            yield name, one


def test_blocks_have_the_names_of_the_file(tmp_path):
    graph, _ = run(tmp_path, networks.NETWORKS["resnet50"]())
    assert {"res2a", "res3b"} <= graph.modules.keys()
    assert "res2a.branch2a.weight" in graph.parameters
    graph, _ = run(tmp_path, networks.NETWORKS["googlenet"]())
    assert "inception_3a" in graph.modules


def test_refusals_are_told_together(tmp_path):
    net = networks.Net("custom", data=(1, 3, 4, 4))
    net.layer("Python", "roi", "data", None, 'python_param { module: "roi" layer: "Roi" }')
    net.layer("ReLU", "relu", "roi")
    net.layer("Pooling", "pool", "data", None, "pooling_param { pool: STOCHASTIC kernel_size: 2 }")
    with pytest.raises(UnsupportedOps) as refused:
        read_caffe(written(tmp_path, net))
    assert [(one.where, one.what) for one in refused.value.refused] == [("roi", "Python"), ("pool", "Pooling")]


def test_weights_of_another_network_are_refused(tmp_path):
    net = networks.NETWORKS["inner_products"]()
    net.weights["fc1"][0] = net.weights["fc1"][0][:, :10]
    with pytest.raises(WeightsError, match="fc1: blob 0"):
        read_caffe(written(tmp_path, net))
    net.weights = {"other": [np.zeros(3)]}
    with pytest.raises(WeightsError, match="no layer of"):
        read_caffe(written(tmp_path, net))


def test_damaged_files_are_errors(damage, tmp_path):
    net = networks.NETWORKS["inner_products"]()
    path = written(tmp_path, net)
    for file in (path, path.with_suffix(".caffemodel")):
        whole = file.read_bytes()
        damage(file, lambda: read_caffe(path))
        file.write_bytes(whole)


@pytest.mark.parametrize(
    "change",
    [
        ("num_output: 7", "num_output: 99999999999"),
        ("kernel_size: 2", "kernel_size: 4000000000"),
        ("kernel_size: 2", "kernel_size: 2 pad: 1000000000000"),
        ("kernel_size: 2", "kernel_size: 2 stride: 0"),
        ("dim: 3 dim: 2", "dim: 3 dim: 20000000000000"),
        ("kernel_size: 2", "kernel_size: -2"),
    ],
    ids=str,
)
@pytest.mark.parametrize("with_weights", [True, False])
def test_absurd_sizes_are_errors(change, with_weights, tmp_path):
    net = networks.NETWORKS["inner_products"]()
    assert change[0] in net.text
    net.text = net.text.replace(*change)
    if not with_weights:
        net.weights = {}
    with pytest.raises((InputError, UnsupportedOps)):
        read_caffe(written(tmp_path, net))


def test_one_convolution_of_several_bottoms(tmp_path):
    net = networks.Net("two", a=(1, 3, 6, 6), b=(1, 3, 6, 6))
    weights = [networks.random("tw", 4, 3, 3, 3), networks.random("tb", 4)]
    options = "convolution_param { num_output: 4 kernel_size: 3 }"
    net.layer("Convolution", "conv", ["a", "b"], ["ca", "cb"], options, weights)
    graph, found = run(tmp_path, net)
    assert len(graph.parameters) == 2
    for one in ("a", "b"):
        alone = networks.Net("one", **{one: (1, 3, 6, 6)})
        alone.layer("Convolution", "conv", one, None, options, weights)
        (tmp_path / one).mkdir()
        _, expected = run(tmp_path / one, alone, {one: net.arrays()[one]})
        np.testing.assert_array_equal(found[f"c{one}"], expected["output"])


def test_squeeze_and_excitation(tmp_path):
    net = networks.Net("axpy", a=(2, 3), x=(2, 3, 4, 5), y=(2, 3, 4, 5))
    net.layer("Axpy", "out", ["a", "x", "y"])
    _, found = run(tmp_path, net)
    a, x, y = (net.arrays()[one].astype("float64") for one in "axy")
    np.testing.assert_allclose(found["output"], a[:, :, None, None] * x + y)


def test_holes_are_dilation(tmp_path):
    found = []
    for number, word in enumerate(("dilation", "hole")):
        net = networks.Net("holes", data=(1, 3, 9, 9))
        net.conv("conv", "data", 3, 4, 3, f"pad: 2 {word}: 2")
        (tmp_path / str(number)).mkdir()
        found.append(run(tmp_path / str(number), net)[1]["output"])
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("Convolution", "convolution_param { num_output: 4 kernel_size: 3 quantize_bits: 8 }", "quantize_bits: 8"),
        ("Interp", "interp_param { height: 4 width: 4 pad_beg: 0 shift: 1 }", "shift: 1"),
        ("ReLU", "ternary_param { bits: 2 }", "ternary_param"),
    ],
)
def test_options_of_a_fork_are_refused(kind, options, said, tmp_path):
    net = networks.Net("fork", data=(1, 3, 9, 9))
    weights = [networks.random("fw", 4, 3, 3, 3), networks.random("fb", 4)] if kind == "Convolution" else ()
    net.layer(kind, "layer", "data", None, options, weights)
    with pytest.raises(UnsupportedOps, match=said):
        run(tmp_path, net)
