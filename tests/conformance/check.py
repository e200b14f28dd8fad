"""One case: read from PyTorch, written as Keras source, run in Keras, compared in double precision."""

from __future__ import annotations

import contextlib
import itertools
import re
import sys
import traceback
import types
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import ml_dtypes
import numpy as np
import torch
from tests.conformance.torch_db import Case, together
from tests.emitted import constants_at_hand

from netglot.dialects.keras.dialect import keras as keras_dialect
from netglot.dialects.keras.write import Written, save_weights, write
from netglot.dialects.torch.read import array_of, read
from netglot.errors import Refusal, UnsupportedOps, UserCodeError
from netglot.pivot.evaluate import evaluate_op
from netglot.pivot.graph import Parameter
from netglot.verify.compare import compare_exact, compare_single, known_imprecisions, noise_of
from netglot.verify.paths import resolve
from netglot.verify.runtime_keras import REPAIRS, _swapped, flatten

SINGLE = {
    "LeakyRelu": "TensorFlow's leaky ReLU holds the slope in single precision",
    "CtcLoss": "TensorFlow computes CTC in single precision",
    "MaxPool": "TensorFlow has no MaxPool3D of doubles on a CPU",
    "AvgPool": "TensorFlow has no AvgPool3D of doubles on a CPU",
    "AdaptiveMaxPool": "TensorFlow has no MaxPool3D of doubles on a CPU",
    "AdaptiveAvgPool": "TensorFlow has no AvgPool3D of doubles on a CPU",
    "LpPool": "TensorFlow has no AvgPool3D of doubles on a CPU",
}
"""Ops that TensorFlow computes in single precision only; a case that holds one may be proven in float32."""

_numbers = itertools.count()

# a shortcut through nested tensors, taken without gradients only, gives other numbers where the padding is
torch.backends.mha.set_fastpath_enabled(False)


@dataclass(frozen=True)
class Outcome:
    """What became of a case: "right", "refused", "wrong", "error", or "invalid" where PyTorch itself refuses it."""

    verdict: str
    reasons: tuple[str, ...] = ()
    detail: str = ""
    precision: str = "float64"
    extra: dict[str, Any] = field(default_factory=dict)


