"""Files without names of modules: blocks are found, and named by what they compute or by what weights still tell."""

import numpy as np
import pytest

pytest.importorskip("onnx")

from onnx import helper
from tests.onnx_read.models import graph_of, model, node, result

from netglot.dialects.torch.write import write
from netglot.pivot import ops


class Network:
    """A model under construction, with weights that nobody named."""

    def __init__(self, seed=0):
        self.nodes, self.weights, self.random = [], {}, np.random.default_rng(seed)

    def weight(self, *shape, name=None):
        name = name or str(1000 + len(self.weights))
        self.weights[name] = self.random.normal(0, 0.4, shape).astype("float32")
        return name

    def add(self, kind, *inputs, **attributes):
        made = str(len(self.nodes))
        self.nodes.append(node(kind, " ".join(inputs), made, **attributes))
        return made

    def conv(self, x, inside, outside, size, name=None, stride=1, groups=1):
        names = (f"{name}.weight", f"{name}.bias") if name else (None, None)
        weight = self.weight(outside, inside // groups, size, size, name=names[0])
        bias = self.weight(outside, name=names[1])
        pads = [size // 2] * 4
        return self.add("Conv", x, weight, bias, pads=pads, strides=[stride, stride], group=groups)

    def linear(self, x, inside, outside, name=None):
        names = (f"{name}.weight", f"{name}.bias") if name else (None, None)
        made = self.add("MatMul", x, self.weight(inside, outside, name=names[0]))
        return self.add("Add", made, self.weight(outside, name=names[1]))

    def finish(self, x, shape):
        self.nodes.append(node("Identity", x, "y"))
        return model(self.nodes, {"x": shape}, ["y"], self.weights)


def bottleneck(net, x, inside, width, stride=1, name=None):
    layer = (lambda part: f"{name}.{part}") if name else (lambda part: None)
    inner = net.add("Relu", net.conv(x, inside, width, 1, layer("reduce")))
    inner = net.add("Relu", net.conv(inner, width, width, 3, layer("middle"), stride=stride))
    inner = net.conv(inner, width, 4 * width, 1, layer("widen"))
    if inside != 4 * width:
        x = net.conv(x, inside, 4 * width, 1, layer("shortcut"), stride=stride)
    return net.add("Relu", net.add("Add", inner, x))


def residual(named=False):
    net = Network()
    x = net.add("Relu", net.conv("x", 3, 8, 3, "stem" if named else None))
    inside = 8
    for stage, count in enumerate((2, 3)):
        for block in range(count):
            name = f"body.{stage}.{block}" if named else None
            x = bottleneck(net, x, inside, 4 * 2**stage, 1 + (stage and not block), name)
            inside = 16 * 2**stage
    x = net.add("Flatten", net.add("GlobalAveragePool", x))
    return net.finish(net.linear(x, inside, 5, "head" if named else None), [2, 3, 9, 9])


def modules(graph):
    return {path: module.class_name for path, module in graph.modules.items() if path}


def test_residual_blocks_are_found_in_stages_and_compute_the_same():
    proto = residual()
    graph = graph_of(proto)
    found = modules(graph)
    assert [path for path, name in found.items() if name == "Bottleneck"] == [
        *("stage1.0", "stage1.1", "stage2.0", "stage2.1", "stage2.2")
    ]
    assert {"stage1.0.downsample.weight", "stage2.2.conv3.bias", "conv.weight", "fc.bias"} <= set(graph.parameters)
    assert "stage1.1.downsample.weight" not in graph.parameters

    onnxruntime = pytest.importorskip("onnxruntime")
    x = np.random.default_rng(1).normal(size=(2, 3, 9, 9)).astype("float32")
    wanted = onnxruntime.InferenceSession(proto.SerializeToString()).run(None, {"x": x})[0]
    np.testing.assert_allclose(result(graph, x), wanted, rtol=1e-4, atol=1e-4)

    source = write(graph).source
    assert source.count("class ") == 2 and "downsample=True" in source
    assert "Bottleneck(32, 8) for _ in range(2)" in source or source.count("Bottleneck(32, 8)") == 2


def test_weights_that_are_still_named_name_the_blocks():
    graph = graph_of(residual(named=True))
    assert "middle" in write(graph).source
    names = [name for name in graph.parameters if name.endswith("middle.weight")]
    assert len(names) == 5 and all(name.rsplit(".", 3)[1].isdigit() or "." in name for name in names)
    assert {"stem.weight", "head.bias"} <= set(graph.parameters)


def test_a_branch_without_its_residual_is_the_same_block():
    net = Network()
    x, inside = net.conv("x", 3, 4, 3), 4
    for outside in (6, 6, 8, 8):
        inner = net.add("Relu", net.conv(x, inside, 12, 1))
        inner = net.add("Relu", net.conv(inner, 12, 12, 3, groups=12))
        inner = net.conv(inner, 12, outside, 1)
        x, inside = (inner if inside != outside else net.add("Add", x, inner)), outside
    graph = graph_of(net.finish(x, [1, 3, 8, 8]))
    assert list(modules(graph).values()).count("InvertedResidual") == 4
    assert sum(name.endswith("depthwise.weight") for name in graph.parameters) == 4
    assert write(graph).source.count("class ") == 2


def test_the_layers_of_a_dense_block_take_all_that_came_before():
    net = Network()
    features, width = [net.conv("x", 3, 4, 3)], 4
    for _ in range(4):
        x = net.add("Concat", *features, axis=1) if len(features) > 1 else features[0]
        inner = net.add("Relu", net.conv(x, width, 8, 1))
        features.append(net.add("Relu", net.conv(inner, 8, 4, 3)))
        width += 4
    graph = graph_of(net.finish(net.add("Concat", *features, axis=1), [1, 3, 8, 8]))
    assert list(modules(graph).values()).count("DenseLayer") == 4
    assert write(graph, keep_layout=True).source.count("torch.cat([x, ") == 1


def test_what_every_block_makes_for_itself_without_weights_is_made_once_and_handed_in():
    net = Network()
    x = net.linear("x", 4, 8)
    net.weights["half"] = np.float32(0.5)
    for _ in range(4):
        mask = net.add("ReduceSum", "x", keepdims=1)
        inner = net.add("Relu", net.linear(x, 8, 8))
        inner = net.add("Mul", net.linear(inner, 8, 8), net.add("Mul", mask, "half"))
        x = net.add("Add", x, inner)
    graph = graph_of(net.finish(x, [3, 4]))
    assert [type(node.op).__name__ for node in graph.nodes].count("Sum") == 1
    assert list(modules(graph).values()).count("ResidualBlock") == 4
    source = write(graph).source
    assert "nn.ModuleList" in source and source.count("for ") >= 2


def test_a_decoder_is_taken_apart_though_all_of_it_uses_what_was_encoded():
    net = Network()

    def block(x, other):
        inner = net.add("Relu", net.linear(x, 8, 8))
        return net.add("Add", x, net.add("Mul", net.linear(inner, 8, 8), other))

    memory = net.linear("x", 4, 8)
    for _ in range(3):
        memory = block(memory, memory)
    x = net.linear("x", 4, 8)
    for _ in range(3):
        x = block(x, memory)
    graph = graph_of(net.finish(x, [3, 4]))
    blocks = [path for path, name in modules(graph).items() if name == "ResidualBlock"]
    assert len(blocks) == 6


def test_a_hierarchy_that_the_file_has_is_left_alone():
    net = Network()
    x = "x"
    for place in range(3):
        x = net.linear(x, 4, 4)
        for one in net.nodes[-2:]:
            one.name = f"/trunk/trunk.{place}/{one.op_type}"
    graph = graph_of(net.finish(x, [3, 4]))
    assert {"trunk.0", "trunk.1", "trunk.2"} <= set(modules(graph))
    assert not any("no modules" in note for note in graph.notes)


def scoped(made, *paths):
    """A node with the metadata that PyTorch's newer exporter writes."""
    for key in ("name_scopes", "class_hierarchy"):
        entry = made.metadata_props.add()
        entry.key = f"pkg.torch.onnx.{key}"
        kinds = ["net.Net", *(("torch.nn.modules.container.Sequential", "net.Block")[p.count(".")] for p in paths)]
        entry.value = repr(["", *paths, "x"] if key == "name_scopes" else [*kinds, "aten.x"])
    return made


def test_nodes_that_lost_their_module_stand_with_those_that_use_them():
    weights = {f"w{i}": np.ones((4, 4, 3, 3), "float32") * i for i in range(4)}
    parts, x = [], "x"
    for i in range(4):
        path = f"stage{i // 2}", f"stage{i // 2}.{i % 2}"
        parts.append(node("Split", x, f"a{i} b{i}", axis=1, num_outputs=2))
        parts.append(scoped(node("Concat", f"b{i} a{i}", f"j{i}", axis=1), *path))
        parts.append(scoped(node("Conv", f"j{i} w{i}", f"c{i}", pads=[1] * 4), *path))
        parts.append(scoped(node("Relu", f"c{i}", f"r{i}"), *path))
        x = f"r{i}"
    graph = graph_of(model(parts, {"x": ["N", 4, 8, 8]}, [x], weights))
    assert [n.path for n in graph.nodes] == [f"stage{i // 2}.{i % 2}" for i in range(4) for _ in range(4)]
    assert "nn.Sequential(*[Block() for _ in range(2)])" in write(graph).source


def test_what_stands_between_the_parts_of_a_module_takes_it_apart():
    """The calls of a module may have a node of the network between them, before which one part must run."""
    weights = {f"w{i}": np.ones((4, 4, 3, 3), "float32") for i in range(3)}
    parts = [
        node("Conv", "x w0", "c0", name="/stage/conv0/Conv", pads=[1] * 4),
        node("Split", "c0", "a b", name="/Split", axis=1, num_outputs=2),
        node("Concat", "b a", "j", name="/stage/Concat", axis=1),
        node("Conv", "j w1", "c1", name="/stage/conv1/Conv", pads=[1] * 4),
        node("Relu", "c1", "r", name="/Relu"),
        node("Conv", "r w2", "y", name="/stage/conv2/Conv", pads=[1] * 4),
    ]
    made = model(parts, {"x": ["N", 4, 8, 8]}, ["y"], weights)
    assert write(graph_of(made)).source.count("nn.Conv2d") == 3


def test_norms_without_modules_have_their_own_scale_where_the_file_keeps_one_for_all():
    random = np.random.default_rng(0)
    weights = {"ones": np.ones(3, "float32")}
    nodes, last = [], "x"
    for i in range(2):
        for name in ("offset", "mean", "variance"):
            weights[f"t{name}{i}"] = random.uniform(0.5, 1.5, 3).astype("float32")
        held = f"{last} ones toffset{i} tmean{i} tvariance{i}"
        nodes += [node("BatchNormalization", held, f"n{i}"), node("Relu", f"n{i}", f"r{i}")]
        last = f"r{i}"
    graph = graph_of(model(nodes, {"x": [2, 3, 4, 4]}, [last], weights))
    first, second = (one.op.scale for one in graph.nodes if isinstance(one.op, ops.BatchNorm))
    assert first is not second and first.trainable


def test_a_layer_called_twice_keeps_one_scale():
    weights = {name: np.full(3, value, "float32") for name, value in zip("abcd", (1, 0, 0, 1), strict=True)}
    nodes = [node("BatchNormalization", "x a b c d", "n"), node("BatchNormalization", "n a b c d", "y")]
    graph = graph_of(model(nodes, {"x": [2, 3, 4, 4]}, ["y"], weights))
    first, second = (one.op.scale for one in graph.nodes if isinstance(one.op, ops.BatchNorm))
    assert first is second


def test_the_name_of_a_model_of_tensorflow_is_no_module_and_its_dots_part_nothing():
    """Keras's exporter begins each name with the model's, ends each layer's with the number of the call, and leaves
    nameless what it joined."""
    random = np.random.default_rng(0)
    root, weights, nodes, last = "net_0.35_64_1", {}, [], "x"
    for i in range(3):
        names = [f"{root}/first{i}_1/convolution/merged_input:0", f"{root}/bn{i}_1/batchnorm/sub:0"]
        weights |= {names[0]: random.normal(size=(4, 4, 1, 1)).astype("float32")}
        weights |= {names[1]: random.normal(size=4).astype("float32")}
        conv = helper.make_node("Conv", [last, *names], [f"Conv__{i}:0"], name=f"Conv__{i}")
        relu = helper.make_node("Relu", [f"Conv__{i}:0"], [f"r{i}"], name=f"{root}/relu{i}_1/Relu")
        nodes += [conv, relu]
        last = f"r{i}"
    graph = graph_of(model(nodes, {"x": [2, 4, 5, 5]}, [last], weights))
    assert {node.path for node in graph.nodes} == {f"{word}{i}" for word in ("first", "relu") for i in range(3)}
    assert list(graph.parameters) == [f"first{i}.{role}" for i in range(3) for role in ("weight", "bias")]


def test_biases_that_are_all_zero_are_those_of_their_layers_where_the_file_keeps_one():
    """As PyTorch's exporter leaves a network that was not trained."""
    random, nodes, last = np.random.default_rng(0), [], "x"
    weights = {"embedding.bias": np.zeros(4, "float32")}
    for i in range(3):
        weights[f"w{i}"] = random.normal(size=(4, 4)).astype("float32")
        nodes += [
            helper.make_node("MatMul", [last, f"w{i}"], [f"m{i}"], name=f"/block{i}/fc/MatMul"),
            helper.make_node("Add", ["embedding.bias", f"m{i}"], [f"r{i}"], name=f"/block{i}/fc/Add"),
        ]
        last = f"r{i}"
    graph = graph_of(model(nodes, {"x": [2, 4]}, [last], weights))
    assert {name for name in graph.parameters if name.endswith("bias")} == {f"block{i}.fc.bias" for i in range(3)}


def test_the_turns_of_a_loop_are_calls_of_one_module():
    """What TensorFlow's converters leave of a recurrent layer that they do not know."""
    tensor = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Gather", ["x", "i"], ["step"], "net/rnn/while/read/GatherV2", axis=1),
            helper.make_node("MatMul", ["step", "w"], ["a"], "net/rnn/while/cell/MatMul"),
            helper.make_node("MatMul", ["h", "u"], ["c"], "net/rnn/while/cell/MatMul_1"),
            helper.make_node("Add", ["a", "c"], ["d"], "net/rnn/while/cell/add"),
            helper.make_node("Tanh", ["d"], ["new"], "net/rnn/while/cell/Tanh"),
            helper.make_node("Identity", ["go"], ["on"], "net/rnn/while/Identity"),
        ],
        "body",
        [tensor("i", 7, []), tensor("go", 9, []), tensor("h", 1, ["N", 3])],
        [tensor("on", 9, []), tensor("new", 1, ["N", 3])],
    )
    nodes = [
        helper.make_node("ReduceSum", ["x", "axis"], ["start"], "net/begin/Sum", keepdims=0),
        helper.make_node("MatMul", ["start", "v"], ["h0"], "net/begin/MatMul"),
        helper.make_node("Loop", ["count", "", "h0"], ["out"], "net/rnn/while/loop", body=body),
        helper.make_node("MatMul", ["out", "o"], ["y"], "net/head/MatMul"),
    ]
    random = np.random.default_rng(0)
    weights = {
        n: random.standard_normal(s).astype("float32") for n, s in dict(w=(4, 3), u=(3, 3), v=(4, 3), o=(3, 2)).items()
    }
    proto = model(nodes, {"x": ["N", 5, 4]}, ["y"], weights | {"count": np.array(5), "axis": np.array([1])})
    x = random.standard_normal((2, 5, 4)).astype("float32")
    hidden = x.sum(1) @ weights["v"]
    for step in range(5):
        hidden = np.tanh(x[:, step] @ weights["w"] + hidden @ weights["u"])
    graph = graph_of(proto)
    np.testing.assert_allclose(result(graph, x), hidden @ weights["o"], rtol=1e-5)
    source = write(graph).source
    assert source.count("self.cell(") + source.count(".cell(") >= 5 and source.count("nn.Linear(") == 4, source
