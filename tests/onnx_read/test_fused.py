"""Operators that onnxruntime's optimiser fuses, beside onnxruntime itself."""

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from tests.onnx_read.models import graph_of, result

RANDOM = np.random.default_rng(0)
CODES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "int32": TensorProto.INT32}


def drawn(*shape):
    return RANDOM.normal(0, 0.5, shape).astype("float32")


def fused(kind, inputs, weights, order, outputs=("y",), **attributes):
    """A model of one operator of com.microsoft; `order` names its inputs, with _ for those left out."""
    names = ["" if name == "_" else name for name in order.split()]
    step = helper.make_node(kind, names, list(outputs), domain="com.microsoft", **attributes)
    graph = helper.make_graph(
        [step],
        "graph",
        [helper.make_tensor_value_info(n, CODES[str(a.dtype)], a.shape) for n, a in inputs.items()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs if n],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def compare(proto, inputs):
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    wanted = session.run(None, inputs)
    made = result(graph_of(proto), *inputs.values())
    made = list(made.values()) if isinstance(made, dict) else [made]
    for one, other in zip(made, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)


def angles(length=16, half=4):
    table = np.outer(np.arange(length), 1 / 10 ** np.arange(half)).astype("float32")
    return {"cos": np.cos(table), "sin": np.sin(table)}


@pytest.mark.parametrize("interleaved", [0, 1])
@pytest.mark.parametrize("positions", [np.array([3]), np.array([[0, 1, 2, 3, 4], [4, 5, 6, 7, 9]])], ids=["one", "all"])
@pytest.mark.parametrize("flat", [True, False])
def test_rotary_embeddings(interleaved, positions, flat):
    inputs = {"x": drawn(2, 5, 24) if flat else drawn(2, 3, 5, 8), "p": positions.astype("int64")}
    proto = fused("RotaryEmbedding", inputs, angles(), "x p cos sin", interleaved=interleaved)
    compare(proto, inputs)


def test_rotary_embeddings_of_a_part_of_each_head():
    inputs = {"x": drawn(2, 5, 36), "p": np.array([0], "int64")}
    proto = fused("RotaryEmbedding", inputs, angles(), "x p cos sin", num_heads=3, rotary_embedding_dim=8)
    compare(proto, inputs)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("rotary", [0, 1])
def test_attention_whose_heads_share_keys(packed, rotary):
    whole = drawn(2, 5, 128)
    inputs = {"q": whole} if packed else {"q": whole[..., :64], "k": whole[..., 64:96], "v": whole[..., 96:]}
    weights = {"ends": np.full(2, 4, "int32"), "total": np.int32(5)} | angles(half=8)
    order = ("q _ _" if packed else "q k v") + " _ _ ends total" + (" cos sin" if rotary else "")
    outputs = ("y", "key", "value")
    proto = fused("GroupQueryAttention", inputs, weights, order, outputs, num_heads=4, kv_num_heads=2, do_rotary=rotary)
    compare(proto, inputs)


def test_embeddings_that_are_added_and_normed():
    inputs = {"i": RANDOM.integers(0, 9, (2, 5)).astype("int32"), "s": RANDOM.integers(0, 2, (2, 5)).astype("int32")}
    inputs["m"] = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], "int32")
    weights = {"w": drawn(9, 8), "p": drawn(7, 8), "t": drawn(2, 8), "g": drawn(8), "b": drawn(8)}
    proto = fused("EmbedLayerNormalization", inputs, weights, "i s w p t g b m", ("y", "n"), epsilon=1e-5)
    proto.graph.output[1].type.tensor_type.elem_type = TensorProto.INT32
    compare(proto, inputs)


@pytest.mark.parametrize("mask", ["lengths", "keys", None])
def test_attention_with_its_projections(mask):
    inputs = {"x": drawn(2, 5, 12)}
    if mask:
        kept = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], "int32")
        inputs["m"] = kept if mask == "keys" else kept.sum(1).astype("int32")
    weights = {"w": drawn(12, 36), "b": drawn(36)}
    compare(fused("Attention", inputs, weights, "x w b" + (" m" if mask else ""), num_heads=3), inputs)


@pytest.mark.parametrize("heads", [True, False])
def test_attention_of_three_tensors(heads):
    inputs = {"q": drawn(2, 5, 12)}
    inputs |= (
        {"k": drawn(2, 3, 7, 4), "v": drawn(2, 3, 7, 4)} if heads else {"k": drawn(2, 7, 12), "v": drawn(2, 7, 12)}
    )
    weights = {} if heads else {"b": drawn(36)}
    compare(fused("MultiHeadAttention", inputs, weights, "q k v" + " b" * (not heads), num_heads=3), inputs)


