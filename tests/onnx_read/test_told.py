"""What an exporter tells of the tensors in a file."""

import numpy as np
import pytest

pytest.importorskip("onnx")

from onnx import TensorProto, helper
from tests.onnx_read.models import graph_of, model, node, op_names

from netglot.passes.patterns import raise_patterns

KIND = "pkg.torch.export.graph_signature.InputSpec.kind"
FOLDED = "pkg.onnxscript.optimizer.folded_from"


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        (KIND, "PARAMETER", "parameter"),
        (KIND, "BUFFER", "buffer"),
        (KIND, "CONSTANT_TENSOR", "constant"),
        (FOLDED, "['arange', 'val_3', 'mul_2']", "constant"),
        (FOLDED, "['table', 'val_3']", "parameter"),
        (FOLDED, "['net.0.weight', 'permute']", "parameter"),
        (FOLDED, "__import__('os')", "parameter"),
        ("other", "BUFFER", "parameter"),
    ],
)
def test_buffers_and_computed_tensors_are_not_trained(key, value, kind):
    proto = model([node("Mul", "x w", "y")], {"x": ["N", 3]}, ["y"], {"w": np.float32([1, 2, 3])})
    info = helper.make_tensor_value_info("w", TensorProto.FLOAT, [3])
    entry = info.metadata_props.add()
    entry.key, entry.value = key, value
    proto.graph.value_info.append(info)
    (made,) = graph_of(proto).parameters.values()
    assert (made.kind, made.trainable) == (kind, kind == "parameter")


def test_an_instance_norm_of_ones_takes_the_scale_behind_it():
    weights = {"ones": np.ones(3, "float32"), "zeros": np.zeros(3, "float32")}
    weights |= {"s": np.float32([[[1], [2], [3]]]), "b": np.float32([[[4], [5], [6]]])}
    nodes = [
        node("InstanceNormalization", "x ones zeros", "n"),
        node("Mul", "n s", "m"),
        node("Add", "m b", "y"),
    ]
    graph = graph_of(model(nodes, {"x": ["N", 3, 5]}, ["y"], weights))
    assert {name for name in op_names(raise_patterns(graph)) if name != "Reshape"} == {"InstanceNorm"}