def check(case: Case) -> Outcome:
    """Proves one case. Nothing raises but what a user could not have caused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the databases call much that PyTorch would rather not have called
        return _settled(case)


def _settled(case: Case) -> Outcome:
    try:
        outcome, graph = _check(case, "float64")
    except Exception as error:
        return Outcome("error", detail=_short(error))
    if outcome.verdict in ("wrong", "error") and graph is not None and _single_only(graph, outcome):
        try:
            again, _ = _check(case.single(), "float32", case)
        except Exception as error:
            return Outcome("error", detail=_short(error), precision="float32")
        return again
    return outcome


def check_together(group: list[Case]) -> Outcome | None:
    """Proves several cases of an entry in one network; None where that network is not right."""
    outcome = check(together(group))
    return outcome if outcome.verdict == "right" else None


def settle(group: list[Case]) -> list[tuple[Case, Outcome]]:
    """What becomes of each case; they share a network, and its halves get their own where it is not right."""
    if not group:
        return []
    outcome = check(group[0]) if len(group) == 1 else check_together(group)
    if outcome is not None:
        return [(case, outcome) for case in group]
    half = len(group) // 2
    return settle(group[:half]) + settle(group[half:])


def _single_only(graph, outcome: Outcome) -> bool:
    return any(type(node.op).__name__ in SINGLE for node in graph.nodes)


def _check(case: Case, floatx: str, double: Case | None = None) -> tuple[Outcome, Any]:
    try:
        graph = read(case.network, case.args, case.kwargs, symbols=lambda index, axis: None, name=_title(case))
    except UserCodeError as error:
        return Outcome("invalid", detail=str(error).split("\n")[0]), None
    except (UnsupportedOps, Refusal) as refusal:
        return Outcome("refused", reasons=_reasons(refusal)), None
    expected = _outputs(case)
    try:
        written = write(graph)
    except (UnsupportedOps, Refusal) as refusal:
        return Outcome("refused", reasons=_reasons(refusal)), graph
    if len(expected) != len(graph.outputs):
        return Outcome("wrong", detail=f"{len(expected)} outputs became {len(graph.outputs)}"), graph
    try:
        model = _model(written, floatx)
        found = _run(model, graph, written, case, floatx)
    except Exception as error:
        return Outcome("error", detail=_short(error), extra={"source": written.source}), graph
    truth = _outputs(double) if double else expected
    problem = _compare(graph, truth, found, expected if double else None)
    if problem and not double and known_imprecisions(graph, "keras"):
        with contextlib.ExitStack() as stack:
            for known, _ in known_imprecisions(graph, "keras"):
                stack.enter_context(_swapped(*REPAIRS[known.repair]))
            found = _run(model, graph, written, case, floatx)
        problem = _compare(graph, truth, found, None)
    told = keras_dialect.caveats_of(type(node.op) for node in graph.nodes)
    if problem and told and any(np.isnan(array).any() for array in _floats(case)):
        return Outcome("refused", reasons=tuple(f"told in the report: {sentence}" for sentence in told)), graph
    extra = {"source": written.source} if problem else {}
    return Outcome("wrong" if problem else "right", detail=problem, precision=floatx, extra=extra), graph


def _floats(case: Case) -> list[np.ndarray]:
    """The arrays of floats that the case is called with."""
    leaves = torch.utils._pytree.tree_leaves((case.args, case.kwargs))
    return [array_of(leaf) for leaf in leaves if isinstance(leaf, torch.Tensor) and leaf.is_floating_point()]


def _title(case: Case) -> str:
    return "".join(c for c in case.entry.title() if c.isalnum()) or "Network"


def _outputs(case: Case) -> list[np.ndarray]:
    """What PyTorch computes, tensors only, in order."""
    with torch.no_grad():
        result = case.network(*_copies(case.args), **_copies(case.kwargs))
    leaves = torch.utils._pytree.tree_leaves(result)
    return [array_of(leaf.resolve_conj().resolve_neg()) for leaf in leaves if isinstance(leaf, torch.Tensor)]


def _copies(tree: Any) -> Any:
    return torch.utils._pytree.tree_map(lambda t: t.clone() if isinstance(t, torch.Tensor) else t, tree)


def _model(written: Written, floatx: str) -> Any:
    """The emitted network with its weights."""
    number = next(_numbers)
    if number % 50 == 0:  # it collects garbage, which takes longer than a case
        keras.backend.clear_session()
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(floatx)
    module = types.ModuleType(f"conformance_{number}")
    module.__file__ = str(Path.cwd() / "model.py")
    sys.modules[module.__name__] = module
    try:
        exec(compile(written.source, "<emitted>", "exec"), vars(module))
        with constants_at_hand(module, written, save_weights):
            model = module.load(weights=None)
        for variable in written.variables:
            recipe = variable.recipe
            array = np.asarray(recipe.load() if isinstance(recipe, Parameter) else evaluate_op(recipe))
            held = resolve(model, variable.path)
            if tuple(held.shape) != array.shape:
                raise ValueError(f"{variable.path} has shape {tuple(held.shape)} and is given {array.shape}")
            held.assign(array)
        listed = {id(resolve(model, v.path)) for v in written.variables}
        left = [v.path for v in model.variables if id(v) not in listed and "seed" not in v.path]
        if left:
            raise ValueError(f"variables without a recipe: {left}")
    finally:
        del sys.modules[module.__name__]
    return model


def _run(model: Any, graph, written: Written, case: Case, floatx: str) -> list[np.ndarray]:
    """The outputs in PyTorch's order of axes."""
    leaves = torch.utils._pytree.tree_leaves((case.args, case.kwargs))
    tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
    assert len(tensors) == len(graph.inputs), f"{len(tensors)} input tensors became {len(graph.inputs)}"
    given = {}
    for value, tensor, order in zip(graph.inputs, tensors, written.arranged.inputs, strict=True):
        given[value.name] = keras.ops.convert_to_tensor(tensor.numpy().transpose(order))
    result = model(next(iter(given.values())) if len(given) == 1 else given, training=False)
    by_name = dict(flatten(result))
    found = []
    for (name, _), order in zip(graph.outputs, written.arranged.outputs, strict=True):
        array = _numbers_of(by_name[name])
        found.append(array.transpose(np.argsort(order)) if len(order) == array.ndim else array)
    return found


def _numbers_of(tensor: Any) -> np.ndarray:
    """A Keras tensor as an array; of bfloat16, by way of float32, because Keras gives no array of its own."""
    if keras.backend.standardize_dtype(tensor.dtype) == "bfloat16":
        return np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))).astype(ml_dtypes.bfloat16)
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def _compare(graph, expected: list, found: list, single: list | None) -> str:
    """What is wrong with the first output that differs; empty where all are right."""
    for index, ((name, _), wanted, have) in enumerate(zip(graph.outputs, expected, found, strict=True)):
        if single is None:
            compared = compare_exact(name, wanted, have)
        else:
            compared = compare_single(name, wanted, have, noise_of(single[index], wanted))
        if not compared.same:
            return str(compared)
    return ""


def _reasons(refusal: UnsupportedOps | Refusal) -> tuple[str, ...]:
    if isinstance(refusal, UnsupportedOps):
        return tuple(dict.fromkeys(f"{r.what}: {r.reason}".split("\n")[0] for r in refusal.refused))
    return (str(refusal.reason).split("\n")[0],)


def _short(error: BaseException) -> str:
    """The kind of an error, its first line, and where it was raised."""
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if "netglot" in f.filename or "<emitted>" in f.filename
    ]
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno} {frames[-1].name}" if frames else ""
    text = re.sub(
        r"(.\[1m)?Could not automatically infer.*?Error encountered:|Arguments received by.*",
        "",
        " ".join(str(error).split()),
    )
    text = text if len(text) < 300 else f"{text[:80]} ... {text[-220:]}"
    return f"{type(error).__name__}: {text}{place}"


__all__ = ["Case", "Outcome", "check", "check_together"]
