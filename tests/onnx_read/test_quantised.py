"""Quantised operators of onnxruntime, beside onnxruntime itself; and how quantised networks come out."""

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from tests.onnx_read.models import graph_of, result

from netglot.pivot import ops

CODES = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8, "int8": TensorProto.INT8, "bool": TensorProto.BOOL}


def stored(*shape, dtype="uint8", seed=0):
    limits = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(limits.min, limits.max + 1, shape).astype(dtype)


def model(steps, inputs, weights, kind="uint8"):
    """A model of nodes, each `(operator, domain, its inputs, attributes)`; the last gives `y`."""
    nodes = [
        helper.make_node(name, order.split(), ["y" if i == len(steps) - 1 else f"t{i}"], domain=domain, **attributes)
        for i, (name, domain, order, attributes) in enumerate(steps)
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(n, CODES[str(a.dtype)], a.shape) for n, a in inputs.items()],
        [helper.make_tensor_value_info("y", CODES[kind], None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def compare(proto, inputs, share=0.01):
    """Equal, but for one in a hundred numbers that may be a step apart."""
    plain = onnxruntime.SessionOptions()  # its optimiser rounds inputs where weights have few bits
    plain.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(proto.SerializeToString(), plain, providers=["CPUExecutionProvider"])
    (wanted,) = session.run(None, inputs)
    graph = graph_of(proto)
    made = result(graph, *inputs.values())
    assert made.dtype == wanted.dtype
    if made.dtype.kind == "f":
        np.testing.assert_allclose(made, wanted, rtol=1e-4, atol=1e-4)
    else:
        gap = np.abs(made.astype(int) - wanted.astype(int))
        assert gap.max() <= 1 and (gap > 0).mean() <= share, gap.max()
    return graph


def scale(number):
    return np.float32(number)


LEVELS = {
    "as": scale(0.02), "az": np.uint8(120), "bs": scale(0.013), "bz": np.uint8(3), "ys": scale(0.021),
    "yz": np.uint8(100),
}  # fmt: skip
CASES = {
    "QLinearAdd": ("a as az b bs bz ys yz", {}),
    "QLinearMul": ("a as az b bs bz ys yz", {}),
    "QLinearSigmoid": ("a as az ys yz", {}),
    "QLinearLeakyRelu": ("a as az ys yz", {"alpha": 0.2}),
    "QLinearSoftmax": ("a as az ys yz", {"axis": -1, "opset": 13}),
    "QLinearGlobalAveragePool": ("a as az ys yz", {}),
    "QLinearAveragePool": ("a as az ys yz", {"kernel_shape": [2, 2], "strides": [2, 1], "pads": [0, 1, 0, 1]}),
    "QLinearConcat": ("ys yz a as az b bs bz", {"axis": 1}),
    "QLinearWhere": ("c a as az b bs bz ys yz", {}),
}


@pytest.mark.parametrize("kind", CASES)
def test_operators_on_stored_numbers(kind):
    order, attributes = CASES[kind]
    inputs = {"a": stored(2, 3, 4, 5), "b": stored(2, 3, 4, 5, seed=1), "c": stored(2, 3, 4, 5) > 128}
    inputs = {name: array for name, array in inputs.items() if name in order.split()}
    share = 0.2 if kind == "QLinearSoftmax" else 0.01  # onnxruntime adds whole numbers of a table of exponentials
    compare(model([(kind, "com.microsoft", order, attributes)], inputs, LEVELS), inputs, share)


@pytest.mark.parametrize("channels", [1, 4])
def test_a_dense_layer_of_stored_numbers_has_weights(channels):
    weights = LEVELS | {
        "b": stored(6, 4, dtype="int8"), "bs": np.linspace(0.01, 0.03, channels).astype("float32"),
        "bz": np.zeros(channels, "int8"), "bias": np.arange(4).astype("int32"),
    }  # fmt: skip
    inputs = {"a": stored(3, 6)}
    proto = model([("QGemm", "com.microsoft", "a as az b bs bz bias ys yz", {})], inputs, weights)
    graph = compare(proto, inputs)
    assert {name: p.kind for name, p in graph.parameters.items()} == {"b": "parameter", "bias": "parameter"}


def test_a_convolution_between_rounded_numbers_rounds_in_one_step():
    weights = LEVELS | {"w": stored(4, 3, 3, 3, dtype="int8"), "ws": scale(0.01), "wz": np.int8(0)}
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 6)).astype("float32")
    proto = model(
        [
            ("QuantizeLinear", "", "x as az", {}),
            ("QLinearConv", "", "t0 as az w ws wz ys yz", {}),
            ("DequantizeLinear", "", "t1 ys yz", {}),
        ],
        {"x": x}, weights, "float32",
    )  # fmt: skip
    graph = compare(proto, {"x": x})
    assert not [node.op for node in graph.nodes if isinstance(node.op, ops.Cast)]
    (conv,) = [node.op for node in graph.nodes if isinstance(node.op, ops.Conv)]
    assert conv.weight.type.dtype == "float32" and conv.weight.trainable


