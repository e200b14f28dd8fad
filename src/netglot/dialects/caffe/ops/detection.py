"""Single-shot detection: prior boxes, and the decoding of boxes.

Prior boxes depend on sizes alone, so they are a table. What `DetectionOutput` throws away (boxes that overlap better
ones) has no shape before it runs: its boxes and scores are handed out instead, and a note says what is left to do.
"""

from __future__ import annotations

import math

import numpy as np

from netglot.dialects.caffe.dialect import caffe
from netglot.dialects.caffe.words import choice
from netglot.errors import InputError, Refusal, notimpl
from netglot.formats.record import Record
from netglot.pivot import ops
from netglot.pivot.op import shape_of


@caffe.reads("PriorBox")
def prior_box(layer, features, image):
    options = layer.options("prior_box_param")
    height, width = shape_of(features)[2:]
    image_height, image_width = shape_of(image)[2:]
    if not all(isinstance(size, int) for size in (height, width, image_height, image_width)):
        raise Refusal(notimpl("prior boxes of a picture whose size is not known", "fix the size: --input 1,3,300,300"))
    image_height, image_width = _sizes(options, "img", image_height, image_width)
    step_h, step_w = _steps(options, image_height / height, image_width / width)
    offset = options.number("offset", 0.5)
    sizes = _box_sizes(options)
    if height * width * len(sizes) > 10**7:
        raise InputError(f"layer {layer.spec.name}: {height * width * len(sizes)} prior boxes")
    y, x = np.mgrid[:height, :width].astype("float64")
    cx, cy = ((x + offset) * step_w)[..., None], ((y + offset) * step_h)[..., None]
    w, h = (np.array(side) for side in zip(*sizes, strict=True))
    boxes = np.stack(
        [
            (cx - w / 2) / image_width,
            (cy - h / 2) / image_height,
            (cx + w / 2) / image_width,
            (cy + h / 2) / image_height,
        ],
        -1,
    )
    if options.flag("clip"):
        boxes = boxes.clip(0, 1)
    variance = [float(one) for one in options.all("variance")] or [0.1]
    if len(variance) not in (1, 4):
        raise InputError(f"layer {layer.spec.name}: {len(variance)} variances")
    variances = np.broadcast_to(np.array(variance * (4 if len(variance) == 1 else 1)), boxes.shape)
    table = np.stack([boxes.reshape(-1), variances.reshape(-1)])[None]
    return layer.constant(table.astype("float32"))


def _sizes(options: Record, name: str, height: int, width: int) -> tuple[int, int]:
    both = options.integer(f"{name}_size", 0)
    return both or options.integer(f"{name}_h", 0) or height, both or options.integer(f"{name}_w", 0) or width


def _steps(options: Record, height: float, width: float) -> tuple[float, float]:
    both = options.number("step", 0.0)
    return both or options.number("step_h", 0.0) or height, both or options.number("step_w", 0.0) or width


def _box_sizes(options: Record) -> list[tuple[float, float]]:
    """Width and height of each box at one place: the square, the larger square, then the other shapes."""
    smallest, largest = options.all("min_size"), options.all("max_size")
    if not smallest or (largest and len(largest) != len(smallest)):
        raise InputError(f"{len(smallest)} smallest and {len(largest)} largest sizes of prior boxes")
    ratios = [1.0]
    for ratio in options.all("aspect_ratio"):
        if not any(abs(ratio - one) < 1e-6 for one in ratios):
            ratios += [float(ratio), 1 / ratio] if options.flag("flip", True) else [float(ratio)]
    found = []
    for i, least in enumerate(smallest):
        found.append((float(least), float(least)))
        if largest:
            found.append((math.sqrt(least * largest[i]),) * 2)
        found += [(least * math.sqrt(r), least / math.sqrt(r)) for r in ratios[1:]]
    return found


@caffe.reads("DetectionOutput")
def detection_output(layer, location, confidence, priors, *rest):
    options = layer.options("detection_output_param")
    if rest:
        raise Refusal(notimpl("detection refined in two stages"))
    classes = options.integer("num_classes")
    shared = options.flag("share_location", True)
    boxes = _decoded(layer, options, location, priors, 1 if shared else classes)
    batch, count = shape_of(boxes)[:2]
    scores = ops.Reshape(confidence, (batch, count, classes))
    nms = options.record("nms_param")
    layer.assembly.notes.append(
        f"{layer.spec.name}: boxes and scores are handed out; still to do is non-maximum suppression (overlap "
        f"{nms.number('nms_threshold', 0.3):g}, at most {nms.integer('top_k', -1)} a class, scores above "
        f"{options.number('confidence_threshold', 0.0):g}, class {options.integer('background_label_id', 0)} is "
        f"background, the best {options.integer('keep_top_k', -1)} in all)"
    )
    return {"boxes": boxes, "scores": scores}


def _decoded(layer, options: Record, location, priors, classes: int):
    """Boxes (batch, count, 4), or (batch, count, classes, 4): left, top, right, bottom."""
    count = shape_of(priors)[2] // 4
    batch = shape_of(location)[0]
    table = ops.Reshape(priors, (2, count, 4))
    shape = (batch, count, 4) if classes == 1 else (batch, count, classes, 4)
    table_shape = (1, count, 4) if classes == 1 else (1, count, 1, 4)
    rank = len(shape)
    moves = ops.Reshape(location, shape)
    box = ops.Reshape(ops.Select(table, 0, 0), table_shape)
    if not options.flag("variance_encoded_in_target"):
        moves = ops.Multiply(moves, ops.Reshape(ops.Select(table, 0, 1), table_shape))
    kind = choice(options, "code_type", ("", "CORNER", "CENTER_SIZE", "CORNER_SIZE"), "CORNER")
    if kind == "CORNER":
        return ops.Add(box, moves)
    first, last = (ops.Slice(box, rank - 1, a, a + 2, 1) for a in (0, 2))
    near, far = (ops.Slice(moves, rank - 1, a, a + 2, 1) for a in (0, 2))
    size = ops.Subtract(last, first)
    if kind == "CORNER_SIZE":
        corners = [ops.Add(corner, ops.Multiply(move, size)) for corner, move in ((first, near), (last, far))]
        return ops.Concat(tuple(corners), rank - 1)
    centre = ops.Add(ops.Divide(ops.Add(first, last), 2.0), ops.Multiply(near, size))
    half = ops.Divide(ops.Multiply(ops.Exp(far), size), 2.0)
    return ops.Concat((ops.Subtract(centre, half), ops.Add(centre, half)), rank - 1)
