"""The ONNX dialect: operators by name and by the version from which a signature holds."""

from __future__ import annotations

from collections.abc import Callable

from netglot.dialects.dialect import Dialect

onnx = Dialect("onnx", "ONNX")
"""The operators of ONNX. A reader is declared as `Squeeze-13`: the operator from version 13 of its domain on, up to
the next version that is declared. Operators of other domains have it in front: `com.microsoft.FusedMatMul-1`.

The positional parameters of a reader are the operator's inputs (None where absent), its keyword parameters the
attributes, with the standard's defaults. An input annotated `Known` is handed over as an array, because the shape of
the result depends on it; elements may be symbolic sizes.
"""


def reader_of(domain: str, name: str, version: int) -> Callable | None:
    """The reader of an operator in a version of its domain; None where there is none."""
    spelled = f"{domain}.{name}" if domain else name
    since = [v for v in _versions().get(spelled, ()) if v <= version]
    return onnx.readers[f"{spelled}-{max(since)}"] if since else None


def _versions() -> dict[str, list[int]]:
    """The versions for which readers are declared, by the name of the operator."""
    if len(onnx.readers) != _count[0]:
        _table.clear()
        for spelling in onnx.readers:
            name, _, version = spelling.rpartition("-")
            _table.setdefault(name, []).append(int(version))
        _count[0] = len(onnx.readers)
    return _table


_table: dict[str, list[int]] = {}
_count = [0]
