"""From a `.mlmodel` to the pivot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import netglot.dialects.coreml.ops  # noqa: F401  (fills the dialect)
from netglot.dialects.assembly import Assembly, block_paths, class_name, identifier, with_open_batch
from netglot.dialects.coreml.dialect import coreml
from netglot.dialects.coreml.layer import Layer
from netglot.dialects.coreml.program import read_package
from netglot.dialects.fitting import fitted
from netglot.errors import InputError, Refusal, notimpl
from netglot.formats.coreml import Feature, Network, is_program, read_network
from netglot.formats.mlprogram import is_package, specification
from netglot.formats.record import Record
from netglot.passes.blocks import with_blocks
from netglot.pivot import ops
from netglot.pivot.graph import Graph
from netglot.pivot.op import shape_of

_HEAD = ("name", "input", "output")


def read_coreml(path: Path, *, weights: Path | None = None, inputs: Any = None) -> Graph:
    """Reads the neural network of a `.mlmodel`, where a classifier gives its probabilities, or an ML Program.

    Raises:
        InputError: the file is missing or damaged.
        Refusal, UnsupportedOps: it is no neural network, or has layers without a pivot form.
    """
    path = Path(path)
    if weights is not None:
        raise InputError(f"{path} holds its weights already", advice="leave --weights out")
    package = is_package(path)
    inner = specification(path) if package else path
    if package or is_program(inner):
        return read_package(inner, inner.parent, inputs)
    network = read_network(path)
    return with_open_batch(lambda free: _read(path, network, inputs, free), asked=inputs)


def _read(path: Path, network: Network, given: Any, free: bool) -> Graph:
    assembly = Assembly(coreml, class_name(path.stem) or "Network")
    wanted = [(one.name, _shape(one, network.exact)) for one in network.inputs]
    states = _states(network) if not network.exact else frozenset()
    dtypes = [one.dtype for one in network.inputs]
    shapes = fitted(wanted, given, free, dtypes, whole=states)
    for (name, _), (shape, dtype) in zip(wanted, shapes, strict=True):
        assembly.input(name, shape, dtype)
    if any(_kind(layer) in _RECURRENT for layer in network.layers) and not network.exact:
        assembly.notes.append("the first axis of inputs is the sequence, of which there is one")
    for one in network.inputs:
        if one.colours:
            assembly.notes.append(f"{one.name} is a picture: {one.colours}, from 0 to 255")
    assembly.notes += network.notes
    assembly.notes += [_preprocessing(one) for one in network.preprocessing]
    names = [layer.text("name") for layer in network.layers]
    weighted = {
        n for n, layer in zip(names, network.layers, strict=True) if _kind(layer) in ("convolution", "innerProduct")
    }
    paths = block_paths(list(dict.fromkeys(names)), weighted)
    for record in network.layers:
        _step(assembly, record, paths, network.exact)
    assembly.within("")
    asked = [name for name in network.outputs if name in assembly.tensors and name not in dict(wanted)]
    if network.probabilities and network.probabilities in assembly.tensors:
        asked = [network.probabilities]
    asked = asked or [str(record.all("output")[-1]) for record in network.layers[-1:] if record.all("output")]
    found = {}
    for name in asked:
        if not assembly.refused:
            held = assembly.tensor(name)
            found[identifier(name)] = held if network.exact else _plain(assembly, held)
    if not network.layers or not asked:
        raise InputError(f"{path} has no layers or no output")
    values = list(found.values())
    graph = assembly.finish(values[0] if len(values) == 1 else found)
    return with_blocks(graph, frozenset(graph.parameters.values()))


def _kind(record: Record) -> str:
    return next((name for name in record if name not in _HEAD), "")


def _step(assembly: Assembly, record: Record, paths: dict, exact: bool) -> None:
    name, kind = record.text("name"), _kind(record)
    block, last = paths.get(name, ("", identifier(name)))
    assembly.within(block)
    outputs = [str(one) for one in record.all("output")]
    layer = Layer(name, record.record(kind), assembly, f"{block}.{last}" if block else last, len(outputs))
    layer.kind, layer.exact = kind, exact

    def run():
        if not kind:
            raise Refusal(notimpl("a layer of a kind that is not read"))
        inputs = [assembly.tensor(str(one)) for one in record.all("input")]
        return assembly.call(assembly.reader(kind), layer, *inputs)

    assembly.step(name, kind or "layer", outputs, run)


_RECURRENT = {"simpleRecurrent": 1, "gru": 1, "uniDirectionalLSTM": 2, "biDirectionalLSTM": 4}
"""Recurrent layers, and how many states they may be given."""


def _shape(one: Feature, exact: bool) -> tuple[int, ...]:
    """The shape of an input, with the batch: a picture, a vector, or where shapes are exact what the file says."""
    if exact:
        return (1, *one.shape) if one.colours else one.shape
    if len(one.shape) not in (1, 3):
        raise Refusal(notimpl(f"an input of the shape {list(one.shape)}"))
    return (1, *one.shape)


def _states(network: Network) -> frozenset[str]:
    """The inputs that recurrent layers begin with."""
    return frozenset(
        str(name) for layer in network.layers if _kind(layer) in _RECURRENT for name in layer.all("input")[1:]
    )


def _plain(assembly: Assembly, value: Any) -> Any:
    """An output; a picture of one pixel is a vector."""
    shape = shape_of(value)
    if len(shape) == 4 and shape[2:] == (1, 1):
        return assembly.build(ops.Reshape(value, shape[:2]))
    return value


def _preprocessing(record: Record) -> str:
    """What is done to a picture before the network, in words."""
    name = record.text("featureName") or "the picture"
    if "meanImage" in record:
        return f"before {name}: a mean picture is subtracted, which is not carried over"
    scaler = record.record("scaler")
    biases = ", ".join(f"{scaler.number(f'{one}Bias', 0.0):g}" for one in ("red", "green", "blue", "gray"))
    return f"before {name}: times {scaler.number('channelScale', 1.0):g}, plus {biases} (red, green, blue, gray)"
