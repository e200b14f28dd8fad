"""From Caffe's files to the pivot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import netglot.dialects.caffe.ops  # noqa: F401  (fills the dialect)
from netglot.dialects.assembly import Assembly, block_paths, class_name, identifier, with_open_batch
from netglot.dialects.caffe.dialect import caffe
from netglot.dialects.caffe.layer import Layer
from netglot.dialects.caffe.options import understood
from netglot.dialects.fitting import fitted
from netglot.errors import InputError, WeightsError
from netglot.formats.caffe import Blob, LayerSpec, Network, read_network, read_weights
from netglot.passes.blocks import with_blocks
from netglot.pivot import ops
from netglot.pivot.graph import Graph, Node, Parameter, Value
from netglot.pivot.op import shape_of

_DATA = ("Data", "ImageData", "HDF5Data", "MemoryData", "WindowData", "DummyData", "AnnotatedData", "Input")
_DROPPED = ("Accuracy", "HDF5Output", "DetectionEvaluate")
_LOSSES = {
    "SoftmaxWithLoss": lambda layer, x: caffe.readers["Softmax"](layer, x),
    "SigmoidCrossEntropyLoss": lambda layer, x: ops.Sigmoid(x),
    "EuclideanLoss": lambda layer, x: x,
    "HingeLoss": lambda layer, x: x,
    "MultinomialLogisticLoss": lambda layer, x: x,
    "InfogainLoss": lambda layer, x: x,
    "ContrastiveLoss": lambda layer, x: x,
    "MultiBoxLoss": lambda layer, x: x,
    "SmoothL1Loss": lambda layer, x: x,
}
"""What a network gives where its training compares: the first bottom, as the deployed network would have it."""


def read_caffe(path: Path, *, weights: Path | None = None, inputs: Any = None) -> Graph:
    """Reads a `.prototxt` with the weights of a `.caffemodel`; a file of the same name beside it is found by itself.

    Raises:
        InputError: a file is missing or damaged, or the weights belong to another network.
        UnsupportedOps: layers without a pivot form.
    """
    path = Path(path)
    if path.suffix == ".caffemodel":
        path, weights = _beside(path, (".prototxt", "_deploy.prototxt")), path
    network = read_network(path)
    if weights is None:
        found = path.with_suffix(".caffemodel")
        weights = found if found.is_file() else None
    blobs = read_weights(Path(weights)) if weights is not None else None
    if blobs and not any(layer.name in blobs for layer in network.layers):
        known = ", ".join(list(blobs)[:3])
        raise WeightsError(f"{weights} has no layer of {path}", advice=f"its layers are {known}, ...")
    return with_open_batch(lambda free: _Reading(network, blobs, inputs, path, free).graph(), asked=inputs)


def _beside(path: Path, endings: tuple[str, ...]) -> Path:
    for ending in endings:
        found = path.with_name(path.stem + ending)
        if found.is_file():
            return found
    raise InputError(
        f"{path} holds weights, and the network is in a .prototxt", advice=f"NET.prototxt --weights {path}"
    )


class _Reading:
    """One network under construction."""

    def __init__(self, network: Network, blobs: dict[str, list[Blob]] | None, inputs: Any, path: Path, free: bool):
        self.network, self.blobs, self.free = network, blobs, free
        self.assembly = Assembly(caffe, class_name(network.name or path.stem) or "Network")
        self.given = inputs
        self.tied: dict[str, Parameter] = {}
        weighted = {layer.name for layer in network.layers if _weighted(layer)}
        self.paths = block_paths([layer.name for layer in network.layers], weighted)
        self.available: dict[str, None] = {}
        self.labels: set[str] = set()

    def graph(self) -> Graph:
        """The network as a graph."""
        self._inputs()
        for layer in self.network.layers:
            if layer.type in _DATA:
                self._preprocessing(layer)
            elif layer.type not in _DROPPED:
                self._layer(layer)
        self.assembly.inputs = [v for v in self.assembly.inputs if v.name not in self.labels]
        self.assembly.nodes = _with_scales(self.assembly.nodes)
        if self.blobs is None:
            self.assembly.notes.append("no weights were given: they are random")
        self.assembly.notes.append("pictures go in as Caffe's networks take them: usually blue, green, red")
        outputs = {name: self.assembly.tensors[name] for name in self.available}
        values = list(outputs.values())
        graph = self.assembly.finish(values[0] if len(values) == 1 else _named(outputs))
        used = {v for node in graph.nodes for v in node.operand_values()} | {v for _, v in graph.outputs}
        graph.inputs = [v for v in graph.inputs if v in used]
        if not graph.outputs:
            raise InputError("the network has no output")
        return with_blocks(graph, frozenset(graph.parameters.values()))

    # -- inputs

    def _inputs(self) -> None:
        """The inputs that the file declares, and the data layers of a training file; labels are left out."""
        wanted = [(name, shape) for name, shape in self.network.inputs]
        compared = _compared(self.network.layers)
        for layer in self.network.layers:
            if layer.type == "Input":
                shapes = [tuple(one.all("dim")) for one in layer.options("input_param").records("shape")]
                for i, top in enumerate(layer.tops):
                    wanted.append((top, shapes[min(i, len(shapes) - 1)] if shapes else ()))
            elif layer.type in _DATA:
                wanted += [(top, self._data_shape(layer)) for top in layer.tops if top not in compared]
        if not wanted:
            raise InputError("the network has no inputs")
        shapes = fitted(wanted, self.given, self.free)
        for (name, _), (shape, dtype) in zip(wanted, shapes, strict=True):
            self.assembly.input(name, shape, dtype)

    def _data_shape(self, layer: LayerSpec) -> tuple[int, ...]:
        """What a data layer gives: a crop, of as many channels as the first convolution takes."""
        for name in ("memory_data_param", "dummy_data_param"):
            held = layer.options(name)
            if "height" in held:
                batch = held.integer("batch_size" if "batch_size" in held else "num", 1)
                return batch, held.integer("channels"), held.integer("height"), held.integer("width")
            if held.records("shape"):
                return tuple(held.records("shape")[0].all("dim"))
        crop = layer.options("transform_param").integer("crop_size", 0)
        for name in ("data_param", "image_data_param", "window_data_param"):
            held = layer.options(name)
            crop = crop or held.integer("crop_size", 0) or held.integer("new_height", 0)
        return (1, self._channels(layer.tops[0]), crop, crop) if crop else ()

    def _channels(self, top: str) -> int:
        for layer in self.network.layers:
            blobs = (self.blobs or {}).get(layer.name)
            if layer.type == "Convolution" and top in layer.bottoms and blobs and len(blobs[0].shape) == 4:
                return blobs[0].shape[1] * layer.options("convolution_param").integer("group", 1)
        return 3

    def _preprocessing(self, layer: LayerSpec) -> None:
        """Tells what the file does to pictures before they go in."""
        options = layer.options("transform_param")
        said = [f"{name} {options.all(name)}" for name in ("mean_value", "scale", "mean_file") if name in options]
        if said and layer.tops:
            self.assembly.notes.append(f"before {layer.tops[0]}: {', '.join(said)}")
        for top in layer.tops:
            if top in self.assembly.tensors:
                self.available[top] = None

    # -- layers

    def _layer(self, spec: LayerSpec) -> None:
        block, last = self.paths.get(spec.name, ("", identifier(spec.name)))
        self.assembly.within(block)
        path = f"{block}.{last}" if block else last
        bottoms = spec.bottoms
        if spec.type in _LOSSES:
            bottoms = bottoms[:1]
        blobs = None if self.blobs is None else self.blobs.get(spec.name, [])
        layer = Layer(spec, self.assembly, path, blobs, self.tied)

        def run():
            reader = _LOSSES.get(spec.type) or self._reader(spec)
            made = self.assembly.call(reader, layer, *(self.assembly.tensor(name) for name in bottoms))
            if spec.type not in _LOSSES:
                understood(spec)
            return self._several(made, spec)

        tops = spec.tops[:1] if spec.type in _LOSSES else spec.tops
        self.assembly.step(spec.name, spec.type, tops, run)
        for name in spec.bottoms:
            self.available.pop(name, None)
        self.available.update(dict.fromkeys(tops))

    def _reader(self, spec: LayerSpec) -> Any:
        """What reads a layer; one in Python is known by the class that it names."""
        if spec.type == "Python":
            return self.assembly.custom("Python", "the Python layer", spec.options("python_param").text("layer"))
        return self.assembly.reader(spec.type)

    def _several(self, made: Any, spec: LayerSpec) -> Any:
        """Results; those of a layer that hands out a dictionary are the tensors of a nest."""
        if isinstance(made, dict):
            return [{name: self.assembly.build(one) for name, one in made.items()}]
        return made


def _named(outputs: dict[str, Any]) -> dict[str, Any]:
    return {identifier(name): value for name, value in outputs.items()}


def _compared(layers: list[LayerSpec]) -> set[str]:
    """The tensors that only losses and measures read: labels."""
    seen, computed = set(), set()
    for layer in layers:
        places = layer.bottoms[1:] if layer.type in _LOSSES else layer.bottoms
        (seen if layer.type in (*_LOSSES, *_DROPPED, "Silence") else computed).update(places)
        if layer.type in _LOSSES:
            computed.update(layer.bottoms[:1])
    return seen - computed


def _weighted(layer: LayerSpec) -> bool:
    return layer.type in ("Convolution", "InnerProduct", "Deconvolution", "ConvolutionDepthwise", "LSTM", "Embed")


def _with_scales(nodes: list[Node]) -> list[Node]:
    """The nodes with each scale and shift behind a normalisation without them made its own."""
    uses: dict[Value, int] = {}
    producers: dict[Value, Node] = {}
    for node in nodes:
        producers.update(dict.fromkeys(node.results, node))
        for value in node.operand_values():
            uses[value] = uses.get(value, 0) + 1

    gone: set[int] = set()
    for node in nodes:
        op = node.op
        if not isinstance(op, ops.Multiply | ops.Add) or not isinstance(op.x, Value) or op.x not in producers:
            continue
        inner = producers[op.x]
        norm = inner.op
        vector = _channel_vector(op.y, producers, shape_of(op.x)) if isinstance(norm, ops.BatchNorm) else None
        if vector is None or uses.get(op.x) != 1 or norm.mean is None or id(inner) in gone:
            continue
        if isinstance(op, ops.Multiply) and norm.scale is None and norm.offset is None:
            node.op = norm.replace(scale=vector)
        elif isinstance(op, ops.Add) and norm.scale is not None and norm.offset is None:
            node.op = norm.replace(offset=vector)
        else:
            continue
        gone.add(id(inner))
    return [node for node in nodes if id(node) not in gone]


def _channel_vector(operand: Any, producers: dict[Value, Node], shape: tuple) -> Parameter | None:
    """The parameter that was reshaped to stand along the channels."""
    node = producers.get(operand) if isinstance(operand, Value) else None
    if node is None or not isinstance(node.op, ops.Reshape) or not isinstance(node.op.x, Parameter):
        return None
    channels = shape[1] if len(shape) > 1 else None
    along = tuple(shape_of(operand)) == (1, channels, *[1] * (len(shape) - 2))
    return node.op.x if along and node.op.x.shape == (channels,) else None
