"""The proof of one network, in this process: PyTorch's outputs and those of the emitted Keras source in float64."""

from __future__ import annotations

import contextlib
import itertools
import re
import traceback
import types
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import numpy as np
import torch
from tests.emitted import constants_at_hand
from tests.fuzz.networks import Network

from netglot.dialects.keras.write import save_weights, write
from netglot.dialects.torch.read import read
from netglot.errors import Refusal, UnsupportedOps, UserCodeError
from netglot.pivot.dims import Dim, substitute
from netglot.source import module_file
from netglot.verify.compare import compare_exact, known_imprecisions
from netglot.verify.paths import resolve
from netglot.verify.recipe import evaluate_recipe
from netglot.verify.runtime_keras import REPAIRS, _swapped, flatten

NUDGE = 1e-12
"""A part of the inputs by which they are changed, to see how far the source itself is from knowing its output."""

_numbers = itertools.count()


@dataclass(frozen=True)
class Outcome:
    """ "right", "refused" with the reason, "invalid" where the source cannot be exported, or "wrong"."""

    verdict: str
    detail: str = ""
    emitted: str = ""


def prove(network: Network) -> Outcome:
    """Converts a network and compares, with the batch that was traced and, where that is symbolic, with another."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _prove(network)


def _prove(network: Network) -> Outcome:
    model = network.build()
    try:
        graph = read(model, tuple(network.example()), {}, symbols=network.symbol, name="Net")
        with mock.patch.object(module_file, "tidy_source", lambda text: text):
            written = write(graph)
    except (UnsupportedOps, Refusal) as refusal:
        return Outcome("refused", _reason(refusal))
    except UserCodeError as error:
        return Outcome("invalid", str(error).split("\n")[0])
    except Exception as error:
        return Outcome("wrong", f"not written: {_told(error)}")
    try:
        made = _loaded(written)
        for shapes in _sizes(network, graph):
            example = network.example(shapes)
            runs = _runs(model, graph, example)
            problem = _difference(model, example, graph, written, made) if runs else ""
            if problem:
                return Outcome("wrong", f"{shapes}: {problem}", written.source)
    except Exception as error:
        if "Could not find device for node" in str(error):
            return Outcome("unproven", "TensorFlow pools three axes in single precision only")
        return Outcome("wrong", _told(error), written.source)
    return Outcome("right", "", written.source)


def _sizes(network: Network, graph: Any) -> list[list[tuple[int, ...]]]:
    """The shapes that were traced, and where some of their sizes are symbolic, larger ones."""
    drawn = [value.shape for value in network.inputs]
    pairs = [
        pair for value, shape in zip(graph.inputs, drawn, strict=True) for pair in zip(value.shape, shape, strict=True)
    ]
    traced = {str(size): number for size, number in pairs if isinstance(size, Dim) and size.symbols == {str(size)}}
    larger = {symbol: number + 1 + place % 2 for place, (symbol, number) in enumerate(sorted(traced.items()))}
    shapes = [tuple(substitute(size, larger) for size in value.shape) for value in graph.inputs]
    known = all(isinstance(size, int) for shape in shapes for size in shape)
    return [drawn, shapes] if larger and known else [drawn]


def _loaded(written: Any) -> Any:
    """The emitted network with its weights."""
    number = next(_numbers)
    if number % 50 == 49:  # it collects garbage, which takes longer than a network
        keras.backend.clear_session()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    module = types.ModuleType(f"fuzz_{number}")
    module.__file__ = f"<emitted {number}>"
    exec(compile(written.source, module.__file__, "exec"), vars(module))
    with constants_at_hand(module, written, save_weights):
        model = module.load(weights=None)
    for variable in written.variables:
        held, array = resolve(model, variable.path), evaluate_recipe(variable.recipe, {}, {})
        if tuple(held.shape) != array.shape:
            raise ValueError(f"{variable.path} has shape {tuple(held.shape)} and is given {array.shape}")
        held.assign(array)
    listed = {id(resolve(model, v.path)) for v in written.variables}
    left = [v.path for v in model.variables if id(v) not in listed and "seed" not in v.path]
    if left:
        raise ValueError(f"variables without a recipe: {left}")
    return model


def _difference(model, example, graph, written, made) -> str:
    """What is wrong with the first output that differs; empty where all are right."""
    expected = _source(model, example)
    with contextlib.ExitStack() as stack:
        for known, _ in known_imprecisions(graph, "keras"):
            stack.enter_context(_swapped(*REPAIRS[known.repair]))
        found = _target(made, example, graph, written)
    if [name for name, _ in graph.outputs] != list(expected):
        return f"outputs {list(expected)} became {[name for name, _ in graph.outputs]}"
    nudged: list[dict[str, np.ndarray]] = []
    for name, wanted in expected.items():
        compared = compare_exact(name, wanted, found[name])
        if compared.same:
            continue
        nudged = nudged or [_source(model, _nudged(example, seed)) for seed in range(4)]
        if wanted.dtype.kind != "f":
            if not any((other[name] != wanted).any() for other in nudged):
                return str(compared)
            continue
        floor = max(100 * max(np.abs(other[name] - wanted).max() for other in nudged), _cancelled(wanted, example))
        if not compare_exact(name, wanted, found[name], floor=floor).same:
            return str(compared)
    return ""


def _runs(model, graph: Any, example: list[torch.Tensor]) -> bool:
    """Whether the source itself takes these sizes, and the program that PyTorch exported from it does: what it found
    to divide evenly in the example may be all that it holds for."""
    try:
        _source(model, example)
        graph.origin.program.module()(*(x.clone() for x in example))
    except (RuntimeError, IndexError, ValueError, AssertionError):
        return False
    return True


def _cancelled(wanted: np.ndarray, example: list[torch.Tensor]) -> float:
    """What may be left of a number less itself, such as of a layer norm over one element, whatever the input."""
    if wanted.any():
        return 0.0
    return 64 * np.finfo(np.float64).eps * max(1.0, *(float(x.abs().max()) for x in example if x.is_floating_point()))


def _nudged(example: list[torch.Tensor], seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [
        x + NUDGE * torch.randn(x.shape, generator=generator, dtype=x.dtype) if x.is_floating_point() else x
        for x in example
    ]


def _source(model, example: list[torch.Tensor]) -> dict[str, np.ndarray]:
    with torch.no_grad():
        result = model(*(x.clone() for x in example))
    return {name: tensor.numpy() for name, tensor in flatten(result)}


def _target(made, example, graph, written) -> dict[str, np.ndarray]:
    """The outputs in the source's order of axes."""
    given = {
        value.name: keras.ops.convert_to_tensor(tensor.numpy().transpose(order))
        for value, tensor, order in zip(graph.inputs, example, written.arranged.inputs, strict=True)
    }
    result = dict(flatten(made(next(iter(given.values())) if len(given) == 1 else given, training=False)))
    arrays = {}
    for (name, _), order in zip(graph.outputs, written.arranged.outputs, strict=True):
        array = np.asarray(keras.ops.convert_to_numpy(result[name]))
        arrays[name] = array.transpose(np.argsort(order)) if len(order) == array.ndim else array
    return arrays


def _reason(refusal: UnsupportedOps | Refusal) -> str:
    if isinstance(refusal, UnsupportedOps):
        return "; ".join(dict.fromkeys(f"{r.what}: {r.reason.text}" for r in refusal.refused))
    return refusal.reason.text


def _told(error: Exception) -> str:
    """The kind of an error, what it says, and where in netglot it was raised."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "netglot" in f.filename]
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno} {frames[-1].name}" if frames else ""
    text = re.sub(r"\s+", " ", str(error))
    return f"{type(error).__name__}: {text if len(text) < 600 else f'{text[:300]} ... {text[-300:]}'}{place}"
