"""Steps by how they treat axes, see `emitter`."""

from __future__ import annotations

from typing import Any

from netglot.dialects.steps import step


def each(kind: str, *operands: Any, **options: Any) -> Any:
    """A function of elements; operands broadcast."""
    return step(kind, *operands, rule="each", **options)


def along(kind: str, *operands: Any, axes: tuple = (), **options: Any) -> Any:
    """A function along some axes of its first operand."""
    return step(kind, *operands, rule="along", axes=tuple(axes), **options)


def window(kind: str, *operands: Any, shape: tuple, **options: Any) -> Any:
    """A function of pictures."""
    return step(kind, *operands, rule="window", shape=tuple(shape), **options)
