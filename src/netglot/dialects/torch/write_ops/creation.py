"""Tensors that PyTorch makes from sizes and numbers, where the tensors at hand are."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.dialects.torch.write_ops.words import DEVICE, dtype_name
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.op import type_of
from netglot.source.spell import OMIT, Method, call, unless

_NAMED = {0: "torch.zeros", 1: "torch.ones"}


def _made(dtype: str, usual: str = "float32") -> dict:
    """The options that all functions share; `usual` is the dtype that they have without one."""
    return {"dtype": OMIT if dtype == usual else dtype_name(dtype), "device": DEVICE}


@torch.writes(ops.Full)
def full(op):
    named = None if isinstance(op.value, bool) else _NAMED.get(op.value)
    if named:
        return call(named, op.shape, **_made(op.dtype))
    usual = "bool" if isinstance(op.value, bool) else "int64" if isinstance(op.value, int | Dim) else "float32"
    return call("torch.full", op.shape, op.value, **_made(op.dtype, usual))


@torch.writes(ops.Arange)
def arange(op):
    bounds = (op.stop,) if op.start == 0 and op.step == 1 else (op.start, op.stop)
    bounds = (*bounds, op.step) if op.step != 1 else bounds
    usual = "float32" if any(isinstance(b, float) for b in (op.start, op.stop, op.step)) else "int64"
    return call("torch.arange", *bounds, **_made(op.dtype, usual))


@torch.writes(ops.Linspace)
def linspace(op):
    return call("torch.linspace", op.start, op.stop, op.num, **_made(op.dtype))


@torch.writes(ops.Eye)
def eye(op):
    sizes = (op.rows,) if op.rows == op.columns else (op.rows, op.columns)
    return call("torch.eye", *sizes, **_made(op.dtype))


@torch.writes(ops.Tril)
def tril(op):
    return call("torch.tril", op.x, diagonal=unless(op.diagonal, 0))


@torch.writes(ops.Triu)
def triu(op):
    return call("torch.triu", op.x, diagonal=unless(op.diagonal, 0))


@torch.writes(ops.OneHot)
def one_hot(op):
    places = op.x if type_of(op.x).dtype == "int64" else Method(op.x, "long")
    rows = call("F.one_hot", places, op.classes)
    return rows if op.dtype == "int64" else Method(rows, "to", (dtype_name(op.dtype),))
