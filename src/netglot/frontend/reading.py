"""What was asked for, read as a graph: every kind of source, and the sizes that it is tried with."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from netglot.errors import NetglotError, Refusal, UnsupportedOps, UserCodeError
from netglot.frontend.inputs import Inputs, InputSpec, as_numpy, draw
from netglot.frontend.request import Request
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Graph
from netglot.pivot.op import TensorType

UNREAD = UserCodeError, Refusal, UnsupportedOps
Found = tuple[Graph, dict[str, int]]


def read_graph(request: Request) -> tuple[Graph, dict[str, int]]:
    """The graph, and the sizes that symbols had while it was captured."""
    if request.kind == "keras":
        from netglot.dialects.keras.read import call_of, read_keras

        request.inputs = Inputs(*call_of(request.network, request.inputs or None))
        return _or_as_given(request, lambda: (read_keras(request.network, inputs=request.inputs), {}))
    if request.kind == "graph":
        from netglot.verify.open_sizes import open_sizes

        return request.network, open_sizes(request.network)
    if request.kind == "exported":
        return _read_exported(request), {}
    if request.kind == "saved_model":
        from netglot.formats.saved_model import read_served

        types = {str(spec.name): TensorType(spec.dtype, spec.shape) for spec in request.inputs.specs}
        return read_served(request.network, inputs=types), {}
    from netglot.dialects.torch.read import read as read_torch

    def attempt() -> tuple[Graph, dict[str, int]]:
        last: UserCodeError | None = None
        for sizes in _size_choices(request):
            args, kwargs = request.inputs.map(lambda spec, sizes=sizes: _example(spec, sizes))
            try:
                return read_torch(request.network, args, kwargs, symbols=request.symbols(), name=request.name), sizes
            except UserCodeError as error:
                last = last or error
        assert last is not None
        raise last

    return _or_as_given(request, attempt)


def _or_as_given(request: Request, read: Callable[[], Found]) -> Found:
    """What is read with the first axis of each input open; where the network does not run so, or cannot be read so, at
    the sizes that were given."""
    opened, told = request.inputs, len(request.notes)
    try:
        return read()
    except UNREAD as error:
        if not hold_given(request, error):
            raise
        failed = error
    try:
        return read()
    except UNREAD:
        request.inputs = opened
        del request.notes[told:]
        raise failed from None


def hold_given(request: Request, failed: NetglotError) -> bool:
    """Fixes the first axis of each input at the number that was given, and notes why; False where none was given."""
    if all(spec.first is None for spec in request.inputs.specs):
        return False
    request.inputs = request.inputs.as_given()
    why = str(failed.refused[0].reason) if isinstance(failed, UnsupportedOps) else failed.message
    why = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", why).split())
    request.notes.append(f"the first axis of each input has the size that was given: with others, {why}")
    return True


def _read_exported(request: Request) -> Graph:
    """The graph of an exported program, which says itself what it is called with; the user's ranges are kept."""
    import torch

    from netglot.dialects.torch.exported import called_with, read_exported

    ranges = iter(request.inputs.specs)

    def spec(shape: tuple, dtype: str) -> InputSpec:
        given = next(ranges, None)
        low, high = (given.low, given.high) if given else (None, None)
        return InputSpec(tuple(int(size) for size in shape), dtype, low=low, high=high)

    if request.source.kind == "exported":
        request.program = Path(request.source.where).read_bytes()
    else:  # before it is read, which settles sizes that were symbolic
        kept = io.BytesIO()
        torch.export.save(request.network, kept)
        request.program = kept.getvalue()
    graph = read_exported(request.network, name=request.name)
    request.inputs = Inputs(*called_with(request.network, spec))
    return graph


def _example(spec: InputSpec, sizes: dict[str, int]) -> Any:
    """A tensor like the spec; only its kind matters, because capture computes nothing."""
    import torch

    array = draw(spec, sizes, np.random.default_rng(0))
    if spec.dtype == "bfloat16":
        return torch.from_numpy(array.astype(np.float32)).to(torch.bfloat16)
    return torch.from_numpy(np.asarray(array))


def _size_choices(request: Request) -> Iterator[dict[str, int]]:
    """Sizes for the symbols: never 0 or 1, all different, several tries where a network may need larger ones."""
    symbols = request.inputs.symbols()
    fixed = _given_sizes(request)
    spatial = [
        str(size)
        for spec in request.inputs.specs
        for size in spec.shape[2:]
        if len(spec.shape) >= 4 and isinstance(size, Dim)
    ]
    for image, plain in ((96, 12), (224, 24), (320, 64)):
        sizes: dict[str, int] = {}
        for position, symbol in enumerate(symbols):
            if symbol in fixed:
                sizes[symbol] = fixed[symbol]
            elif symbol in spatial:
                sizes[symbol] = image + 32 * len([s for s in sizes if s in spatial])
            elif _is_batch(request, symbol):
                sizes[symbol] = 2
            else:
                sizes[symbol] = plain + position
        yield sizes
        if all(s in fixed or _is_batch(request, s) for s in symbols):
            return


def _is_batch(request: Request, symbol: str) -> bool:
    return any(spec.shape and str(spec.shape[0]) == symbol for spec in request.inputs.specs)


def _given_sizes(request: Request) -> dict[str, int]:
    """The sizes of example arrays, where they are at least 2 and no two symbols share one."""
    sizes: dict[str, int] = {}
    for spec in request.inputs.specs:
        if spec.example is None:
            continue
        for size, given in zip(spec.shape, np.shape(as_numpy(spec.example)), strict=True):
            if isinstance(size, Dim) and given > 1 and not _is_batch(request, str(size)):
                sizes[str(size)] = given
    return sizes
