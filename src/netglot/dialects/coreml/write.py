"""From a graph to a `.mlmodel`: a neural network, put together by coremltools' own builder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import netglot.dialects.coreml.ops
import netglot.dialects.coreml.write_ops  # noqa: F401  (fills the dialect)
from netglot.dialects.assembly import identifier
from netglot.dialects.coreml.dialect import coreml
from netglot.dialects.coreml.read import read_coreml
from netglot.dialects.steps import Emitter, WrittenFile, evaluate_recipe, prepared, written_file
from netglot.errors import Refusal, RefusedOp, UnsupportedOps, never, notimpl
from netglot.formats.coreml import read_network
from netglot.formats.patching import patched
from netglot.pivot import ops
from netglot.pivot.dims import Dim, product
from netglot.pivot.graph import Graph, Parameter
from netglot.pivot.op import shape_of

NETWORK = "model.mlmodel"


def write(graph: Graph, *, keep_layout: bool = False, exact_training: bool = False) -> WrittenFile:
    """Writes `graph` as a neural network of Core ML.

    Raises:
        UnsupportedOps: everything that such a network cannot express.
    """
    arranged = prepared(graph, coreml, keep_layout)
    wrong = [
        RefusedOp(value.name, what, never(f"Core ML's neural networks take pictures or vectors, not {value.type}"))
        for what, values in (("an input", arranged.graph.inputs), ("an output", [v for _, v in arranged.graph.outputs]))
        for value in values
        if value.dtype != "float32"
        or len(value.shape) not in (2, 4)
        or any(isinstance(n, Dim) for n in value.shape[1:])
    ]
    if wrong:
        raise UnsupportedOps(wrong, len(graph.nodes), "Core ML")
    emitter = _Emitter(arranged.graph, coreml, input_name=identifier)
    emitter.run()
    returned = emitter.finish()
    shapes = [(emitter.names[v], tuple(int(n) for n in v.shape[1:])) for v in arranged.graph.inputs]
    given = zip(returned, arranged.graph.outputs, strict=True)
    results = [(name, tuple(int(n) for n in v.shape[1:])) for name, (_, v) in given]
    return written_file(emitter, arranged, graph, "", (shapes, results, emitter.layers))


class _Emitter(Emitter):
    """Layers for the builder; weights belong to their layer, by the name of their field."""

    def __init__(self, *given: Any, **known: Any):
        super().__init__(*given, **known)
        self.layers: list[tuple[str, str, list[str], list[str], dict, dict]] = []

    def add(self, call: Any, count: int, dtype: str) -> list[str]:
        inputs = [self.value(one, dtype) for one in call.arguments]
        options = dict(call.options)
        weights, held = options.pop("weights", {}), options.pop("stored", {})
        if not all(self.known(tree) for tree in (*weights.values(), *held.values()) if tree is not None):
            raise Refusal(notimpl("weights that the network computes"))
        name = self.taken.unique(self.step_name(call.function, bool(weights)))
        made = [name] if count == 1 else [self.taken.unique(f"{name}_{i}") for i in range(count)]
        for field, tree in held.items():
            if tree is not None:
                recipe = self.recipe(tree)
                self.weights[f"{name}/{field}"] = ops.Reshape(recipe, (int(product(shape_of(recipe))),))
        given = {key: None if tree is None else self.recipe(tree) for key, tree in weights.items()}
        self.layers.append((call.function, name, inputs, made, options, given))
        return made

    def stored(self, tree: Any, role: str = "") -> str:
        raise Refusal(never("these layers of Core ML join what is computed, and this is known beforehand"))

    def finish(self) -> list[str]:
        """The names of the results: each a tensor of its own."""
        found: list[str] = []
        for name, value in self.graph.outputs:
            held = self.value(value)
            if held in found or value in self.graph.inputs:
                wanted = self.taken.unique(identifier(name))
                told = {"non_linearity": "LINEAR", "params": [1.0, 0.0]}
                self.layers.append(("activation", wanted, [held], [wanted], told, {}))
                held = wanted
            found.append(held)
        return found


def save_weights(written: WrittenFile, path: str | Path) -> None:
    """Builds the specification and writes it."""
    from coremltools.models import datatypes, utils
    from coremltools.models.neural_network import NeuralNetworkBuilder

    inputs, outputs, layers = written.content
    builder = NeuralNetworkBuilder(
        [(name, datatypes.Array(*shape)) for name, shape in inputs],
        [(name, datatypes.Array(*shape)) for name, shape in outputs],
    )
    for kind, name, given, made, options, weights in layers:
        held = {key: _loaded(recipe) for key, recipe in weights.items()}
        _add(builder, kind, name, given, made, {**options, **held})
    utils.save_spec(builder.spec, str(path))


def _loaded(recipe: Any) -> np.ndarray | None:
    if recipe is None:
        return None
    array = recipe.load() if isinstance(recipe, Parameter) else evaluate_recipe(recipe)
    return np.asarray(array, "float32")


def _add(builder: Any, kind: str, name: str, given: list[str], made: list[str], told: dict[str, Any]) -> None:
    """One call of the builder, in its own words."""
    if kind in ("convolution", "inner_product", "scale"):
        told["has_bias"] = told.get("b") is not None
    if kind == "elementwise":
        names: dict[str, Any] = {"input_names": given, "output_name": made[0]}
    elif kind == "split":
        names = {"input_name": given[0], "output_names": made}
    else:
        names = {"input_name": given[0], "output_name": made[0]}
    if kind == "padding":
        names["padding_type"] = told.pop("padding_type")
    getattr(builder, f"add_{kind}")(name=name, **names, **told)


_FIELDS = {
    "convolution": ("weights", "bias"),
    "innerProduct": ("weights", "bias"),
    "batchnorm": ("gamma", "beta", "mean", "variance"),
    "scale": ("scale", "bias"),
}
"""The fields of a layer that hold weights."""


def stored(folder: Path) -> dict[str, np.ndarray]:
    """The weights in a written file, by layer and field, each as a vector."""
    found: dict[str, np.ndarray] = {}
    for layer in read_network(folder / NETWORK).layers:
        for kind, fields in _FIELDS.items():
            if kind in layer:
                for field in fields:
                    for held in layer.record(kind).record(field).raw("floatValue"):
                        found[f"{layer.text('name')}/{field}"] = np.atleast_1d(held)
        slopes = layer.record("activation").record("PReLU").record("alpha").raw("floatValue")
        found |= {f"{layer.text('name')}/alpha": np.atleast_1d(one) for one in slopes}
    return found


def store(folder: Path, arrays: Mapping[str, np.ndarray], target: Path) -> None:
    """Copies a written file with other weights."""
    patched(folder / NETWORK, target / NETWORK, stored(folder), arrays)


def read_back(folder: Path, inputs: Any) -> Graph:
    """The network that a written file holds."""
    return read_coreml(folder / NETWORK, inputs=inputs)
