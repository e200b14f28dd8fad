"""Reading ONNX models: sizes followed, branches and loops opened, functions inlined, names kept."""

import inspect
import math
import re

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
from onnx import TensorProto, helper
from tests.onnx_read.models import FLOAT, graph_of, model, node, op_names, result

from netglot.dialects.onnx.attributes import defaults_of, schema_of
from netglot.dialects.onnx.common import decimal
from netglot.dialects.onnx.dialect import onnx as dialect
from netglot.errors import InputError, UnsupportedOps
from netglot.frontend.inputs import InputSpec, parse_inputs
from netglot.pivot import ops

INTS = TensorProto.INT64


def test_a_chain_of_shapes_becomes_one_reshape_with_an_open_batch():
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "s zero", "b", axis=0),
        node("Unsqueeze", "b axis", "b1"),
        node("Concat", "b1 rest", "shape", axis=0),
        node("Reshape", "x shape", "y"),
    ]
    weights = {"zero": np.int64(0), "axis": np.array([0]), "rest": np.array([-1])}
    graph = graph_of(model(nodes, {"x": ["batch", 3, 4]}, ["y"], weights))
    assert op_names(graph) == ["Reshape"]
    assert str(graph.output.type) == "float32[B, 12]"
    assert result(graph, np.zeros((5, 3, 4), "float32")).shape == (5, 12)


def test_a_size_that_is_scaled_and_rounded_stays_symbolic():
    nodes = [
        node("Shape", "x", "s", start=2, end=3),
        node("Cast", "s", "f", to=FLOAT),
        node("Mul", "f half", "g"),
        node("Floor", "g", "h"),
        node("Cast", "h", "i", to=INTS),
        node("Slice", "x zero i axis", "y"),
    ]
    weights = {"half": np.float32([0.5]), "zero": np.array([0]), "axis": np.array([2])}
    graph = graph_of(model(nodes, {"x": [1, 2, "H"]}, ["y"], weights))
    assert result(graph, np.zeros((1, 2, 7), "float32")).shape == (1, 2, 3)


def test_a_known_condition_chooses_and_one_on_data_chooses_between_results():
    then = helper.make_graph([node("Relu", "x", "a")], "t", [], [helper.make_tensor_value_info("a", FLOAT, None)])
    other = helper.make_graph([node("Neg", "x", "b")], "e", [], [helper.make_tensor_value_info("b", FLOAT, None)])
    branch = node("If", "c", "y", then_branch=then, else_branch=other)
    known = graph_of(model([branch], {"x": [3]}, ["y"], {"c": np.array(False)}))
    assert op_names(known) == ["Negative"]
    asked = graph_of(model([branch], {"x": [3], "c": (TensorProto.BOOL, [])}, ["y"]))
    x = np.float32([-1, 0, 2])
    assert np.array_equal(result(asked, x, np.array(True)), np.maximum(x, 0))
    assert np.array_equal(result(asked, x, np.array(False)), -x)


def test_a_loop_of_known_length_is_unrolled():
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [node("Add", "h x", "h1"), node("Identity", "go", "go1"), node("Identity", "h1", "seen")],
        "body",
        [value("i", INTS, []), value("go", TensorProto.BOOL, []), value("h", FLOAT, [2])],
        [value("go1", TensorProto.BOOL, []), value("h1", FLOAT, [2]), value("seen", FLOAT, [2])],
    )
    weights = {"n": np.int64(3), "go0": np.array(True), "h0": np.float32([1, 1])}
    graph = graph_of(model([node("Loop", "n go0 h0", "last all", body=body)], {"x": [2]}, ["last", "all"], weights))
    found = result(graph, np.float32([1, 2]))
    assert np.array_equal(found["last"], [4, 7])
    assert np.array_equal(found["all"], [[2, 3], [3, 5], [4, 7]])


def test_a_function_of_the_model_is_a_module():
    function = helper.make_function(
        "own",
        "Scaled",
        ["x"],
        ["y"],
        [node("Mul", "x x", "s"), helper.make_node("LeakyRelu", ["s"], ["y"])],
        [helper.make_opsetid("", 18)],
        ["alpha"],
    )
    reference = helper.make_attribute("alpha", 0.0)
    reference.ref_attr_name = "alpha"
    reference.ClearField("f")
    function.node[1].attribute.append(reference)
    call = helper.make_node("Scaled", ["x"], ["y"], "first", domain="own", alpha=0.25)
    made = model([call], {"x": [3]}, ["y"], functions=[function])
    made.opset_import.append(helper.make_opsetid("own", 1))
    graph = graph_of(made)
    assert [n.path for n in graph.nodes] == ["first", "first"]
    assert graph.nodes[1].op.slope == 0.25


