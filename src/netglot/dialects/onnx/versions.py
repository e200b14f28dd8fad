"""The version of the standard that is being written."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Iterator
from contextvars import ContextVar

from netglot.dialects.onnx.attributes import schema_of
from netglot.errors import Refusal, RequestError, never

USUAL, OLDEST = 20, 18
"""The version that is written unless another is asked for, which runtimes of the last years know; and the oldest."""

_IR = {18: 8, 19: 9, 20: 10, 21: 10, 22: 10, 23: 11, 24: 12}
"""The version of the file's own form that goes with a version of the standard, of the older ones."""

_current: ContextVar[int] = ContextVar("opset", default=USUAL)


def opset() -> int:
    """The version that is being written."""
    return _current.get()


def chosen(asked: int | None) -> int:
    """The version to write.

    Raises:
        RequestError: it is older than what is written, or newer than what the installed package knows.
    """
    if asked is None:
        return USUAL
    from onnx.defs import onnx_opset_version

    newest = onnx_opset_version()
    if not OLDEST <= asked <= newest:
        raise RequestError(
            f"netglot does not write version {asked} of ONNX's operators",
            advice=f"one from {OLDEST} to {newest}, the newest that the installed onnx knows",
        )
    return asked


@contextlib.contextmanager
def writing(version: int) -> Iterator[None]:
    """Writers within see this version."""
    token = _current.set(version)
    try:
        yield
    finally:
        _current.reset(token)


def known_in_version(kind: str, options: Iterable[str]) -> None:
    """Checks that the version has an operator with these attributes.

    Raises:
        Refusal: only a newer one has.
    """
    if _has(kind, frozenset(options), opset()):
        return
    from onnx.defs import onnx_opset_version

    newer = next((v for v in range(opset(), onnx_opset_version() + 1) if _has(kind, frozenset(options), v)), None)
    advice = None if newer is None else f"ask for --opset {newer}"
    raise Refusal(never(f"version {opset()} of the standard has no such {kind}", advice))


@functools.cache
def _has(kind: str, options: frozenset[str], version: int) -> bool:
    schema = schema_of("", kind, version)
    return schema is not None and options.issubset(schema.attributes)


def file_version(version: int) -> int:
    """The version of the file's form for a version of the standard."""
    from onnx import helper

    return _IR.get(version) or helper.OP_SET_ID_VERSION_MAP["ai.onnx", version]
