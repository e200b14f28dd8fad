"""PyTorch's dropouts."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.write_ops.words import TRAINING, moved, order_for
from netglot.errors import Refusal, notimpl
from netglot.pivot import ops
from netglot.pivot.op import shape_of
from netglot.source.spell import Layer, call

_MAPS = (3, 4, 5)
"""The ranks of inputs whose whole feature maps PyTorch drops."""


@torch.arranges(ops.Dropout, ops.AlphaDropout)
def channels_second(op):
    """Whole feature maps are dropped where the channels are at axis 1."""
    rank = len(shape_of(op.x))
    if rank not in _MAPS or len(op.noise_axes) != 2 or 0 not in op.noise_axes:
        return None
    (channels,) = (axis for axis in op.noise_axes if axis)
    rest = [axis for axis in range(1, rank) if axis != channels]
    return moved(order_for(rank, (0, channels), rest), "x", "out")


@torch.writes(ops.Dropout)
def dropout(op):
    rank = len(shape_of(op.x))
    if len(op.noise_axes) == rank:
        kind = ""
    elif rank in _MAPS and tuple(sorted(op.noise_axes)) == (0, 1):
        kind = f"{rank - 2}d"
    elif tuple(op.noise_axes) == (0,):
        return Layer("StochasticDepth", (op.x,), arguments=(op.rate,), helper="StochasticDepth")
    else:
        return Layer("SharedDropout", (op.x,), arguments=(op.rate, tuple(op.noise_axes)), helper="SharedDropout")
    function = call(f"F.dropout{kind}", op.x, op.rate, training=TRAINING)
    return Layer(f"nn.Dropout{kind}", (op.x,), arguments=(op.rate,), function=function)


@torch.writes(ops.AlphaDropout)
def alpha_dropout(op):
    rank = len(shape_of(op.x))
    if len(op.noise_axes) == rank:
        return Layer("nn.AlphaDropout", (op.x,), arguments=(op.rate,))
    if tuple(sorted(op.noise_axes)) == (0, 1):
        return Layer("nn.FeatureAlphaDropout", (op.x,), arguments=(op.rate,))
    raise Refusal(notimpl(f"alpha dropout that decides once for all but the axes {tuple(op.noise_axes)}"))
