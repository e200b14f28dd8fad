"""Caffe's files: a network as text (`.prototxt`) and its weights as protocol buffers (`.caffemodel`).

All three generations of layers are read: `layer` with a type in words, `layers` with a type in capitals, and the
oldest, a `layer` within `layers`. Each becomes a `LayerSpec` in today's words. Of a weights file the blobs are taken,
by the name of their layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from netglot.errors import InputError
from netglot.formats import prototxt, wire, wire_save
from netglot.formats.mapped import LARGEST, Load, array_of, mapped, text_of
from netglot.formats.record import Record
from netglot.pivot.dims import product

SCHEMA = wire.schema("""
NetParameter
  1 name string  2 layers V1LayerParameter*  100 layer LayerParameter*
LayerParameter
  1 name string  2 type string  7 blobs BlobProto*
V1LayerParameter
  1 layer V0LayerParameter  4 name string  5 type enum  6 blobs BlobProto*
V0LayerParameter
  1 name string  2 type string  50 blobs BlobProto*
BlobProto
  1 num int32  2 channels int32  3 height int32  4 width int32  5 data float*  7 shape BlobShape
  8 double_data double*  10 raw_data_type enum  12 raw_data bytes
BlobShape
  1 dim int64*
""")

_CAPITALS = {
    "ABSVAL": "AbsVal", "ACCURACY": "Accuracy", "ARGMAX": "ArgMax", "BNLL": "BNLL", "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss", "CONVOLUTION": "Convolution", "DATA": "Data",
    "DECONVOLUTION": "Deconvolution", "DROPOUT": "Dropout", "DUMMY_DATA": "DummyData",
    "EUCLIDEAN_LOSS": "EuclideanLoss", "ELTWISE": "Eltwise", "EXP": "Exp", "FLATTEN": "Flatten",
    "HDF5_DATA": "HDF5Data", "HDF5_OUTPUT": "HDF5Output", "HINGE_LOSS": "HingeLoss", "IM2COL": "Im2col",
    "IMAGE_DATA": "ImageData", "INFOGAIN_LOSS": "InfogainLoss", "INNER_PRODUCT": "InnerProduct", "LRN": "LRN",
    "MEMORY_DATA": "MemoryData", "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss", "MVN": "MVN",
    "POOLING": "Pooling", "POWER": "Power", "RELU": "ReLU", "SIGMOID": "Sigmoid",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss", "SILENCE": "Silence", "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss", "SPLIT": "Split", "SLICE": "Slice", "TANH": "TanH",
    "WINDOW_DATA": "WindowData", "THRESHOLD": "Threshold",
}  # fmt: skip
"""The types of the second generation in the words of the third."""

_OLDEST = {
    "conv": ("Convolution", "convolution_param"),
    "pool": ("Pooling", "pooling_param"),
    "innerproduct": ("InnerProduct", "inner_product_param"),
    "lrn": ("LRN", "lrn_param"),
    "dropout": ("Dropout", "dropout_param"),
    "concat": ("Concat", "concat_param"),
    "relu": ("ReLU", "relu_param"),
    "sigmoid": ("Sigmoid", "sigmoid_param"),
    "tanh": ("TanH", "tanh_param"),
    "softmax": ("Softmax", "softmax_param"),
    "softmax_loss": ("SoftmaxWithLoss", "softmax_param"),
    "flatten": ("Flatten", "flatten_param"),
    "split": ("Split", "split_param"),
    "padding": ("Padding", "padding_param"),
    "bnll": ("BNLL", "bnll_param"),
    "power": ("Power", "power_param"),
    "eltwise": ("Eltwise", "eltwise_param"),
    "accuracy": ("Accuracy", "accuracy_param"),
    "data": ("Data", "data_param"),
    "images": ("ImageData", "image_data_param"),
    "euclidean_loss": ("EuclideanLoss", "loss_param"),
}
"""The types of the first generation, and where their options are kept today."""

_OLD_OPTIONS = {
    "biasterm": "bias_term",
    "kernelsize": "kernel_size",
    "kernel_size": "kernel_size",
    "dropout_ratio": "dropout_ratio",
    "concat_dim": "concat_dim",
    "cropsize": "crop_size",
}


@dataclass
class LayerSpec:
    """One layer: what it reads and makes, its options, and the names under which it shares weights."""

    name: str
    type: str
    bottoms: list[str]
    tops: list[str]
    record: Record
    shared: list[str] = field(default_factory=list)

    def options(self, name: str) -> Record:
        """A record of options, such as `convolution_param`."""
        return self.record.record(name)


@dataclass
class Network:
    """A network as text: its layers of the testing phase, and the inputs that it declares."""

    name: str
    layers: list[LayerSpec]
    inputs: list[tuple[str, tuple[int, ...]]]


def read_network(path: Path) -> Network:
    """The network that a `.prototxt` describes, as it is when it is tested.

    Raises:
        InputError: the file is missing or is something else.
    """
    record = prototxt.parse(text_of(path), path.name)
    if "net" in record or "train_net" in record or "base_lr" in record:
        net = record.text("net") or record.text("train_net")
        raise InputError(f"{path} describes a training, not a network", advice=f"it trains {net}" if net else None)
    found = [_upgraded(one) for one in record.records("layers")] + [_layer(one) for one in record.records("layer")]
    layers = [layer for layer in found if _included(layer.record)]
    if not layers:
        raise InputError(f"{path} holds no layers", advice="is it Caffe's description of a network?")
    return Network(record.text("name"), layers, _inputs(record))


def _inputs(record: Record) -> list[tuple[str, tuple[int, ...]]]:
    names, sizes = [str(name) for name in record.all("input")], record.all("input_dim")
    shapes = [tuple(one.all("dim")) for one in record.records("input_shape")]
    if not shapes:
        shapes = [tuple(sizes[i : i + 4]) for i in range(0, len(sizes), 4)]
    return [(name, shapes[i] if i < len(shapes) else ()) for i, name in enumerate(names)]


def _layer(record: Record) -> LayerSpec:
    shared = [one.text("name") for one in record.records("param")] or [str(one) for one in record.all("param")]
    bottoms, tops = ([str(one) for one in record.all(side)] for side in ("bottom", "top"))
    return LayerSpec(record.text("name"), record.text("type"), bottoms, tops, record, shared)


def _upgraded(record: Record) -> LayerSpec:
    """A layer of the first or second generation in today's words."""
    inner = record.record("layer")
    if inner.fields:
        kind, options = _OLDEST.get(inner.text("type"), (inner.text("type"), "param"))
        held = Record(options, {_OLD_OPTIONS.get(name, name): values for name, values in inner.fields.items()})
        outer = Record("layer", {**record.fields, options: [held]})
        bottoms, tops = ([str(one) for one in record.all(side)] for side in ("bottom", "top"))
        return LayerSpec(inner.text("name"), kind, bottoms, tops, outer)
    made = _layer(record)
    made.type = _CAPITALS.get(made.type, made.type)
    return made


