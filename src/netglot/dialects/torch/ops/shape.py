"""ATen's views, joins, splits and pads. Aliasing is gone: the exported graph has no writes through views."""

from __future__ import annotations

from netglot.dialects.torch.dialect import torch
from netglot.errors import Refusal, never, notimpl
from netglot.pivot import dims, ops
from netglot.pivot.graph import Parameter
from netglot.pivot.op import FLOATS, broadcast_shapes, normal_axis, shape_of, type_of


def rank_of(x) -> int:
    """The number of axes of a tensor."""
    return len(shape_of(x))


def reshaped(x, shape):
    """`x` in `shape`, in which one size may be -1; `x` itself where nothing changes."""
    shape = list(shape)
    if -1 in [size for size in shape if isinstance(size, int)]:
        hole = next(i for i, size in enumerate(shape) if isinstance(size, int) and size == -1)
        others = dims.product(shape[:hole] + shape[hole + 1 :])
        shape[hole] = 0 if others == 0 else dims.floordiv(dims.product(shape_of(x)), others)
    return x if tuple(shape) == tuple(shape_of(x)) else ops.Reshape(x, shape=tuple(shape))


def permuted(x, axes):
    """`x` with its axes in another order; `x` itself where nothing changes."""
    axes = tuple(axes)
    return x if axes == tuple(range(len(axes))) else ops.Permute(x, axes=axes)


def broadcast(x, shape):
    """`x` filled to `shape`; `x` itself where nothing changes."""
    return x if tuple(shape) == tuple(shape_of(x)) else ops.Broadcast(x, shape=tuple(shape))


def cast(x, dtype: str | None):
    """`x` in `dtype`; `x` itself where nothing changes."""
    return x if dtype is None or type_of(x).dtype == dtype else ops.Cast(x, dtype=dtype)


def sliced(x, axis: int, start, stop, step: int = 1):
    """The range of an axis; `x` itself where that is all of it."""
    whole = start == 0 and stop == shape_of(x)[axis] and step == 1
    return x if whole else ops.Slice(x, axis=axis, start=start, stop=stop, step=step)


# --- identity and dtype


@torch.reads("aten.clone.default", "aten.contiguous.default", "aten.alias.default", "aten.lift_fresh_copy.default")
@torch.reads("aten.lift_fresh.default", "aten.resolve_conj.default", "aten.resolve_neg.default")
@torch.reads("aten.data.default", "aten.pin_memory.default")
def identity(self):
    return self


@torch.reads("aten.detach.default")
def detach(self):
    constant = isinstance(self, Parameter) and not self.trainable
    return self if constant or type_of(self).dtype not in FLOATS else ops.StopGradient(self)


@torch.reads("aten._to_copy.default")
def to_copy(self, dtype=None, non_blocking=False):
    return cast(self, dtype)


@torch.reads("aten.to.dtype")
def to_dtype(self, dtype, non_blocking=False, copy=False, memory_format=None):
    return cast(self, dtype)


@torch.reads("aten.to.dtype_layout")
def to_dtype_layout(self, dtype=None, non_blocking=False, copy=False, memory_format=None):
    return cast(self, dtype)


@torch.reads("aten.to.device")
def to_device(self, device=None, dtype=None, non_blocking=False, copy=False, memory_format=None):
    return cast(self, dtype)


@torch.reads("aten.to.other")
def to_other(self, other, non_blocking=False, copy=False, memory_format=None):
    return cast(self, type_of(other).dtype)


@torch.reads("aten.type_as.default")
def type_as(self, other):
    return cast(self, type_of(other).dtype)


@torch.reads("aten.copy.default")
def copy(self, src, non_blocking=False):
    return broadcast(cast(src, type_of(self).dtype), shape_of(self))


# --- shape


@torch.reads("aten.view.default", "aten._unsafe_view.default", "aten.view_copy.default")
def view(self, size):
    return reshaped(self, size)


@torch.reads("aten._reshape_alias.default")
def reshape_alias(self, size, stride):
    return reshaped(self, size)


@torch.reads("aten.reshape.default")
def reshape(self, shape):
    return reshaped(self, shape)


@torch.reads("aten.view_as.default", "aten.reshape_as.default")
def view_as(self, other):
    return reshaped(self, shape_of(other))


@torch.reads("aten.view.dtype", "aten.view_copy.dtype")
def view_dtype(self, dtype):
    if dtype == type_of(self).dtype:
        return self
    raise Refusal(notimpl("the bits of a tensor are read as another dtype", "use .to(dtype) where the value is meant"))


torch.refuses_reading(
    "aten.as_strided.default",
    never(
        "as_strided reads memory in an order that a graph of tensors does not have", "use reshape, unfold or indexing"
    ),
)


@torch.reads("aten.flatten.using_ints")
def flatten(self, start_dim=0, end_dim=-1):
    shape = shape_of(self)
    if not shape:
        return reshaped(self, (1,))
    start, end = normal_axis(start_dim, len(shape)), normal_axis(end_dim, len(shape))
    return reshaped(self, (*shape[:start], dims.product(shape[start : end + 1]), *shape[end + 1 :]))


@torch.reads("aten.ravel.default")
def ravel(self):
    return reshaped(self, (dims.product(shape_of(self)),))


