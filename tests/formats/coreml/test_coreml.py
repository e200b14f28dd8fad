"""Core ML's networks, written here byte by byte, against the formulas of its specification.

Nothing runs Core ML but macOS, so each layer's expected values are computed by hand.
"""

import numpy as np
import pytest

from netglot.dialects.coreml.read import read_coreml
from netglot.errors import InputError, Refusal, UnsupportedOps
from netglot.formats.coreml import SCHEMA
from netglot.pivot.evaluate import evaluate

DRAWN = np.random.RandomState(0)


def varint(value):
    value &= 2**64 - 1
    made = b""
    while value > 127:
        made += bytes([value & 127 | 128])
        value >>= 7
    return made + bytes([value])


def encoded(message, **fields):
    """A message of the schema as bytes; fields hold numbers, texts, bytes, lists or dictionaries for messages."""
    made = b""
    table = {field.name: (number, field) for number, field in SCHEMA[message].items()}
    for name, held in fields.items():
        number, field = table[name]
        if isinstance(held, np.ndarray):
            made += delimited(number, np.asarray(held, "<f4").tobytes())
            continue
        for one in held if isinstance(held, list) else [held]:
            if isinstance(one, dict):
                made += delimited(number, encoded(field.type, **one))
            elif isinstance(one, str | bytes):
                made += delimited(number, one.encode() if isinstance(one, str) else one)
            elif field.type == "float":
                made += varint(number << 3 | 5) + np.float32(one).tobytes()
            else:
                made += varint(number << 3) + varint(int(one))
    return made