def test_numbers_outside_the_range_of_their_integers_are_not_taken_for_whole():
    """Rounded, but not cut off: storing them wraps round or is cut off, so it must stay."""
    x = np.array([[-3.0, 300.0, 7.6]], "float32")
    nodes = [
        helper.make_node("Round", ["x"], ["r"]),
        helper.make_node("Clip", ["r", "low", "high"], ["c"]),
        helper.make_node("Cast", ["c"], ["i"], to=TensorProto.INT8),
        helper.make_node("Cast", ["i"], ["y"], to=TensorProto.FLOAT),
    ]
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3]) for n in "xy"]
    bounds = [numpy_helper.from_array(np.float32(n), name) for n, name in ((-128.0, "low"), (200.0, "high"))]
    graph = helper.make_graph(nodes, "graph", infos[:1], infos[1:], bounds)
    read = graph_of(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8))
    assert sum(isinstance(node.op, ops.Cast) for node in read.nodes) == 2
    np.testing.assert_array_equal(result(read, x[:, 2:].repeat(3, 1)), [[8.0, 8.0, 8.0]])


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("offset", [False, True])
def test_weights_in_blocks_of_few_bits(bits, offset):
    columns, rows, block = 40, 5, 16
    blocks, packed = 3, block * bits // 8
    weights = {"B": stored(rows, blocks, packed), "scales": np.linspace(0.01, 0.2, rows * blocks).astype("float32")}
    if offset:
        weights["zeros"] = stored(rows * ((blocks * bits + 7) // 8), seed=2)
    x = np.random.default_rng(0).normal(size=(2, 3, columns)).astype("float32")
    order = "x B scales zeros" if offset else "x B scales"
    sizes = {"K": columns, "N": rows, "bits": bits, "block_size": block}
    graph = compare(model([("MatMulNBits", "com.microsoft", order, sizes)], {"x": x}, weights, "float32"), {"x": x})
    (layer,) = [node.op for node in graph.nodes]
    assert isinstance(layer, ops.Linear) and layer.weight.trainable


def _on_the_fly(kind):
    """A layer whose input is rounded as it comes, as dynamic quantisation makes it."""
    weights = {
        "w": stored(4, 3, 3, 3, dtype="int8") if kind == "ConvInteger" else stored(6, 4, dtype="int8"),
        "zero": np.int8(0), "ws": scale(0.01),
    }  # fmt: skip
    shape = (2, 3, 6, 6) if kind == "ConvInteger" else (3, 6)
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        helper.make_node(kind, ["q", "w", "z", "zero"], ["i"]),
        helper.make_node("Cast", ["i"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["s", "ws"], ["factor"]),
        helper.make_node("Mul", ["f", "factor"], ["y"]),
    ]
    infos = [helper.make_tensor_value_info("x", 1, shape), helper.make_tensor_value_info("y", 1, None)]
    held = [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "graph", infos[:1], infos[1:], held)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return proto, np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize("kind", ["ConvInteger", "MatMulInteger"])
def test_layers_that_round_their_input_as_it_comes_stay_in_single_precision(kind):
    proto, x = _on_the_fly(kind)
    graph = compare(proto, {"x": x})
    assert not [value for value in graph.values() if value.dtype in ("float64", "int32", "uint8")]


def test_a_layer_in_double_precision_among_others_says_so():
    import torch

    from netglot.dialects.torch.write import write

    proto, x = _on_the_fly("ConvInteger")
    del proto.graph.node[2:]
    proto.graph.node.append(helper.make_node("Cast", ["i"], ["c"], to=TensorProto.INT64))
    proto.graph.node.append(helper.make_node("Cast", ["c"], ["f"], to=TensorProto.FLOAT))
    proto.graph.node.append(helper.make_node("Conv", ["f", "v"], ["y"]))
    v = np.random.default_rng(1).normal(size=(2, 4, 1, 1)).astype("float32")
    proto.graph.initializer.append(numpy_helper.from_array(v, "v"))
    source = write(graph_of(proto), keep_layout=True).source
    space = {"__file__": "model.py"}
    exec(source, space)
    with torch.no_grad():
        assert space["load"](weights=None)(torch.from_numpy(x)).dtype == torch.float32
    assert source.count("dtype=torch.float64") == 1


@pytest.mark.parametrize("code", [TensorProto.INT4, TensorProto.UINT4])
@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("block", [0, 4])
def test_weights_of_four_bits_are_weights(code, raw, block):
    levels = np.arange(15).reshape(5, 3) - (8 if code == TensorProto.INT4 else 0)
    packed = helper.make_tensor("w", code, levels.shape, levels.reshape(-1).tolist())
    if raw:
        held = np.asarray(packed.int32_data, "uint8").tobytes()
        del packed.int32_data[:]
        packed.raw_data = held
    scales = np.linspace(0.1, 0.2, 6).reshape(2, 3).astype("float32") if block else scale(0.1)
    options = {"axis": 0, "block_size": 4} if block else {}
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s"], ["real"], **options),
        helper.make_node("MatMul", ["x", "real"], ["y"]),
    ]
    infos = [helper.make_tensor_value_info("x", 1, (2, 5)), helper.make_tensor_value_info("y", 1, (2, 3))]
    graph = helper.make_graph(nodes, "graph", infos[:1], infos[1:], [packed, numpy_helper.from_array(scales, "s")])
    x = np.random.default_rng(0).normal(size=(2, 5)).astype("float32")
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    read = compare(proto, {"x": x})
    assert [name for name, p in read.parameters.items() if p.trainable] == ["w"]


def test_integers_of_four_bits_as_such_are_refused():
    from netglot.errors import UnsupportedOps

    zero = helper.make_tensor("z", TensorProto.INT4, (), [1])
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    infos = [helper.make_tensor_value_info(n, 1, (2, 5)) for n in "xy"]
    graph = helper.make_graph(nodes, "graph", infos[:1], infos[1:], [zero, numpy_helper.from_array(scale(0.1), "s")])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    with pytest.raises(UnsupportedOps, match="integers of 2 or 4 bits"):
        graph_of(proto)