def _included(record: Record) -> bool:
    """Whether a layer is part of the network when it is tested, at level 0 and in no stage."""
    include, exclude = record.records("include"), record.records("exclude")
    if include:
        return any(_meets(rule) for rule in include)
    return not any(_meets(rule) for rule in exclude)


def _meets(rule: Record) -> bool:
    level = rule.integer("min_level", 0) <= 0 <= rule.integer("max_level", 0)
    return rule.text("phase", "TEST") in ("TEST", "1") and level and not rule.all("stage")


@dataclass(frozen=True)
class Blob:
    """One tensor of a weights file: its sizes as stored, and how it is read."""

    shape: tuple[int, ...]
    load: Callable[[], np.ndarray]

    @property
    def count(self) -> int:
        """How many elements it has."""
        return int(product(self.shape))


def read_weights(path: Path) -> dict[str, list[Blob]]:
    """The blobs of each layer in a `.caffemodel`, by the layer's name. No weight is copied.

    Raises:
        InputError: the file is missing, damaged or something else.
    """
    try:
        record = wire.parse(mapped(path), SCHEMA, "NetParameter")
    except InputError as error:
        raise InputError(f"{path}: {error.message}", advice=error.advice or "is it a .caffemodel?") from error
    found: dict[str, list[Blob]] = {}
    for layer in [*record.records("layers"), *record.records("layer")]:
        inner = layer.record("layer") if layer.kind == "V1LayerParameter" else layer
        name = layer.text("name") or inner.text("name")
        blobs = layer.records("blobs") or inner.records("blobs")
        if blobs:
            found[name] = [_blob(one, f"{path}: layer {name}") for one in blobs]
    if not record.fields:
        raise InputError(f"{path} holds no layers", advice="is it a .caffemodel?")
    return found