@torch.reads("aten.unflatten.int")
def unflatten(self, dim, sizes):
    shape, axis = shape_of(self), normal_axis(dim, rank_of(self))
    sizes = list(sizes)
    known = [size for size in sizes if not (isinstance(size, int) and size == -1)]
    sizes = [dims.floordiv(shape[axis], dims.product(known)) if isinstance(s, int) and s == -1 else s for s in sizes]
    return reshaped(self, (*shape[:axis], *sizes, *shape[axis + 1 :]))


@torch.reads("aten.squeeze.default", "aten.squeeze_copy.default")
def squeeze(self):
    return reshaped(self, [size for size in shape_of(self) if size != 1])


@torch.reads("aten.squeeze.dim", "aten.squeeze.dims", "aten.squeeze_copy.dim", "aten.squeeze_copy.dims")
def squeeze_axes(self, dim):
    asked = [dim] if isinstance(dim, int) else dim
    axes = {normal_axis(axis, rank_of(self)) for axis in asked}
    return reshaped(self, [size for axis, size in enumerate(shape_of(self)) if size != 1 or axis not in axes])


@torch.reads("aten.unsqueeze.default", "aten.unsqueeze_copy.default")
def unsqueeze(self, dim):
    shape = list(shape_of(self))
    shape.insert(normal_axis(dim, len(shape) + 1), 1)
    return reshaped(self, shape)


@torch.reads("aten.expand.default", "aten.expand_copy.default")
def expand(self, size, implicit=False):
    shape = shape_of(self)
    own = (1,) * (len(size) - len(shape)) + tuple(shape)
    return broadcast(self, [o if isinstance(s, int) and s == -1 else s for s, o in zip(size, own, strict=True)])


@torch.reads("aten.broadcast_to.default")
def broadcast_to(self, size):
    return expand(self, size)


@torch.reads("aten.expand_as.default")
def expand_as(self, other):
    return broadcast(self, shape_of(other))


@torch.reads("aten.broadcast_tensors.default")
def broadcast_tensors(tensors):
    shape = broadcast_shapes(*(shape_of(x) for x in tensors))
    return [broadcast(x, shape) for x in tensors]


@torch.reads("aten.atleast_1d.default")
def atleast_1d(self):
    return reshaped(self, (1,)) if rank_of(self) == 0 else self


@torch.reads("aten.atleast_2d.default")
def atleast_2d(self):
    return reshaped(self, (1,) * (2 - rank_of(self)) + tuple(shape_of(self))) if rank_of(self) < 2 else self


@torch.reads("aten.atleast_3d.default")
def atleast_3d(self):
    shape = tuple(shape_of(self))
    return reshaped(self, {0: (1, 1, 1), 1: (1, *shape, 1), 2: (*shape, 1)}.get(len(shape), shape))


@torch.reads("aten.atleast_1d.Sequence")
def atleast_1d_each(tensors):
    return [atleast_1d(x) for x in tensors]


@torch.reads("aten.atleast_2d.Sequence")
def atleast_2d_each(tensors):
    return [atleast_2d(x) for x in tensors]


@torch.reads("aten.atleast_3d.Sequence")
def atleast_3d_each(tensors):
    return [atleast_3d(x) for x in tensors]


# --- order of axes


@torch.reads("aten.permute.default", "aten.permute_copy.default")
def permute(self, dims):
    return permuted(self, (normal_axis(axis, rank_of(self)) for axis in dims))


def swapped(x, first: int, second: int):
    """`x` with two axes exchanged."""
    axes = list(range(rank_of(x)))
    if axes:
        first, second = normal_axis(first, len(axes)), normal_axis(second, len(axes))
        axes[first], axes[second] = axes[second], axes[first]
    return permuted(x, axes)


@torch.reads("aten.transpose.int", "aten.swapdims.default", "aten.transpose_copy.int")
def transpose(self, dim0, dim1):
    return swapped(self, dim0, dim1)


@torch.reads("aten.swapaxes.default")
def swapaxes(self, axis0, axis1):
    return swapped(self, axis0, axis1)


@torch.reads("aten.t.default", "aten.t_copy.default")
def t(self):
    return self if rank_of(self) < 2 else swapped(self, 0, 1)


@torch.reads("aten.numpy_T.default")
def numpy_t(self):
    return permuted(self, reversed(range(rank_of(self))))


@torch.reads("aten.mT.default")
def matrix_t(self):
    return swapped(self, -2, -1)


@torch.reads("aten.mH.default", "aten.adjoint.default", "aten.matrix_H.default")
def adjoint(self):
    if type_of(self).dtype.startswith("complex"):
        raise Refusal(notimpl("complex tensors"))
    return swapped(self, -2, -1)


@torch.reads("aten.movedim.int", "aten.movedim.intlist", "aten.moveaxis.int", "aten.moveaxis.intlist")
def movedim(self, source, destination):
    rank = rank_of(self)
    source, destination = ([axes] if isinstance(axes, int) else axes for axes in (source, destination))
    target = {normal_axis(d, rank): normal_axis(s, rank) for s, d in zip(source, destination, strict=True)}
    others = iter([axis for axis in range(rank) if axis not in target.values()])
    return permuted(self, [target[axis] if axis in target else next(others) for axis in range(rank)])