def test_all_unknown_operators_are_told_at_once():
    nodes = [node("Relu", "x", "a"), node("Nonsense", "a", "b"), node("Einstein", "x", "c"), node("Add", "b c", "y")]
    with pytest.raises(UnsupportedOps) as caught:
        graph_of(model(nodes, {"x": [3]}, ["y"]))
    assert [r.what for r in caught.value.refused] == ["Nonsense", "Einstein"]


def test_unknown_operators_behind_unknown_ones_are_told_too():
    nodes = [
        node("Nonsense", "x", "a"), node("Relu", "a", "b"), node("Einstein", "b", "c"),
        helper.make_node("Conv", ["c", "w"], ["y"], domain="com.microsoft.nchwc"),
    ]  # fmt: skip
    made = model(nodes, {"x": [3]}, ["y"], {"w": np.zeros(3, "float32")})
    made.opset_import.append(helper.make_opsetid("com.microsoft.nchwc", 1))
    with pytest.raises(UnsupportedOps, match="laid out for the processor") as caught:
        graph_of(made)
    assert [r.what for r in caught.value.refused] == ["Nonsense", "Einstein", "com.microsoft.nchwc.Conv"]


@pytest.mark.parametrize(
    "broken, words",
    [
        (node("Conv", "x w", "y", kernel_shape=[5, 5]), "kernel_shape"),
        (node("Softmax", "x", "y", axis=9), "axis"),
        (node("Softmax", "x", "y", axes=1), "axes"),
        (node("Relu", "nowhere", "y"), "nowhere"),
        (node("Transpose", "x", "y", perm=[0, 0, 1, 2]), "order"),
        (node("Add", "x", "y"), "input size 1"),
    ],
    ids=lambda one: one.op_type if hasattr(one, "op_type") else "",
)
def test_an_invalid_node_is_named(broken, words):
    made = model([broken], {"x": [1, 2, 4, 4]}, ["y"], {"w": np.zeros((2, 2, 3, 3), "float32")})
    with pytest.raises(InputError, match=words) as caught:
        graph_of(made)
    assert broken.op_type in str(caught.value)


def test_an_input_that_decides_about_shapes_is_asked_for_and_taken():
    made = model([node("Reshape", "x s", "y")], {"x": [6], "s": (INTS, [2])}, ["y"])
    with pytest.raises(UnsupportedOps) as caught:
        graph_of(made)
    assert "give fixed values to the inputs s" in str(caught.value)
    given = parse_inputs({"x": InputSpec((6,)), "s": InputSpec((2,), "int64", example=np.array([2, 3]))})
    graph = graph_of(made, inputs=given)
    assert [v.name for v in graph.inputs] == ["x"]
    assert graph.output.shape == (2, 3)
    assert any("s" in note for note in graph.notes)


def test_weights_are_parameters_under_their_names_and_statistics_are_not_trained():
    names = "w scale shift mean var"
    weights = {n: np.ones(2, "float32") for n in names.split()[1:]} | {"w": np.ones((2, 3, 1, 1), "float32")}
    norm = node("BatchNormalization", "a scale shift mean var", "b")
    nodes = [node("Conv", "x w", "a"), norm, node("Mul", "b k", "y")]
    graph = graph_of(model(nodes, {"x": [1, 3, 4, 4]}, ["y"], weights | {"k": np.float32(0.1)}))
    kinds = {name: (p.kind, p.trainable) for name, p in graph.parameters.items()}
    assert kinds["w"] == kinds["scale"] == kinds["shift"] == ("parameter", True)
    assert kinds["mean"] == kinds["var"] == ("buffer", False)
    assert graph.nodes[-1].op.y == 0.1  # and not 0.10000000149


def test_numbers_are_read_as_they_were_meant():
    assert decimal(np.float32(0.1)) == 0.1
    assert decimal(np.float32(1e-5)) == 1e-5
    assert decimal(np.float32(math.sqrt(0.5))) == pytest.approx(math.sqrt(0.5), rel=1e-15)
    assert decimal(np.float32(-1 / 3)) == -1 / 3
    assert decimal(np.float32(0.7654321)) == float(str(np.float32(0.7654321)))