def _blob(record: Record, what: str) -> Blob:
    old = [record.integer(name, 1) for name in ("num", "channels", "height", "width")]
    legacy = any(name in record for name in ("num", "channels", "height", "width"))
    shape = tuple(int(n) for n in (old if legacy and "shape" not in record else record.record("shape").all("dim")))
    if any(n < 0 for n in shape) or product(shape) > LARGEST:
        raise InputError(f"{what} has a blob of shape {list(shape)}")
    if "raw_data" in record:
        dtype = {2: "<f2", 1: "<f4", 0: "<f8"}.get(record.integer("raw_data_type", 1), "<f4")
        array = array_of(record.get("raw_data"), dtype, shape, what)
        return Blob(shape, lambda: array)
    parts = record.raw("data") or record.raw("double_data")
    parts = [np.atleast_1d(np.asarray(part)) for part in parts]
    count = sum(len(part) for part in parts)
    if count != product(shape):
        raise InputError(f"{what} has a blob of shape {list(shape)} with {count} numbers")
    if len(parts) == 1:
        return Blob(shape, lambda: parts[0].reshape(shape))
    return Blob(shape, lambda: np.concatenate([*parts, np.zeros(0, "float32")]).reshape(shape))


Options = Mapping[str, Any]
"""The options of a layer by name: numbers, words, truth values, lists of these (a field that repeats), records."""


def network_text(name: str, layers: Iterable[tuple[str, str, list[str], list[str], Options]]) -> str:
    """The text of a `.prototxt`, from each layer's type, name, bottoms, tops and options."""
    lines = [f'name: "{name}"']
    for kind, own, bottoms, tops, options in layers:
        lines += ["layer {", f'  name: "{own}"', f'  type: "{kind}"']
        lines += [f'  bottom: "{one}"' for one in bottoms] + [f'  top: "{one}"' for one in tops]
        lines += [*_told(options, "  "), "}"]
    return "\n".join(lines) + "\n"


def _told(options: Options, margin: str) -> Iterator[str]:
    for name, value in options.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            if isinstance(one, Mapping):
                yield f"{margin}{name} {{"
                yield from _told(one, margin + "  ")
                yield f"{margin}}}"
            elif isinstance(one, bool):
                yield f"{margin}{name}: {str(one).lower()}"
            elif isinstance(one, Quoted):
                yield f'{margin}{name}: "{one}"'
            else:
                yield f"{margin}{name}: {one!r}" if not isinstance(one, str) else f"{margin}{name}: {one}"


class Quoted(str):
    """A text, which is quoted; a plain string is a word."""


def write_weights(path: Path, name: str, layers: Iterable[tuple[str, str, list[tuple[tuple, Load]]]]) -> None:
    """Writes a `.caffemodel`, from each layer's name, type and blobs; one blob is in memory at a time."""
    with open(path, "wb") as file:
        file.write(wire_save.held(1, name))
        for own, kind, blobs in layers:
            begin = wire_save.held(1, own) + wire_save.held(2, kind)
            heads = [_blob_head(shape) for shape, _ in blobs]
            sizes = [len(head) + 4 * product(shape) for head, (shape, _) in zip(heads, blobs, strict=True)]
            length = len(begin) + sum(len(wire_save.head(7, size)) + size for size in sizes)
            file.write(wire_save.head(100, length) + begin)
            for size, head, (_, load) in zip(sizes, heads, blobs, strict=True):
                file.write(wire_save.head(7, size) + head)
                file.write(np.ascontiguousarray(load(), "<f4").data)


def _blob_head(shape: tuple) -> bytes:
    """All of a blob but its numbers: its shape, and what announces them."""
    return wire_save.held(7, wire_save.integers(1, shape)) + wire_save.head(5, 4 * product(shape))
