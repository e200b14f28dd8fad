"""The end of single-shot detection, a custom operator: boxes are decoded; the choice among them is the caller's."""

from __future__ import annotations

import numpy as np

from netglot.dialects.tflite.dialect import tflite
from netglot.dialects.tflite.node import LEFT_OUT
from netglot.errors import InputError
from netglot.formats.flexible import numbers
from netglot.pivot import ops
from netglot.pivot.op import shape_of


@tflite.reads("CUSTOM:TFLite_Detection_PostProcess")
def detection(node, moves, scores, anchors):
    options = numbers(node.operator.custom)
    scales = [float(options.get(f"{one}_scale", 0)) for one in "yxhw"]
    if not all(scales):
        raise InputError("the decoding of boxes has no scales")
    moves, scores = node.operand(moves), node.operand(scores)
    count = shape_of(moves)[1]
    table = np.asarray(node.array(anchors, "anchors"), "float32").reshape(1, -1, 4)
    centre, size = (node.operand(np.ascontiguousarray(table[..., part]), "anchors") for part in (slice(2), slice(2, 4)))
    if table.shape[1] != count:
        raise InputError(f"{table.shape[1]} anchors for {count} boxes")

    def scaled(start: int):
        held = node.operand(np.asarray(scales[start : start + 2], "float32"), "scales")
        return ops.Divide(ops.Slice(moves, 2, start, start + 2, 1), held)

    middle = ops.Add(ops.Multiply(scaled(0), size), centre)
    half = ops.Multiply(ops.Multiply(ops.Exp(scaled(2)), size), 0.5)
    node.interpreter.assembly.notes.append(
        "boxes (top, left, bottom, right) and scores are handed out in place of detections; still to do is non-maximum "
        f"suppression (overlap {options.get('nms_iou_threshold', 0):.3g}, scores above "
        f"{options.get('nms_score_threshold', 0):.3g}, the best {int(options.get('max_detections', 0))})"
    )
    boxes = ops.Concat((ops.Subtract(middle, half), ops.Add(middle, half)), 2)
    return [boxes, LEFT_OUT, ops.Identity(scores), LEFT_OUT]