def test_readers_have_the_names_and_defaults_of_the_standard():
    known: dict[str, set] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        known.setdefault(schema.name, set()).update(schema.attributes)
    wrong = []
    for spelling, reader in dialect.readers.items():
        name, _, version = spelling.rpartition("-")
        if "." in name or schema_of("", name, int(version)) is None:
            continue
        defaults = defaults_of("", name, int(version))
        for parameter in inspect.signature(reader).parameters.values():
            if parameter.kind is not parameter.KEYWORD_ONLY or parameter.name == "outputs":
                continue
            if parameter.name not in known[name] | {"consumed_inputs", "broadcast", "axis"}:
                wrong.append(f"{spelling} has no {parameter.name}")
            if parameter.name in defaults and not _alike(parameter.default, defaults[parameter.name]):
                wrong.append(f"{spelling}: {parameter.name} is {parameter.default} and not {defaults[parameter.name]}")
    assert wrong == ["GRU-1: direction is forward and not foward"]  # the standard's own slip


def _alike(held, default):
    if isinstance(held, tuple):
        return list(held) == default
    if isinstance(held, float):
        return abs(held - default) <= 1e-6 * abs(default)
    return held is None or held == default


def test_every_operator_is_read_refused_or_defined_by_others():
    from netglot.dialects.onnx.control import STRUCTURAL

    read = {spelling.rpartition("-")[0] for spelling in dialect.readers}
    blank = [
        schema.name
        for schema in onnx.defs.get_all_schemas()
        if schema.domain == ""
        and schema.name not in read | set(dialect.unread) | set(STRUCTURAL)
        and not (schema.has_function or schema.has_context_dependent_function)
    ]
    assert not blank


def test_a_light_network_comes_out_as_classes():
    parts = []
    for i in range(3):
        parts += [
            helper.make_node("Conv", [f"h{i}", f"w{i}"], [f"c{i}"], f"/layers/layers.{i}/conv/Conv", pads=[1] * 4),
            helper.make_node("Relu", [f"c{i}"], [f"r{i}"], f"/layers/layers.{i}/act/Relu"),
            helper.make_node("Add", [f"r{i}", f"h{i}"], [f"h{i + 1}"], f"/layers/layers.{i}/Add"),
        ]
    weights = {f"w{i}": np.ones((4, 4, 3, 3), "float32") for i in range(3)}
    made = model(parts, {"h0": ["N", 4, 8, 8]}, ["h3"], weights)
    graph = graph_of(made)
    assert [n.path for n in graph.nodes][:3] == ["layers.0.conv", "layers.0.act", "layers.0"]
    assert graph.modules["layers"].container == "sequential"
    assert isinstance(graph.nodes[0].op, ops.Conv)


def test_the_lowest_number_stays_one_of_single_precision():
    lowest = np.finfo("float32").min
    graph = graph_of(model([node("Max", "x c", "y")], {"x": ["N", 3]}, ["y"], {"c": np.float32(lowest)}))
    assert float(lowest) in [one for n in graph.nodes for one in n.op.operands() if isinstance(one, float)]


def test_values_take_no_names_of_what_the_source_calls(tmp_path):
    from netglot.dialects.keras.write import write as write_keras
    from netglot.dialects.torch.write import write as write_torch

    resized = {"mode": "linear", "coordinate_transformation_mode": "asymmetric"}
    parts = [
        node("Relu", "F", "torch"),
        node("Softplus", "torch", "layers"),
        node("Resize", "layers  scales", "resize", **resized),
        node("Resize", "resize  scales", "resize_", **resized),
        node("Add", "resize_ resize_", "y"),
    ]
    parts[2].input[:] = ["layers", "", "scales"]
    parts[3].input[:] = ["resize", "", "scales"]
    scales = {"scales": np.array([1, 1, 2, 2], "float32")}
    graph = graph_of(model(parts, {"F": ["N", 3, 8, 8]}, ["y"], scales))
    assert "F.relu(F_)" in write_torch(graph).source
    graph = graph_of(model(parts, {"F": ["N", 3, 8, 8]}, ["y"], scales))
    assert not re.search(r"^ *(resize|layers) = ", write_keras(graph).source, re.M)


def test_the_smaller_of_two_sizes_is_asked_of_keras():
    from netglot.dialects.keras.write import write as write_keras

    parts = [
        node("Shape", "ids", "shape", start=1, end=2),
        node("Slice", "table zero shape one", "rows"),
        node("Concat", "rows rows", "twice", axis=1),
    ]
    held = {"table": np.ones((1, 32), "float32"), "zero": np.array([0]), "one": np.array([1])}
    graph = graph_of(model(parts, {"ids": (TensorProto.INT64, ["N", "T"])}, ["twice"], held))
    source = write_keras(graph).source
    assert "min(" not in source