@pytest.mark.parametrize("packed", ["qkv", "kv"])
def test_packed_attention_is_that_of_its_parts(packed):
    q, k, v = (drawn(2, 5, 3, 4) for _ in range(3))
    apart = {name: one.reshape(2, 5, 12) for name, one in zip("qkv", (q, k, v), strict=True)}
    wanted = result(graph_of(fused("MultiHeadAttention", apart, {}, "q k v", num_heads=3)), *apart.values())
    given = {"q": np.stack([q, k, v], 3)} if packed == "qkv" else {"q": apart["q"], "k": np.stack([k, v], 3)}
    made = result(graph_of(fused("MultiHeadAttention", given, {}, " ".join(given), num_heads=3)), *given.values())
    np.testing.assert_allclose(made, wanted)


@pytest.mark.parametrize("last", [0, 1])
def test_group_norm_is_that_of_the_standard(last):
    x, gamma, beta = drawn(2, 6, 3, 5), drawn(6), drawn(6)
    given = {"x": x.transpose(0, 2, 3, 1) if last else x}
    proto = fused("GroupNorm", given, {"g": gamma, "b": beta}, "x g b", groups=3, activation=1, channels_last=last)
    made = result(graph_of(proto), *given.values())
    groups = x.reshape(2, 3, -1).astype("float64")
    wanted = (groups - groups.mean(2, keepdims=True)) / np.sqrt(groups.var(2, keepdims=True) + 1e-5)
    wanted = wanted.reshape(x.shape) * gamma[:, None, None] + beta[:, None, None]
    wanted = wanted / (1 + np.exp(-wanted))
    np.testing.assert_allclose(made, wanted.transpose(0, 2, 3, 1) if last else wanted, rtol=1e-5, atol=1e-6)


def cached(time=1, held=3):
    return {
        "q": drawn(2, time, 64), "k": drawn(2, time, 32), "v": drawn(2, time, 32), "pk": drawn(2, 2, held, 16),
        "pv": drawn(2, 2, held, 16),
    }  # fmt: skip


@pytest.mark.parametrize("rotary", [False, True])
@pytest.mark.parametrize("window", [-1, 2])
@pytest.mark.parametrize("lengths", [(3, 3), (3, 1)], ids=["alike", "apart"])
def test_grouped_attention_goes_on_from_a_cache(rotary, window, lengths):
    inputs = cached()
    weights = {"ends": np.array(lengths, "int32"), "total": np.int32(4)} | (angles(half=8) if rotary else {})
    order = "q k v pk pv ends total" + " cos sin" * rotary
    options = {"num_heads": 4, "kv_num_heads": 2, "local_window_size": window, "do_rotary": int(rotary)}
    proto = fused("GroupQueryAttention", inputs, weights, order, outputs=("y", "a", "b"), **options)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    wanted = session.run(None, inputs)
    made = list(result(graph_of(proto), *inputs.values()).values())
    np.testing.assert_allclose(made[0], wanted[0], rtol=2e-4, atol=2e-5)
    for one, other in zip(made[1:], wanted[1:], strict=True):
        assert one.shape == other.shape
        for i, count in enumerate(lengths):  # what follows has no meaning
            np.testing.assert_allclose(one[i, :, : count + 1], other[i, :, : count + 1], rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("causal", [0, 1])
def test_attention_of_all_heads_goes_on_from_a_cache(causal):
    inputs = {name: drawn(2, 2, 16) for name in "qkv"} | {name: drawn(2, 2, 3, 8) for name in ("pk", "pv")}
    options = {"num_heads": 2, "unidirectional": causal, "outputs": ("y", "a", "b")}
    compare(fused("MultiHeadAttention", inputs, {}, "q k v _ _ _ pk pv", **options), inputs)


@pytest.mark.parametrize("causal", [0, 1])
def test_attention_with_its_projections_goes_on_from_a_cache(causal):
    inputs = {"x": drawn(2, 2, 16), "past": drawn(2, 2, 2, 3, 8)}
    weights = {"w": drawn(16, 48), "b": drawn(48)}
    options = {"num_heads": 2, "unidirectional": causal, "outputs": ("y", "present")}
    compare(fused("Attention", inputs, weights, "x w b _ past", **options), inputs)


@pytest.mark.parametrize(
    ("kind", "shape", "weights", "attributes"),
    [
        ("Range", (5,), {"a": np.float32(0), "b": np.float32(5), "c": np.float32(1)}, {}),
        ("Pad", (2, 3), {"p": np.array([0, 1, 0, 2])}, {}),
        ("Trilu", (4, 4), {}, {"upper": 0}),
        ("ExpandDims", (2, 3), {"a": np.array(-1, "int32")}, {}),
        ("Inverse", (2, 3, 3), {}, {}),
    ],
)
def test_operators_that_the_standard_gained_later(kind, shape, weights, attributes):
    inputs = {"x": np.random.default_rng(0).standard_normal(shape).astype("float32")}
    known = {name: np.asarray(held) for name, held in weights.items()}
    if kind == "Range":  # of numbers alone; the input is added so that there is one
        proto = fused(kind, inputs, known, "a b c", ("r",))
        proto.graph.node.append(helper.make_node("Add", ["r", "x"], ["y"]))
        proto.graph.output[0].name = "y"
    else:
        proto = fused(kind, inputs, known, " ".join(["x", *known]), **attributes)
    compare(proto, inputs)
