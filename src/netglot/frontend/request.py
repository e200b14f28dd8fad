"""A whole request understood: the live network with its weights, and what it is called with."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netglot.errors import RequestError
from netglot.formats.registry import Format, format_of
from netglot.frontend.frameworks import require
from netglot.frontend.inputs import Inputs, parse_inputs, symbol_at
from netglot.frontend.model_files import Opening, check_opening, served_inputs
from netglot.frontend.source import Source, load_source, network_kind, parse_source, without_downloads
from netglot.frontend.weights import load_into


@dataclass
class Request:
    """What the user means. `notes` are sentences that the report must carry; `program` holds an exported program."""

    source: Source
    network: Any
    kind: str
    inputs: Inputs
    notes: list[str] = field(default_factory=list)
    program: bytes = b""

    @property
    def name(self) -> str:
        """What to call the network."""
        if self.kind == "torch":
            return type(self.network).__name__
        return "".join(w[:1].upper() + w[1:] for w in re.split(r"\W+|_+", self.source.title) if w) or "Network"

    @property
    def format(self) -> Format | None:
        """The format of the model file that was read as a graph; None where the source is no such file."""
        return format_of(self.source.where) if self.source.kind == "graph" else None

    def symbols(self) -> Callable[[int, int], str | None]:
        """The name of the symbolic size on an axis of the n-th input tensor, or None where it is fixed."""
        return lambda index, axis: symbol_at(self.inputs, index, axis)


def understand(source: Any, *, inputs: Any = None, weights: Any = None, opening: Opening | None = None) -> Request:
    """Loads the network that `source` means, gives it its weights, and fits the inputs to its call.

    The cheap checks come first, so that a mistyped `--input` is told before a network is built.

    Raises:
        RequestError, InputError, WeightsError, UserCodeError, MissingFramework: see the parts.
    """
    opening = opening or Opening()
    parsed = parse_source(source)
    understood = parse_inputs(inputs)
    if isinstance(weights, str | Path):
        _check_exists(Path(weights))
    if parsed.kind == "graph":
        check_opening("graph", opening)
        return Request(parsed, _read_file(parsed, weights, understood), "graph", understood)
    in_file = parsed.kind in ("keras", "saved_model")
    parsed = without_downloads(parsed) if weights is not None else parsed
    network = load_source(parsed, weights=weights, opening=opening)
    kind = network_kind(network)
    assert kind is not None
    check_opening(kind, opening)
    if opening.imports and not in_file:
        opening.modules()
    notes = [] if in_file and kind == "keras" else _give_weights(network, kind, weights, understood)
    if kind == "torch":
        check_inputs(network, understood)
        understood = understood.of_dtype(_precision_of(network))
    if kind == "keras":
        understood = as_one_nest(network, understood)
    if kind == "saved_model":
        understood = served_inputs(network, understood)
    return Request(parsed, network, kind, understood, notes)


def _read_file(source: Source, weights: Any, inputs: Inputs) -> Any:
    """The graph in a model file."""
    path = Path(source.where)
    found = format_of(path)
    assert found is not None
    if weights is not None and not isinstance(weights, str | Path):
        raise RequestError(f"the weights of {path} must be a file", advice=found.weights or None)
    if found.extra:
        require(found.extra, f"reading {path}")
    return found.read(path, weights=None if weights is None else Path(weights), inputs=inputs or None)


def _check_exists(path: Path) -> None:
    from netglot.frontend.weights import read_weights

    if not path.exists():
        read_weights(path)  # raises, with the nearest name


def _give_weights(network: Any, kind: str, weights: Any, inputs: Inputs) -> list[str]:
    if weights is None:
        return []
    if kind == "keras":
        from netglot.dialects.keras.read import build_keras
        from netglot.formats import keras_file

        build_keras(network, inputs or None)
        keras_file.load_weights(network, weights)
        return []
    if kind == "saved_model":
        raise RequestError("a SavedModel holds its weights already", advice="leave --weights out")
    if kind != "torch":
        raise RequestError("an exported program holds its weights already", advice="leave --weights out")
    return load_into(network, weights)


def _precision_of(network: Any) -> str:
    """The dtype of all floating-point parameters of a module; float32 where it has none, or of several dtypes."""
    kinds = {parameter.dtype for parameter in network.parameters() if parameter.is_floating_point()}
    return str(kinds.pop()).removeprefix("torch.") if len(kinds) == 1 else "float32"


def check_inputs(network: Any, inputs: Inputs) -> None:
    """Asserts that `network.forward` can be called with these arguments.

    Raises:
        RequestError: one is missing or unknown; the message names it.
    """
    signature = inspect.signature(network.forward)
    name = type(network).__name__
    try:
        signature.bind(*inputs.positional, **inputs.keyword)
    except TypeError as error:
        needed = [
            p.name
            for p in signature.parameters.values()
            if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        ]
        given = f"given {len(inputs.positional)} by position" + (
            f" and {', '.join(inputs.keyword)}" if inputs.keyword else ""
        )
        raise RequestError(
            f"{name}.forward({', '.join(signature.parameters)}) cannot be called so: {error}; {given}",
            advice=f"give one --input for each of {', '.join(needed)}" if needed else "it takes no inputs",
        ) from error
    if not inputs and any(p.default is not p.empty for p in signature.parameters.values()):
        raise RequestError(f"{name} is given no input", advice=f"its forward takes {', '.join(signature.parameters)}")


def as_one_nest(network: Any, inputs: Inputs) -> Inputs:
    """Several inputs of a Keras model whose `call` takes one argument: a list of them, or a dictionary by name."""
    functional = getattr(network, "_functional", None) or getattr(network, "inputs", None)
    if functional is not None or not inspect.ismethod(getattr(network, "call", None)):
        return inputs
    parameters = inspect.signature(network.call).parameters.values()
    taken = [p for p in parameters if p.name not in ("training", "mask")]
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters) or not taken:
        return inputs
    if any(p.default is p.empty for p in taken[1:]):
        return inputs
    if len(inputs.positional) > len(taken) and not inputs.keyword:
        return Inputs((list(inputs.positional),))
    named = {p.name for p in parameters}
    if not inputs.positional and inputs.keyword and named.isdisjoint(inputs.keyword):
        return Inputs((dict(inputs.keyword),))
    return inputs
