"""From Darknet's files to the pivot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import netglot.dialects.darknet.ops  # noqa: F401  (fills the dialect)
from netglot.dialects.assembly import Assembly, class_name, with_open_batch
from netglot.dialects.darknet.dialect import darknet
from netglot.dialects.darknet.layer import Layer
from netglot.dialects.darknet.options import understood
from netglot.dialects.fitting import fitted
from netglot.errors import InputError, WeightsError
from netglot.formats.darknet import Section, Weights, read_sections
from netglot.passes.blocks import with_blocks
from netglot.pivot.graph import Graph

_HEADS = ("yolo", "region", "detection", "softmax", "soft")
_DROPPED = ("cost", "logxent", "l2loss")
_RECURRENT = ("rnn", "gru", "lstm", "crnn", "conv_lstm")
_WORDS = {"convolutional": "conv", "deconvolutional": "deconv", "connected": "linear", "batchnorm": "norm"}
_CLASSES = {"conv": "Convolutional", "deconv": "Deconvolutional", "linear": "Connected"}


def read_darknet(path: Path, *, weights: Path | None = None, inputs: Any = None) -> Graph:
    """Reads a `.cfg` with its `.weights`; a file of the same name beside it is found by itself.

    Raises:
        InputError: a file is missing or damaged, or the weights belong to another network.
        UnsupportedOps: sections without a pivot form.
    """
    path = Path(path)
    if path.suffix == ".weights":
        path, weights = path.with_suffix(".cfg"), path
        if not path.is_file():
            raise InputError(
                f"{weights} holds weights, and the network is in a .cfg", advice=f"NET.cfg --weights {weights}"
            )
    sections = read_sections(path)
    if weights is None and path.with_suffix(".weights").is_file():
        weights = path.with_suffix(".weights")

    def read(free: bool) -> Graph:
        try:
            return _read(path, sections, weights, inputs, free, True)
        except WeightsError:
            if not any(section.type == "batchnorm" for section in sections):
                raise
            return _read(path, sections, weights, inputs, free, False)

    recurrent = any(section.type in _RECURRENT for section in sections)
    return with_open_batch(read, axis=1 if recurrent else 0, asked=inputs)


def _read(path: Path, sections: list[Section], file: Any, inputs: Any, free: bool, biased_norms: bool) -> Graph:
    net, *layers = sections
    assembly = Assembly(darknet, class_name(path.stem) or "Network")
    weights = Weights(Path(file)) if file is not None else None
    (name, shape), axis = _input(net, layers)
    ((shape, dtype),) = fitted([(name, shape)], inputs, free, axis=axis)
    x: Any = assembly.input(name, shape, dtype)
    before: list[Any] = []
    heads = []
    for index, section in enumerate(layers):
        word = _WORDS.get(section.type, section.type)
        layer = Layer(section, index, assembly, weights, [assembly.tensors.get(str(i)) for i in range(index)])
        layer.path, layer.net, layer.biased_norms = f"{word}_{index}", net, biased_norms
        if section.type in _DROPPED:
            assembly.tensors[str(index)] = assembly.tensors.get(str(index - 1), x)
            continue
        assembly.within(layer.path if word in _CLASSES else "")
        assembly.classes[layer.path] = _CLASSES.get(word, "")
        source = name if index == 0 else str(index - 1)
        _step(assembly, layer, section, source, index)
        if section.type in _HEADS:
            heads.append(index)
        before.append(index)
    if not assembly.refused and weights is not None and weights.left:
        raise WeightsError(
            f"{file} holds {weights.left} numbers more than {path} takes",
            advice="do the network and the weights belong together?",
        )
    if weights is None:
        assembly.notes.append("no weights were given: they are random")
    if len(shape) == 4:
        assembly.notes.append("pictures go in as red, green, blue between 0 and 1")
    if not before:
        raise InputError(f"{path} has no layers")
    outputs = heads or [before[-1]]
    if before[-1] not in outputs and layers[before[-1]].type not in ("dropout",):
        outputs.append(before[-1])
    found = [assembly.tensors[str(index)] for index in outputs]
    named = {f"{layers[i].type}_{i}": one for i, one in zip(outputs, found, strict=True)}
    return with_blocks(assembly.finish(found[0] if len(found) == 1 else named))


def _step(assembly: Assembly, layer: Layer, section: Section, source: str, index: int) -> None:
    def run():
        x = assembly.tensor(source)
        layer.before[:] = [
            assembly.tensor(str(i)) if _refers(section, i, index) else b for i, b in enumerate(layer.before)
        ]
        made = assembly.call(assembly.reader(section.type), layer, x)
        understood(section)
        return made

    assembly.step(f"line {section.line}", f"[{section.type}]", [str(index)], run)
    made = assembly.tensors[str(index)]
    if hasattr(made, "hint") and made.hint == f"_{index}":
        made.hint = None


def _refers(section: Section, place: int, index: int) -> bool:
    """Whether a section names the result of another."""
    named = [*section.numbers("layers"), *section.numbers("from")]
    return place in named or place - index in named


def _input(net: Section, layers: list[Section]) -> tuple[tuple[str, tuple], int]:
    """The input's name and shape, and the axis of its batch."""
    if any(layer.type in _RECURRENT for layer in layers):
        steps = net.integer("time_steps", 1)
        net.options.setdefault("time_steps", str(steps))
        return ("data", (steps, 1, net.integer("inputs"))), 1
    if "height" in net.options or "width" in net.options:
        return ("data", (1, net.integer("channels", 3), net.integer("height"), net.integer("width"))), 0
    return ("data", (1, net.integer("inputs"))), 0