def delimited(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def model(*layers, shape=(3, 6, 5), picture=False, kind="network", output=None, **network):
    """A model of layers `(name, kind, options)`, each behind the one before."""
    last, written = "data", []
    for name, layer, options in layers:
        inputs = options.pop("inputs", [last])
        written.append({"name": name, "input": inputs, "output": [name], layer: options})
        last = name
    if picture:
        type_ = {"imageType": {"width": shape[2], "height": shape[1], "colorSpace": 20}}
    else:
        type_ = {"multiArrayType": {"shape": list(shape)}}
    description = {"input": [{"name": "data", "type": type_}], "output": [{"name": output or last}]}
    return encoded("Model", version=1, description=description, **{kind: {"layers": written, **network}})


def run(folder, data, x):
    (folder / "net.mlmodel").write_bytes(data)
    graph = read_coreml(folder / "net.mlmodel")
    return graph, evaluate(graph, {"data": x}, precision="float64")


def drawn(*shape):
    return DRAWN.uniform(-1, 1, shape).astype("float32")


def one(array):
    return {"floatValue": array.reshape(-1)}


X = drawn(2, 3, 6, 5)


def windows(x, k):
    return np.lib.stride_tricks.sliding_window_view(x, (k, k), (2, 3))


@pytest.mark.parametrize(("heavy", "pads"), [(0, ((0, 1), (1, 1))), (1, ((1, 0), (1, 1)))])
def test_convolution_pads_on_the_side_that_it_says(heavy, pads, tmp_path):
    w, b = drawn(4, 3, 3, 3), drawn(4)
    options = dict(outputChannels=4, kernelChannels=3, nGroups=1, kernelSize=[3, 3], stride=[2, 2], hasBias=1,
                   same={"asymmetryMode": heavy}, weights=one(w), bias=one(b))  # fmt: skip
    _, found = run(tmp_path, model(("conv", "convolution", options)), X)
    seen = windows(np.pad(X, ((0, 0), (0, 0), *pads)), 3)[:, :, ::2, ::2]
    np.testing.assert_allclose(found, np.einsum("nchwij,ocij->nohw", seen, w) + b[:, None, None], rtol=1e-5, atol=1e-6)


def test_half_precision_and_quantised_weights(tmp_path):
    w = drawn(4, 90).astype("float16")
    dense = dict(inputChannels=90, outputChannels=4, weights={"float16Value": w.tobytes()})
    _, found = run(tmp_path, model(("fc", "innerProduct", dense)), X)
    np.testing.assert_allclose(found, X.reshape(2, 90) @ w.astype("float64").T, rtol=1e-5, atol=1e-6)
    stored, scale, bias = DRAWN.randint(0, 16, (4, 90)), np.abs(drawn(4)) + 0.1, drawn(4)
    bits = (stored.reshape(-1, 1) >> np.array([3, 2, 1, 0]) & 1).astype("uint8")
    quantised = {"numberOfBits": 4, "linear": {"scale": scale, "bias": bias}}
    dense["weights"] = {"rawValue": np.packbits(bits).tobytes(), "quantization": quantised}
    _, found = run(tmp_path, model(("fc", "innerProduct", dense)), X)
    real = stored * scale[:, None].astype("float64") + bias[:, None]
    np.testing.assert_allclose(found, X.reshape(2, 90) @ real.T, rtol=1e-5, atol=1e-5)


def test_pools(tmp_path):
    options = dict(type=1, kernelSize=[3, 3], stride=[2, 2], includeLastPixel={"paddingAmounts": [0, 0]})
    _, found = run(tmp_path, model(("pool", "pooling", options)), X)
    assert found.shape == (2, 3, 3, 2)
    np.testing.assert_allclose(found[:, :, 2, 1], X[:, :, 4:, 2:].mean((2, 3)), rtol=1e-5)
    _, found = run(tmp_path, model(("pool", "pooling", dict(type=0, globalPooling=1))), X)
    np.testing.assert_allclose(found, X.max((2, 3)), rtol=1e-6)


def test_linear_upsampling_begins_with_the_first_pixel(tmp_path):
    _, found = run(tmp_path, model(("up", "upsample", dict(scalingFactor=[2, 2], mode=1))), X)
    places = np.minimum(np.arange(12) / 2, 5)
    low = np.floor(places).astype(int)
    rows = X[:, :, low] * (1 - places + low)[:, None] + X[:, :, np.minimum(low + 1, 5)] * (places - low)[:, None]
    np.testing.assert_allclose(found[:, :, :, ::2], rows, rtol=1e-5, atol=1e-6)


def test_the_rest(tmp_path):
    gamma, beta, mean, variance = drawn(3), drawn(3), drawn(3), np.abs(drawn(3)) + 0.2
    norm = dict(channels=3, epsilon=0.01, gamma=one(gamma), beta=one(beta), mean=one(mean), variance=one(variance))
    table = {
        "batchnorm": (norm, lambda x: (x - col(mean)) / np.sqrt(col(variance) + 0.01) * col(gamma) + col(beta)),
        "activation": ({"leakyReLU": {"alpha": 0.2}}, lambda x: np.where(x > 0, x, 0.2 * x)),
        "unary": (dict(type=1, scale=0.5, shift=2.0, epsilon=0.1), lambda x: 1 / np.sqrt(x * 0.5 + 2 + 0.1)),
        "scale": (
            dict(shapeScale=[3], scale=one(gamma), hasBias=1, shapeBias=[3], bias=one(beta)),
            lambda x: x * col(gamma) + col(beta),
        ),
        "softmax": ({}, lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True)),
        "permute": (dict(axis=[0, 2, 3, 1]), lambda x: x.transpose(0, 2, 3, 1)),
        "flatten": (dict(mode=1), lambda x: x.transpose(0, 2, 3, 1).reshape(2, -1)),
        "crop": (
            {"cropAmounts": {"borderAmounts": [dict(startEdgeSize=1, endEdgeSize=2), dict(endEdgeSize=1)]}},
            lambda x: x[:, :, 1:4, :4],
        ),
        "padding": (
            {
                "constant": {"value": 0.5},
                "paddingAmounts": {"borderAmounts": [dict(startEdgeSize=1), dict(endEdgeSize=2)]},
            },
            lambda x: np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 2)), constant_values=0.5),
        ),
        "reduce": (dict(mode=4, axis=1), lambda x: (x**2).sum((2, 3))),
        "slice": (dict(startIndex=1, endIndex=-1, stride=2, axis=1), lambda x: x[:, :, 1:-1:2]),
        "add": (dict(inputs=["data", "data"]), lambda x: 2 * x),
        "concat": (dict(inputs=["data", "data"]), lambda x: np.concatenate([x, x], 1)),
    }  # fmt: skip
    for kind, (options, want) in table.items():
        _, found = run(tmp_path, model(("layer", kind, options)), X)
        np.testing.assert_allclose(found, want(X.astype("float64")), rtol=1e-5, atol=1e-6, err_msg=kind)


def col(vector):
    return vector[:, None, None]


def test_a_classifier_gives_its_probabilities_and_tells_of_its_picture(tmp_path):
    data = model(
        ("soft", "softmax", {}), picture=True, kind="classifier", output="label", labelProbabilityLayerName="soft",
        preprocessing=[{"featureName": "data", "scaler": {"channelScale": 0.5, "redBias": -1.0}}],
    )  # fmt: skip
    graph, found = run(tmp_path, data, X)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-6)
    assert "data is a picture: red, green, blue, from 0 to 255" in graph.notes
    assert any("times 0.5, plus -1, 0, 0, 0" in note for note in graph.notes)


