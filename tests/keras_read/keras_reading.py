"""Reads live Keras models and compares the pivot's meaning with what Keras computes, in double precision."""

from __future__ import annotations

import keras
import numpy as np

from netglot.dialects.keras.read import read_keras
from netglot.pivot.check import check
from netglot.pivot.evaluate import evaluate
from netglot.pivot.graph import Graph, flatten_tree
from netglot.pivot.op import INTEGERS, numpy_dtype

TOLERANCE = 1e-9


def randomise(model, seed: int = 0) -> None:
    """Fills every variable with random numbers: small ones, and positive ones for variances."""
    generator = np.random.default_rng(seed)
    for variable in model.variables:
        if "seed" in variable.path or not str(variable.dtype).startswith(("float", "bfloat")):
            continue
        if "variance" in variable.path:
            drawn = generator.uniform(0.5, 1.5, variable.shape)
        else:
            fan = max(int(np.prod(variable.shape[:-1])), 1) if len(variable.shape) > 1 else 4
            drawn = generator.normal(0, 1 / np.sqrt(fan), variable.shape)
            if variable.path.endswith(("gamma", "scale")):
                drawn = drawn + 1
        variable.assign(drawn)


def draw(graph: Graph, batch: int, *, seed: int = 0, high: int = 5, length: int | None = None, arrays=None) -> dict:
    """Random arrays for the inputs of a graph."""
    generator = np.random.default_rng(seed)
    made = {}
    for value in graph.inputs:
        if arrays and value.name in arrays:
            made[value.name] = arrays[value.name]
            continue
        shape = tuple(
            size if isinstance(size, int) else batch if str(size) == "B" else (length or 7) for size in value.shape
        )
        if value.dtype == "bool":
            made[value.name] = generator.random(shape) < 0.6
        elif value.dtype in INTEGERS:
            made[value.name] = generator.integers(0, high, shape).astype(value.dtype)
        else:
            made[value.name] = generator.normal(size=shape).astype(numpy_dtype(value.dtype))
    return made


def read(model, inputs=None) -> Graph:
    """The graph of a model, checked."""
    graph = read_keras(model, inputs=inputs)
    check(graph)
    return graph


def compare(model, graph: Graph, *, batches=(1, 3), tolerance: float = TOLERANCE, precision="float64", **drawing):
    """Compares the graph with the live model on random inputs."""
    for batch in batches:
        arrays = draw(graph, batch, seed=batch, **drawing)
        expected = call(model, graph, arrays)
        actual = evaluate(graph, arrays, precision=precision)
        close(actual, expected, tolerance)


def call(model, graph: Graph, arrays: dict):
    """What Keras computes."""
    tensors = [keras.ops.convert_to_tensor(arrays[value.name]) for value in graph.inputs]
    struct = getattr(model, "_inputs_struct", None)
    if struct is None and getattr(model, "_functional", None) is not None:
        struct = model._functional._inputs_struct
    if struct is not None:
        return model(keras.tree.pack_sequence_as(struct, tensors), training=False)
    return model(*tensors)


def close(actual, expected, tolerance: float = TOLERANCE) -> None:
    """Asserts that two nests of arrays agree."""
    left = [array for _, array in _leaves(actual)]
    right = [np.asarray(t) for t in keras.tree.flatten(expected) if t is not None]
    assert len(left) == len(right), f"{len(left)} results, Keras has {len(right)}"
    for index, (a, b) in enumerate(zip(left, right, strict=True)):
        assert a.shape == b.shape, f"result {index}: {a.shape} and {b.shape}"
        assert (a.dtype.kind == b.dtype.kind) or {a.dtype.kind, b.dtype.kind} <= {"i", "u"}, f"{a.dtype}, {b.dtype}"
        assert np.array_equal(np.isnan(a), np.isnan(b)) if a.dtype.kind == "f" else True
        spread = float(np.max(np.abs(b[np.isfinite(b)]), initial=1e-30)) if b.dtype.kind == "f" else 1.0
        difference = np.abs(np.where(a == b, 0.0, a.astype("float64") - b.astype("float64")))
        worst = float(np.nanmax(difference, initial=0.0)) / max(spread, 1e-30)
        assert worst <= tolerance, f"result {index} differs by {worst:.3g}"


def _leaves(tree, prefix=""):
    if isinstance(tree, dict):
        for key in sorted(tree):
            yield from _leaves(tree[key], f"{prefix}.{key}")
    elif isinstance(tree, list | tuple):
        for index, one in enumerate(tree):
            yield from _leaves(one, f"{prefix}.{index}")
    else:
        yield prefix, np.asarray(tree)


_FLATTEN = flatten_tree
