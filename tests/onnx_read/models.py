"""Small ONNX models, made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from netglot.dialects.onnx.read import read_model
from netglot.formats.onnx_file import read_proto
from netglot.pivot.evaluate import evaluate
from netglot.pivot.graph import Graph

FLOAT = TensorProto.FLOAT


def model(nodes: list, inputs: dict, outputs: list, weights: dict | None = None, opset: int = 18, **more) -> Any:
    """A model; `inputs` are shapes of floats, or a dtype with a shape."""
    kinds = {name: kind if isinstance(kind, tuple) else (FLOAT, kind) for name, kind in inputs.items()}
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, code, shape) for name, (code, shape) in kinds.items()],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in (weights or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, **more)


def node(kind: str, inputs: str, outputs: str, **attributes) -> Any:
    """A node; names are separated by blanks."""
    return helper.make_node(kind, inputs.split(), outputs.split(), **attributes)


def graph_of(proto: Any, **more) -> Graph:
    """The model as a graph."""
    return read_model(read_proto(proto), **more)


def result(graph: Graph, *arrays: np.ndarray) -> Any:
    """What a graph computes."""
    return evaluate(graph, {value.name: array for value, array in zip(graph.inputs, arrays, strict=True)})


def op_names(graph: Graph) -> list[str]:
    """The ops of a graph in order."""
    return [type(node.op).__name__ for node in graph.nodes]
