"""Single-shot detection: anchors, which depend on sizes alone and are a table, and the decoding of boxes.

What `MultiBoxDetection` throws away has no shape before it runs: its boxes and scores are handed out instead, and a
note says what is left to do.
"""

from __future__ import annotations

import numpy as np

from netglot.dialects.mxnet.dialect import mxnet
from netglot.errors import InputError, Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.op import shape_of


def _numbers(work, name: str, default: tuple) -> tuple[float, ...]:
    held = work.node.value(name, default)
    held = held if isinstance(held, tuple | list) else (held,)
    if not held or not all(isinstance(one, int | float) for one in held):
        raise InputError(f"{work.node.name}: {name} is {held!r}")
    return tuple(float(one) for one in held)


@mxnet.reads("_contrib_MultiBoxPrior", "_npx_multibox_prior")
def multi_box_prior(work, x):
    height, width = shape_of(x)[2:]
    if not isinstance(height, int) or not isinstance(width, int):
        raise Refusal(notimpl("anchors of a picture whose size is not known", "fix the size: --input 1,3,300,300"))
    sizes, ratios = _numbers(work, "sizes", (1.0,)), _numbers(work, "ratios", (1.0,))
    steps, offsets = _numbers(work, "steps", (-1.0, -1.0)), _numbers(work, "offsets", (0.5, 0.5))
    if height * width * (len(sizes) + len(ratios)) > 10**7 or min(*ratios, 1.0) <= 0:
        raise InputError(f"{work.node.name}: {height * width} places with anchors of {list(ratios)}")
    down, right = (step if step > 0 else 1 / n for step, n in zip(steps, (height, width), strict=True))
    row, column = np.mgrid[:height, :width].astype("float64")
    y, x = ((row + offsets[0]) * down)[..., None], ((column + offsets[1]) * right)[..., None]
    shapes = [(size, ratios[0]) for size in sizes] + [(sizes[0], ratio) for ratio in ratios[1:]]
    w = np.array([size * height / width * ratio**0.5 / 2 for size, ratio in shapes])
    h = np.array([size / ratio**0.5 / 2 for size, ratio in shapes])
    table = np.stack([x - w, y - h, x + w, y + h], -1).reshape(1, -1, 4)
    table = table.clip(0, 1) if work.node.flag("clip") else table
    return work.assembly.constant(table.astype("float32"), f"{work.path}.anchors")


@mxnet.reads("_contrib_MultiBoxDetection", "_npx_multibox_detection")
def multi_box_detection(work, scores, moves, anchors):
    node = work.node
    variances = _numbers(work, "variances", (0.1, 0.1, 0.2, 0.2))
    if len(variances) != 4:
        raise InputError(f"{node.name}: {len(variances)} variances")
    count = shape_of(anchors)[1]
    moves = ops.Reshape(moves, (shape_of(scores)[0], count, 4))
    near, far = (ops.Slice(anchors, 2, a, a + 2, 1) for a in (0, 2))
    size, centre = ops.Subtract(far, near), ops.Multiply(ops.Add(near, far), 0.5)
    along, across = (
        ops.Multiply(ops.Slice(moves, 2, a, a + 2, 1), work.assembly.constant(np.array(held, "float32"), node.name))
        for a, held in ((0, variances[:2]), (2, variances[2:]))
    )
    middle = ops.Add(ops.Multiply(along, size), centre)
    half = ops.Multiply(ops.Multiply(ops.Exp(across), size), 0.5)
    boxes = ops.Concat((ops.Subtract(middle, half), ops.Add(middle, half)), 2)
    work.assembly.notes.append(
        f"{node.name}: boxes and scores are handed out; still to do is non-maximum suppression (overlap "
        f"{node.number('nms_threshold', 0.5):g}, the best {node.integer('nms_topk', -1)}, scores above "
        f"{node.number('threshold', 0.01):g}, class {node.integer('background_id', 0)} is background, "
        f"{'all classes together' if node.flag('force_suppress') else 'each class alone'})"
    )
    boxes = ops.Clip(boxes, 0.0, 1.0) if node.flag("clip", True) else boxes
    return {"boxes": boxes, "scores": ops.Permute(scores, (0, 2, 1))}
