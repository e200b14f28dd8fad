"""From a `.tflite` to the pivot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from netglot.dialects.assembly import Assembly, class_name, identifier, with_open_batch
from netglot.dialects.fitting import fitted
from netglot.dialects.tflite.dialect import tflite
from netglot.dialects.tflite.interpreter import RANGES, Interpreter, quantisation_of
from netglot.dialects.tflite.node import LEFT_OUT
from netglot.errors import InputError, Refusal, notimpl
from netglot.formats.tflite import Model, Tensor, read_model
from netglot.passes.blocks import with_blocks
from netglot.pivot import ops
from netglot.pivot.graph import Graph


def read_tflite(path: Path, *, weights: Path | None = None, inputs: Any = None) -> Graph:
    """Reads a `.tflite`.

    Raises:
        InputError: the file is missing or damaged.
        UnsupportedOps: operators without a pivot form.
    """
    path = Path(path)
    if weights is not None:
        raise InputError(f"{path} holds its weights already", advice="leave --weights out")
    model = read_model(path)
    return with_open_batch(lambda free: _read(path, model, inputs, free), asked=inputs)


def _read(path: Path, model: Model, given: Any, free: bool) -> Graph:
    graph = model.subgraphs[0]
    assembly = Assembly(tflite, class_name(path.stem) or "Network")
    interpreter = Interpreter(model, assembly)
    tensors = [graph.tensors[number] for number in graph.inputs]
    names = [model.input_names.get(number) or _short(t.name) for number, t in zip(graph.inputs, tensors, strict=True)]
    if any(t.dtype in ("string", "resource", "variant", "") for t in tensors):
        raise InputError(f"{path}: an input of {tensors[0].dtype or 'an unknown dtype'}")
    shapes = fitted(
        [(name, t.shape if t.shape else ()) for name, t in zip(names, tensors, strict=True)],
        given, free, [t.dtype for t in tensors], scalars=True,
    )  # fmt: skip
    feeds = {}
    for number, name, tensor, (shape, _) in zip(graph.inputs, names, tensors, shapes, strict=True):
        value = assembly.input(name, shape, tensor.dtype)
        feeds[number] = _real(assembly, value, tensor)
    held = interpreter.run(graph, feeds, top=True)
    assembly.within("")
    found = {}
    for place, number in enumerate(graph.outputs):
        name = identifier(model.output_names.get(number) or _short(graph.tensors[number].name) or f"output_{place}")
        made = held.get(number)
        if not assembly.refused and made is not LEFT_OUT:
            if made is None:
                raise InputError(f"the output {name} is made by nothing")
            found[name if name not in found else f"{name}_{place}"] = _stored(assembly, made, graph.tensors[number])
    if any(quantisation_of(t) for t in graph.tensors) and any(quantisation_of(t) for t in tensors):
        assembly.notes.append("the network is quantised: numbers are rounded where the file says")
    elif any(quantisation_of(t) for t in graph.tensors):
        assembly.notes.append(
            "weights are quantised; activations are not rounded, as TensorFlow Lite may do on the fly"
        )
    values = list(found.values())
    graph = assembly.finish(values[0] if len(values) == 1 else found)
    return with_blocks(graph, frozenset(graph.parameters.values()))


def _short(name: str) -> str:
    """The name of an input or output without what exporters put around it."""
    plain = name.partition(":")[0].partition(";")[0]
    for before in ("serving_default_", "StatefulPartitionedCall_"):
        plain = plain.removeprefix(before)
    return identifier(plain.rpartition("/")[2] or plain or "input")


def _real(assembly: Assembly, value: Any, tensor: Tensor) -> Any:
    """The real numbers that an input stands for."""
    quantised = quantisation_of(tensor)
    if quantised is None:
        return value
    scale, zero = float(quantised.scale[0]), int(quantised.zero[0])
    return assembly.build(ops.Multiply(ops.Subtract(ops.Cast(value, "float32"), float(zero)), scale))


def _stored(assembly: Assembly, made: Any, tensor: Tensor) -> Any:
    """An output as its tensor stores it."""
    if isinstance(made, np.ndarray | np.generic):
        return assembly.constant(np.asarray(made))
    quantised = quantisation_of(tensor)
    if quantised is None:
        return made
    if quantised.scale.size != 1 or tensor.dtype not in RANGES:
        raise Refusal(notimpl(f"the output {tensor.name!r} is quantised along an axis"))
    whole = ops.Add(ops.Round(ops.Divide(made, float(quantised.scale[0]))), float(quantised.zero[0]))
    return assembly.build(ops.Cast(whole, tensor.dtype))
