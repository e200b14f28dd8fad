"""The inputs that a file declares, fitted with those that the user describes."""

from __future__ import annotations

from typing import Any

from netglot.errors import InputError, RequestError
from netglot.pivot.dims import Dim

BATCH = Dim.symbol("B")


def fitted(
    declared: list[tuple[str, tuple]],
    given: Any,
    free: bool,
    dtypes: list[str] | None = None,
    axis: int = 0,
    scalars: bool = False,
    whole: frozenset[str] = frozenset(),
) -> list[tuple[tuple, str]]:
    """The shape and dtype of each input.

    Sizes that the file leaves open (0, negative or None) become symbols. With `free` the batch is open, if all inputs
    agree on it. What the user says of an input, by name or by position, is taken. An empty shape is one that the file
    does not say, or with `scalars` that of a number. Those of `whole` have no batch.

    Raises:
        RequestError: the user describes an input that is not there, or one of another rank.
        InputError: the file says nothing of an input's shape, and neither does the user.
    """
    from netglot.frontend.inputs import parse_inputs, tensors_only

    asked = tensors_only(parse_inputs(given))
    if len({spec.first for spec in asked.specs} - {None}) > 1:  # what begins with other numbers is no batch
        asked = asked.as_given()
    named = dict(asked.keyword)
    unnamed = list(asked.positional)
    names = [name for name, _ in declared]
    shapes = []
    for number, (name, shape) in enumerate(declared):
        spec = named.pop(name, None) or named.pop(_plain(name), None) or (unnamed.pop(0) if unnamed else None)
        dtype = dtypes[number] if dtypes else "float32"
        if spec is not None:
            _agree(name, shape, spec.shape)
            said = tuple(spec.shape)
            if not free:  # an open batch that the user wrote as a number
                known = shape[axis] if len(shape) > axis and isinstance(shape[axis], int) and shape[axis] > 0 else 0
                known = known or spec.first or 1
                said = tuple(known if size == BATCH else size for size in said)
            shapes.append((said, spec.dtype if spec.dtype != "float32" else dtype, True))
            continue
        if not shape and not scalars:
            raise InputError(
                f"the file does not say the shape of the input {name!r}",
                advice=f"say it: --input {_plain(name)}=1,3,224,224",
            )
        shapes.append((tuple(_open(size, number, i) for i, size in enumerate(shape)), dtype, False))
    if named or unnamed:
        extra = ", ".join(named) or f"{len(unnamed)} more"
        raise RequestError(f"the network has no input {extra}", advice=f"its inputs are {', '.join(names)}")
    beginnings = [shape for name, (shape, _, _) in zip(names, shapes, strict=True) if name not in whole]
    batches = {shape[axis] if axis < len(shape) else None for shape in beginnings}
    together = free and len(batches) == 1 and isinstance(next(iter(batches)), int)
    result = []
    for name, (shape, dtype, said) in zip(names, shapes, strict=True):
        if together and name not in whole and len(shape) > axis and not (said and len(shape) < 2):
            shape = (*shape[:axis], BATCH, *shape[axis + 1 :])
        result.append((shape, dtype))
    return result


def _plain(name: str) -> str:
    from netglot.dialects.assembly import identifier

    return identifier(name)


def _open(size: Any, number: int, axis: int) -> int | Dim:
    if isinstance(size, Dim) or (isinstance(size, int) and size > 0):
        return size
    return BATCH if axis == 0 else Dim.symbol(f"{'_TUVWXYZ'[min(axis, 7)]}{number or ''}")


def _agree(name: str, declared: tuple, given: tuple) -> None:
    if declared and len(declared) != len(given):
        raise RequestError(
            f"the input {name!r} has {len(declared)} axes and not {len(given)}",
            advice=f"the file says {list(declared)}",
        )
