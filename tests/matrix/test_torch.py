"""What the PyTorch dialect reads means what PyTorch computes, in double precision."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest
import samples
from harness import DROPPED, aten, difference, in_torch

from netglot.dialects.torch import ops as _families  # noqa: F401
from netglot.dialects.torch.dialect import torch as dialect
from netglot.errors import Refusal
from netglot.pivot.op import rand

ATEN = [name for name in dialect.readers if name.startswith("aten.") and aten(name) is not None]


@pytest.mark.parametrize("name", ATEN)
def test_signature_is_that_of_the_schema(name):
    schema = list(aten(name)._schema.arguments)
    ours = dict(inspect.signature(dialect.readers[name]).parameters)
    wanted = [a for a in schema if a.name not in DROPPED or a.name in ours]
    given = list(ours.values())
    assert len(given) == len(wanted), f"{name}: the schema has {[a.name for a in wanted]}"
    dropped = False  # what follows an argument that the reader is never given by keyword needs a default
    for parameter, argument in zip(given, wanted, strict=True):
        dropped = dropped or argument.name in DROPPED
        if argument.name != "self":
            assert parameter.name.rstrip("_") == argument.name
        if argument.has_default_value():
            assert plain(parameter.default) == plain(argument.default_value), f"{name}: default of {argument.name}"
        elif not dropped:
            assert parameter.default is inspect.Parameter.empty, f"{name}: {argument.name} has no default"


def plain(value):
    """A default without the difference of lists, tuples and repeated numbers."""
    if isinstance(value, list | tuple):
        values = {plain(v) for v in value}
        return values.pop() if len(values) == 1 else tuple(value)
    return str(value).removeprefix("torch.") if type(value).__module__ == "torch" else value


def declared_samples():
    """The calls that the files in `samples/` list: (ATen name, arguments, options)."""
    for module in pkgutil.iter_modules(samples.__path__):
        yield from importlib.import_module(f"samples.{module.name}").SAMPLES


def derived_samples(known):
    """Calls for the operators whose schema says enough: one or two tensors, the rest by default."""
    for name in ATEN:
        if name in known or "empty" in name:  # what is not initialised cannot be compared
            continue
        required = [a for a in aten(name)._schema.arguments if not a.has_default_value()]
        if required and len(required) <= 3 and all(str(a.type) == "Tensor" for a in required):
            yield name, tuple(rand(2, 3, 4, seed=i) for i, _ in enumerate(required)), {}


DECLARED = list(declared_samples())
DERIVED = list(derived_samples({name for name, _, _ in DECLARED}))


def check(name, arguments, options):
    """Compares one call with what is read, or skips where the dialect refuses it."""
    try:
        ours, theirs = in_torch(name, arguments, options)
    except Refusal as refusal:
        assert refusal.reason.text
        pytest.skip(str(refusal.reason))
    assert 1 <= len(ours) <= len(theirs)
    for mine, other in zip(ours, theirs, strict=False):
        if mine is None:
            continue
        assert mine.dtype == other.dtype
        assert difference(mine, other) <= 1e-9


@pytest.mark.parametrize(
    ("name", "arguments", "options"), DECLARED, ids=[f"{n}-{i}" for i, (n, *_) in enumerate(DECLARED)]
)
def test_reading_means_what_torch_computes(name, arguments, options):
    check(name, arguments, options)


@pytest.mark.parametrize(("name", "arguments", "options"), DERIVED, ids=[n for n, *_ in DERIVED])
def test_reading_means_what_torch_computes_on_plain_tensors(name, arguments, options):
    try:
        aten(name)(*map(importlib.import_module("torch").from_numpy, map(np.copy, arguments)))
    except (RuntimeError, IndexError, TypeError) as error:
        pytest.skip(f"no plain floats: {str(error).splitlines()[0]}")
    check(name, arguments, options)


def test_every_reader_is_tried():
    tried = {dialect.readers[name] for name, _, _ in [*DECLARED, *DERIVED]}
    uncomparable = {"aten.empty.memory_format", "aten.to.device"}
    untried = sorted({name for name in ATEN if dialect.readers[name] not in tried} - uncomparable)
    assert untried == [], "add calls to tests/matrix/samples"
