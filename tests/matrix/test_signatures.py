"""Readers take every argument of what they read, with the defaults that its framework declares."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

WHERE = {"out", "memory_format", "pin_memory", "device", "layout", "non_blocking", "generator", "implicit", "copy"}
"""Arguments of PyTorch that say where and how something is computed, not what."""


def _plain(held: Any) -> Any:
    """Lists that repeat one number as that number, texts as texts, and nothing for what is empty."""
    if isinstance(held, list | tuple):
        items = [_plain(one) for one in held]
        same = bool(items) and isinstance(items[0], int) and set(items) == {items[0]}
        return items[0] if same else tuple(items) or None
    return held.decode() if isinstance(held, bytes) else held


def _same(ours: Any, theirs: Any) -> bool:
    ours, theirs = _plain(ours), _plain(theirs)
    return ours == (pytest.approx(theirs) if isinstance(theirs, float) else theirs)


def test_readers_of_torch_take_what_the_schema_says():
    torch = pytest.importorskip("torch")
    import netglot.dialects.torch.ops  # noqa: F401  (fills the dialect)
    from netglot.dialects.torch.dialect import torch as dialect

    wrong, seen = [], 0
    for spelling, reader in dialect.readers.items():
        _, name, overload = spelling.split(".")
        packet = getattr(torch.ops.aten, name, None) if spelling.startswith("aten.") else None
        schema = getattr(getattr(packet, overload, None), "_schema", None)
        parameters = inspect.signature(reader).parameters
        for argument in schema.arguments if schema else ():
            seen += 1
            if argument.name not in parameters:
                wrong += [] if argument.name in WHERE else [f"{spelling} does not take {argument.name}"]
            elif argument.has_default_value() and not _same(parameters[argument.name].default, argument.default_value):
                wrong.append(f"{spelling}: {argument.name} is not {argument.default_value}")
    assert not wrong
    assert seen > 1000


def test_readers_of_onnx_take_what_the_schema_says():
    onnx = pytest.importorskip("onnx")
    import netglot.dialects.onnx.ops  # noqa: F401  (fills the dialect)
    from netglot.dialects.onnx.dialect import onnx as dialect

    wrong, seen = [], 0
    for spelling, reader in dialect.readers.items():
        name, _, version = spelling.rpartition("-")
        if "." in name or not onnx.defs.has(name):  # of other domains, or of older exporters
            continue
        parameters = inspect.signature(reader).parameters
        several = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())
        for attribute in onnx.defs.get_schema(name, int(version)).attributes.values():
            seen += 1
            held = attribute.default_value
            default = onnx.helper.get_attribute_value(held) if held.type else None
            if attribute.name not in parameters:
                wrong += [] if several else [f"{spelling} does not take {attribute.name}"]
            elif held.type and default != b"foward" and not _same(parameters[attribute.name].default, default):
                wrong.append(f"{spelling}: {attribute.name} is not {default}")
    assert not wrong
    assert seen > 400
