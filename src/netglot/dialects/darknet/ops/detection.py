"""The heads of YOLO: boxes from what the last convolution says of each cell and anchor.

A head gives one row for each cell and anchor, cells first: the box's centre and size as parts of the picture, whether
there is something, and for each class how likely it is there (that times the class).
"""

from __future__ import annotations

import numpy as np

from netglot.dialects.darknet.dialect import darknet
from netglot.dialects.darknet.ops.conv import picture
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops


def _rows(layer, x, anchors: int, classes: int):
    """The head's input as (batch, height, width, anchors, 5 + classes), and the sizes of the picture."""
    batch, channels, height, width = picture(layer, x)
    if channels != anchors * (5 + classes):
        line = layer.section.line
        raise InputError(
            f"[{layer.section.type}] in line {line}: {channels} channels for {anchors} boxes of {classes} classes"
        )
    if not isinstance(height, int) or not isinstance(width, int):
        raise Refusal(notimpl("a head over a picture whose size is not known", "fix the size: --input 1,3,416,416"))
    apart = ops.Reshape(x, (batch, anchors, 5 + classes, height, width))
    return ops.Permute(apart, (0, 3, 4, 1, 2)), (batch, height, width)


def _part(rows, start: int, stop: int):
    return ops.Slice(rows, 4, start, stop, 1)


def _cells(layer, height: int, width: int):
    """Where each cell begins: column and row."""
    row, column = np.mgrid[:height, :width]
    grid = np.stack([column, row], -1).reshape(1, height, width, 1, 2)
    return layer.assembly.constant(grid.astype("float32"), f"{layer.path}.cells")


def _anchors(layer, pairs: list[tuple[float, float]]):
    table = np.array(pairs, "float64").reshape(1, 1, 1, -1, 2).astype("float32")
    return layer.assembly.constant(table, f"{layer.path}.anchors")


def _head(layer, sizes, centre, size, there, classes, scaled=True):
    """The rows of a head. `centre` counts cells."""
    batch, height, width = sizes
    span = layer.assembly.constant(np.array([width, height], "float32"), f"{layer.path}.span")
    scores = ops.Multiply(classes, there) if scaled else classes
    joined = ops.Concat((ops.Divide(centre, span), size, there, scores), 4)
    count = height * width * _count(layer)
    return ops.Reshape(joined, (batch, count, 5 + layer.section.integer("classes", 20)))


def _pairs(layer, numbers: list[float]) -> list[tuple[float, float]]:
    if len(numbers) % 2:
        raise InputError(f"[{layer.section.type}] in line {layer.section.line}: half an anchor")
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _count(layer) -> int:
    return len(layer.section.numbers("mask")) or layer.section.integer("num", 1)


@darknet.reads("yolo")
def yolo(layer, x):
    options = layer.section
    classes, scale = options.integer("classes", 20), options.number("scale_x_y", 1.0)
    pairs = _pairs(layer, options.numbers("anchors", float))
    mask = options.numbers("mask") or list(range(options.integer("num", 1)))
    if any(not 0 <= place < len(pairs) for place in mask):
        raise InputError(f"[yolo] in line {options.line}: masks {mask} of {len(pairs)} anchors")
    rows, sizes = _rows(layer, x, len(mask), classes)
    net = [layer.net.integer(name, 416) for name in ("width", "height")]
    if min(net) < 1:
        raise InputError(f"[net]: a picture of {net}")
    anchors = _anchors(layer, [(pairs[i][0] / net[0], pairs[i][1] / net[1]) for i in mask])
    cells = _cells(layer, *sizes[1:])
    ready = bool(options.integer("new_coords", 0))  # then the convolution has the logistic function already
    place = _part(rows, 0, 2) if ready else ops.Sigmoid(_part(rows, 0, 2))
    if scale != 1:
        place = ops.Subtract(ops.Multiply(place, scale), 0.5 * (scale - 1))
    said = _part(rows, 2, 4)
    size = ops.Multiply(ops.Square(ops.Multiply(said, 2.0)) if ready else ops.Exp(said), anchors)
    there, likely = _part(rows, 4, 5), _part(rows, 5, 5 + classes)
    if not ready:
        there, likely = ops.Sigmoid(there), ops.Sigmoid(likely)
    return _head(layer, sizes, ops.Add(cells, place), size, there, likely)


@darknet.reads("region")
def region(layer, x):
    options = layer.section
    classes, count = options.integer("classes", 20), options.integer("num", 1)
    if options.integer("coords", 4) != 4 or "tree" in options.options or options.integer("background", 0):
        raise Refusal(notimpl("a region with other coordinates, a tree of classes or a background"))
    numbers = options.numbers("anchors", float) or [0.5] * (2 * count)
    pairs = _pairs(layer, numbers)
    if len(pairs) != count:
        raise InputError(f"[region] in line {options.line}: {len(pairs)} anchors and {count} boxes")
    rows, sizes = _rows(layer, x, count, classes)
    _, height, width = sizes
    anchors = _anchors(layer, [(w / width, h / height) for w, h in pairs])
    place = ops.Add(_cells(layer, height, width), ops.Sigmoid(_part(rows, 0, 2)))
    size = ops.Multiply(ops.Exp(_part(rows, 2, 4)), anchors)
    there, likely = ops.Sigmoid(_part(rows, 4, 5)), _part(rows, 5, 5 + classes)
    likely = ops.Softmax(likely, 4) if options.integer("softmax", 0) else ops.Sigmoid(likely)
    return _head(layer, sizes, place, size, there, likely)


@darknet.reads("detection")
def detection(layer, x):
    """YOLO of the first version hands out its vector as it is."""
    if layer.section.integer("softmax", 0):
        raise Refusal(notimpl("a detection with a softmax"))
    layer.assembly.notes.append("[detection]: the vector of classes, objects and boxes is handed out as it is")
    return ops.Identity(x)
