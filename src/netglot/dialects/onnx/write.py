"""From a graph to an ONNX model."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import netglot.dialects.onnx.ops
import netglot.dialects.onnx.write_ops  # noqa: F401  (fills the dialect)
from netglot.dialects.onnx.attributes import code_of
from netglot.dialects.onnx.dialect import onnx
from netglot.dialects.onnx.emit import Emitter
from netglot.dialects.onnx.versions import chosen, file_version, opset, writing
from netglot.errors import Refusal, never
from netglot.formats.onnx_save import Weight, save
from netglot.passes.canonical import canonicalise
from netglot.passes.fold import fold
from netglot.passes.layout import Arranged, arrange
from netglot.passes.patterns import raise_patterns
from netglot.passes.raising import raise_ops
from netglot.pivot.dims import Dim
from netglot.pivot.evaluate import evaluate_op
from netglot.pivot.graph import Graph, Parameter, Value
from netglot.pivot.op import type_of
from netglot.pivot.storage import Stretch
from netglot.source.module_file import TargetVariable

FROZEN = "netglot.frozen"
"""The entry of the model's metadata that lists initialisers which are not trained: statistics, and frozen weights."""


@dataclass
class _Style:
    unknown: list[str] = field(default_factory=list)


@dataclass
class _Outline:
    """What the report asks of a writer: the dialect, and what is not known of initialisers, which ONNX has not."""

    dialect: Any = field(default_factory=lambda: onnx)
    style: _Style = field(default_factory=_Style)


@dataclass
class Written:
    """A model without its weights, and how each of them is made."""

    proto: Any
    weights: list[Weight]
    arranged: Arranged
    variables: list[TargetVariable]
    class_name: str
    names: dict[Value, str]
    opset: int
    source: str = ""
    outline: _Outline = field(default_factory=_Outline)


def write(
    graph: Graph, *, keep_layout: bool = False, exact_training: bool = False, opset: int | None = None
) -> Written:
    """Writes `graph` as an ONNX model, of version `opset` of the standard's operators.

    Raises:
        RequestError: there is no such version.
        UnsupportedOps: everything that ONNX cannot express.
    """
    with writing(chosen(opset)):
        return _write(graph, keep_layout)


def _write(graph: Graph, keep_layout: bool) -> Written:
    if not graph.outputs:
        raise Refusal(never("a model of ONNX has a result, and this network has none"))
    source = raise_ops(raise_patterns(canonicalise(fold(canonicalise(graph)))))
    arranged = arrange(source, onnx.layouts, keep_interface=keep_layout)
    arranged.graph = canonicalise(arranged.graph)
    emitter = Emitter(arranged.graph)
    emitter.run()
    names = emitter.name_outputs([name for name, _ in graph.outputs], [v for _, v in arranged.graph.outputs])
    proto = _model(arranged.graph, emitter, names)
    weights = [Weight(name, type_of(recipe), _loader(recipe)) for name, recipe in emitter.weights.items()]
    variables = [
        TargetVariable(
            name, name, recipe, emitter.trainable(recipe), "parameter" if emitter.trainable(recipe) else "buffer"
        )
        for name, recipe in emitter.weights.items()
        if emitter.belongs(recipe)
    ]
    return Written(proto, weights, arranged, variables, graph.name, emitter.names, opset())


def _loader(recipe: Any):
    if isinstance(recipe, Parameter) and isinstance(recipe.load, Stretch):
        return recipe.load

    def load() -> np.ndarray:
        made = recipe.load() if isinstance(recipe, Parameter) else evaluate_op(recipe)
        return np.asarray(made[0] if isinstance(made, tuple) else made)

    return load


def _model(graph: Graph, emitter: Emitter, outputs: list[str]) -> Any:
    from onnx import helper

    made = helper.make_graph(
        emitter.nodes,
        graph.name,
        [_info(emitter.names[value], value) for value in graph.inputs],
        [_info(name, value) for name, (_, value) in zip(outputs, graph.outputs, strict=True)],
        doc_string="",
    )
    model = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", opset())],
        ir_version=file_version(opset()),
        producer_name="netglot",
    )
    frozen = [n for n, r in emitter.weights.items() if emitter.belongs(r) and not emitter.trainable(r)]
    if frozen:
        helper.set_model_props(model, {FROZEN: json.dumps(frozen)})
    return model


def _info(name: str, value: Value) -> Any:
    from onnx import helper

    shape = [str(size) if isinstance(size, Dim) else int(size) for size in value.shape]
    return helper.make_tensor_value_info(name, code_of(value.dtype), shape)


def save_weights(written: Written, path: str | Path) -> None:
    """Writes the model with its weights, one of them in memory at a time."""
    save(written.proto, written.weights, Path(path))


def trace(written: Written) -> tuple[str, dict[str, tuple[int, ...]]]:
    """The tensors of the model that stand for values of the source, as JSON, and the order of axes of each."""
    found, orders = {}, {}
    for old, (new, order) in written.arranged.moved.items():
        if not isinstance(new, Parameter) and new in written.names:
            found[old.name] = written.names[new]
            orders[old.name] = order
    return json.dumps(found), orders


__all__ = ["Written", "save_weights", "trace", "write"]