def test_what_is_not_read_is_refused_by_name(tmp_path):
    data = model(("mine", "custom", {"className": "Mine"}), ("soft", "softmax", {}))
    with pytest.raises(UnsupportedOps) as refused:
        run(tmp_path, data, X)
    assert [(one.where, one.what) for one in refused.value.refused] == [("mine", "custom")]
    with pytest.raises(Refusal, match="no neural network"):
        run(tmp_path, encoded("Model", version=7, treeEnsembleClassifier={}), X)
    with pytest.raises(InputError, match="2 numbers"):
        run(tmp_path, model(("fc", "innerProduct", dict(inputChannels=90, outputChannels=4, weights=one(drawn(2))))), X)


def feature(name, *shape):
    return {"name": name, "type": {"multiArrayType": {"shape": list(shape)}}}


def stage(given, made, layers, preprocessing=()):
    """A network in a pipeline; its tensors are called as those of the others."""
    network = {"layers": layers, "preprocessing": list(preprocessing)}
    return encoded("Model", description={"input": [given], "output": [feature(made)]}, network=network)


def pipeline(*stages, outputs, kind="pipeline"):
    description = {"input": [feature("data", 3, 6, 5)], "output": [feature(name) for name in outputs]}
    held = {"models": list(stages), "names": [f"part{i}" for i in range(len(stages))]}
    return encoded("Model", description=description, **{kind: held if kind == "pipeline" else {"pipeline": held}})


def test_networks_of_a_pipeline_are_one(tmp_path):
    w = drawn(4, 90)
    dense = {"inputChannels": 90, "outputChannels": 4, "weights": one(w)}
    first = stage(
        feature("data", 3, 6, 5), "features",
        [{"name": "1", "input": ["data"], "output": ["1"], "activation": {"ReLU": {}}},
         {"name": "2", "input": ["1"], "output": ["features"], "innerProduct": dense}],
    )  # fmt: skip
    second = stage(feature("features", 4), "1", [{"name": "1", "input": ["features"], "output": ["1"], "softmax": {}}])
    _, found = run(tmp_path, pipeline(first, second, outputs=["1"], kind="pipelineClassifier"), X)
    y = np.maximum(X.astype("float64"), 0).reshape(2, 90) @ w.T.astype("float64")
    np.testing.assert_allclose(found, np.exp(y) / np.exp(y).sum(1, keepdims=True), rtol=1e-6)


def test_boxes_of_a_pipeline_are_left_to_the_caller(tmp_path):
    layers = [{"name": n, "input": ["data"], "output": [n], "activation": {n: {}}} for n in ("tanh", "ReLU")]
    network = stage(feature("data", 3, 6, 5), "tanh", layers)
    told = {"confidenceInputFeatureName": "tanh", "coordinatesInputFeatureName": "ReLU"}
    graph, found = run(tmp_path, pipeline(network, encoded("Model", suppression=told), outputs=["boxes"]), X)
    np.testing.assert_allclose(found["tanh"], np.tanh(X), rtol=1e-6)
    assert found["ReLU"].min() == 0 and any("overlapping boxes" in note for note in graph.notes)


def test_other_models_of_a_pipeline_are_refused_by_name(tmp_path):
    network = stage(feature("data", 3, 6, 5), "1", [])
    with pytest.raises(Refusal, match="stage part1 is an ensemble of trees"):
        run(tmp_path, pipeline(network, encoded("Model", treeEnsembleClassifier={}), outputs=["1"]), X)
    with pytest.raises(Refusal, match=r"stage part0 is Apple's own feature print.*not in the file"):
        run(tmp_path, pipeline(encoded("Model", featurePrint={}), network, outputs=["1"]), X)
    inner = stage(feature("1", 3, 6, 5), "2", [], [{"featureName": "1", "scaler": {"channelScale": 2.0}}])
    with pytest.raises(Refusal, match="changes pictures between"):
        run(tmp_path, pipeline(network, inner, outputs=["2"]), X)
    with pytest.raises(InputError, match="'other', which no stage makes"):
        run(tmp_path, pipeline(network, stage(feature("other", 4), "2", []), outputs=["2"]), X)


def test_damaged_files_are_errors(damage, tmp_path):
    dense = dict(inputChannels=90, outputChannels=4, weights=one(drawn(4, 90)))
    path = tmp_path / "net.mlmodel"
    path.write_bytes(model(("act", "activation", {"ReLU": {}}), ("fc", "innerProduct", dense), ("soft", "softmax", {})))
    damage(path, lambda: read_coreml(path), any_bytes=True)
