"""One case of ONNX's suite: read, evaluated by what the ops of the pivot mean, written for each target, run there."""

from __future__ import annotations

import itertools
import re
import sys
import tempfile
import traceback
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from tests.conformance.onnx_db import Case
from tests.emitted import constants_at_hand

from netglot.dialects.onnx.read import read_model
from netglot.errors import InputError, Refusal, UnsupportedOps
from netglot.formats.onnx_file import read_proto
from netglot.frontend.inputs import Inputs, InputSpec
from netglot.pivot.check import check as check_graph
from netglot.pivot.evaluate import evaluate, evaluate_op
from netglot.pivot.graph import Graph, Parameter

_numbers = itertools.count()


@dataclass(frozen=True)
class Outcome:
    """What became of a case: "right", "refused", "wrong" or "error". `fixed` is the number of inputs that were made
    constants because they decide about shapes, `constant` whether nothing was left to compute."""

    verdict: str
    detail: str = ""
    fixed: int = 0
    constant: bool = False


class Read:
    """A case that was read: the graph, and the arrays for its inputs."""

    def __init__(self, case: Case):
        names = [info.name for info in case.model.graph.input]
        self.given = dict(zip(names, case.inputs, strict=False))
        specs = {name: _spec(held) for name, held in self.given.items()}
        self.graph: Graph = read_model(read_proto(case.model), inputs=Inputs((), specs) if specs else None)
        fixed = next((n for n in self.graph.notes if n.startswith("inputs that decide")), "")
        self.fixed = fixed.partition(": ")[2].split(", ") if fixed else []
        self.feeds = self._feeds()

    def _feeds(self) -> dict[str, np.ndarray]:
        arrays = [
            np.asarray(one)
            for name, held in self.given.items()
            if name not in self.fixed and held is not None
            for one in (held if isinstance(held, list) else [held])
        ]
        return {value.name: array for value, array in zip(self.graph.inputs, arrays, strict=True)}


def _spec(held: Any) -> Any:
    if held is None:
        return None
    if isinstance(held, list):
        return [_spec(one) for one in held]
    array = np.asarray(held)
    return InputSpec(array.shape, str(array.dtype), example=array)


def check(case: Case, *targets: str) -> dict[str, Outcome]:
    """What becomes of a case for each target: "pivot", "torch", "keras" or "onnx"."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read = Read(case)
            check_graph(read.graph)
        except (UnsupportedOps, Refusal) as refusal:
            return dict.fromkeys(targets, Outcome("refused", _reason(refusal)))
        except InputError as error:
            if "which no framework computes with" in str(error):
                return dict.fromkeys(targets, Outcome("refused", f"never: {error}"))
            return dict.fromkeys(targets, Outcome("error", _short(error)))
        except Exception as error:
            return dict.fromkeys(targets, Outcome("error", _short(error)))
        return {target: _settled(case, read, target) for target in targets}


def _settled(case: Case, read: Read, target: str) -> Outcome:
    facts = {"fixed": len(read.fixed), "constant": not read.graph.nodes}
    try:
        found = RUNS[target](read)
    except (UnsupportedOps, Refusal) as refusal:
        return Outcome("refused", _reason(refusal), **facts)
    except Exception as error:
        return Outcome("error", _short(error), **facts)
    problem = compare(case, found)
    return Outcome("wrong" if problem else "right", problem, **facts)


def compare(case: Case, found: list[np.ndarray]) -> str:
    """What is wrong with the first output that differs; empty where all are right."""
    expected = [np.asarray(one) for one in _leaves(case.outputs)]
    if len(expected) != len(found):
        return f"{len(expected)} outputs became {len(found)}"
    for wanted, have in zip(expected, found, strict=True):
        if wanted.shape != have.shape or wanted.dtype != have.dtype:
            return f"{have.dtype}{list(have.shape)} instead of {wanted.dtype}{list(wanted.shape)}"
        try:
            _close(case, wanted, have)
        except AssertionError as error:
            return " ".join(str(error).split())[:300]
    return ""


def _close(case: Case, wanted: np.ndarray, have: np.ndarray) -> None:
    """The suite's own tolerances, and not less than a few units of what the dtype can tell apart."""
    if wanted.dtype.kind not in "fcV":
        np.testing.assert_array_equal(have, wanted)
        return
    unit = float(ml_dtypes.finfo(wanted.dtype).eps)
    wide = wanted.astype("complex128" if wanted.dtype.kind == "c" else "float64")
    largest = float(np.abs(wide[np.isfinite(wide)]).max(initial=0.0))
    tolerances = {"rtol": max(case.rtol, 4 * unit), "atol": max(case.atol, 4 * unit * largest)}
    np.testing.assert_allclose(have.astype(wide.dtype), wide, **tolerances)


def _leaves(tree: Any) -> list[Any]:
    if isinstance(tree, dict):
        return [leaf for branch in tree.values() for leaf in _leaves(branch)]
    if isinstance(tree, list | tuple):
        return [leaf for branch in tree for leaf in _leaves(branch)]
    return [tree]


# -- running


def _pivot(read: Read) -> list[np.ndarray]:
    return _leaves(evaluate(read.graph, read.feeds))


def _emitted(written: Any, save: Callable) -> Any:
    """The network of an emitted source; `save` writes its weights."""
    module = types.ModuleType(f"conformance_{next(_numbers)}")
    module.__file__ = str(Path.cwd() / "model.py")
    sys.modules[module.__name__] = module
    try:
        exec(compile(written.source, "<emitted>", "exec"), vars(module))
        with constants_at_hand(module, written, save):
            return module.load(weights=None)
    finally:
        del sys.modules[module.__name__]


def _array(recipe: Any) -> np.ndarray:
    return np.asarray(recipe.load() if isinstance(recipe, Parameter) else evaluate_op(recipe))


def _arranged(read: Read, written: Any) -> list[np.ndarray]:
    """The inputs in the target's order of axes."""
    pairs = zip(read.graph.inputs, written.arranged.inputs, strict=True)
    return [read.feeds[value.name].transpose(order) for value, order in pairs]


def _restored(read: Read, written: Any, by_name: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The outputs in the source's order of axes."""
    found = []
    for (name, _), order in zip(read.graph.outputs, written.arranged.outputs, strict=True):
        array = by_name[name]
        found.append(array.transpose(np.argsort(order)) if len(order) == array.ndim else array)
    return found


def _torch(read: Read) -> list[np.ndarray]:
    import torch

    from netglot.dialects.torch.read import array_of
    from netglot.dialects.torch.write import save_weights, write
    from netglot.verify.paths import resolve
    from netglot.verify.runtime_torch import flatten

    written = write(read.graph)
    model = _emitted(written, save_weights)
    with torch.no_grad():
        for variable in written.variables:
            held, array = resolve(model, variable.path), _array(variable.recipe)
            assert tuple(held.shape) == array.shape, f"{variable.path} has shape {tuple(held.shape)}"
            held.copy_(_tensor(array))
        result = model(*[_tensor(array) for array in _arranged(read, written)])
    by_name = {name: _of_tensor(tensor, array_of) for name, tensor in flatten(result)}
    return _restored(read, written, by_name)


def _of_tensor(tensor: Any, array_of: Any) -> np.ndarray:
    """A tensor as an array; floats of 8 bits, of which NumPy is told nothing, by way of float32."""
    name = str(tensor.dtype).rpartition(".")[2]
    return array_of(tensor.float()).astype(getattr(ml_dtypes, name)) if name.startswith("float8") else array_of(tensor)


def _tensor(array: np.ndarray) -> Any:
    import torch

    narrow = {"bfloat16": torch.bfloat16, "float8_e4m3fn": torch.float8_e4m3fn, "float8_e5m2": torch.float8_e5m2}
    array = np.ascontiguousarray(array) if array.ndim else array
    if str(array.dtype) in narrow:
        return torch.from_numpy(array.astype("float32")).to(narrow[str(array.dtype)])
    return torch.from_numpy(np.array(array))


def _floatx(read: Read) -> str:
    """The precision in which Keras computes a case: that of its floats."""
    kinds = [v.dtype for v in read.graph.values() if v.dtype in ("float32", "float64", "float16", "bfloat16")]
    return max(set(kinds), key=kinds.count) if kinds else "float32"


def _keras(read: Read) -> list[np.ndarray]:
    import keras

    from netglot.dialects.keras.write import save_weights, write
    from netglot.verify.paths import resolve
    from netglot.verify.runtime_keras import flatten

    if next(_numbers) % 50 == 0:
        keras.backend.clear_session()
    floatx = _floatx(read)
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(floatx)
    written = write(read.graph)
    model = _emitted(written, save_weights)
    for variable in written.variables:
        held, array = resolve(model, variable.path), _array(variable.recipe)
        assert tuple(held.shape) == array.shape, f"{variable.path} has shape {tuple(held.shape)}"
        held.assign(array)
    given = [keras.ops.convert_to_tensor(array) for array in _arranged(read, written)]
    named = dict(zip([value.name for value in read.graph.inputs], given, strict=True))
    result = model(given[0] if len(given) == 1 else named, training=False)
    return _restored(read, written, {name: np.asarray(tensor) for name, tensor in flatten(result)})


def _onnx(read: Read) -> list[np.ndarray]:
    import onnx
    import onnxruntime
    from onnx.reference import ReferenceEvaluator

    from netglot.dialects.onnx.write import save_weights, write

    written = write(read.graph, keep_layout=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        save_weights(written, path)
        model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    names = [output.name for output in model.graph.output]
    values = [*read.graph.inputs, *(value for _, value in read.graph.outputs)]
    narrow = any(value.dtype.startswith(("float8", "bfloat")) for value in values)
    try:
        if narrow:
            raise NotImplementedError  # onnxruntime takes no such array from NumPy
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        if not narrow and "NOT_IMPLEMENTED" not in str(error) and "NotImplemented" not in type(error).__name__:
            raise
        return ReferenceEvaluator(model).run(names, read.feeds)  # no kernel for this dtype
    return session.run(names, read.feeds)


RUNS = {"onnx": _onnx, "pivot": _pivot, "torch": _torch, "keras": _keras}
"""How each target runs a case."""


def _reason(refusal: UnsupportedOps | Refusal) -> str:
    if isinstance(refusal, UnsupportedOps):
        first = refusal.refused[0]
        return f"{first.what}: {first.reason}".split("\n")[0]
    return str(refusal.reason).split("\n")[0]


def _short(error: BaseException) -> str:
    """The kind of an error, its first line, and where it was raised."""
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if "netglot" in f.filename or "<emitted>" in f.filename
    ]
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    text = re.sub(r"Arguments received by.*", "", " ".join(str(error).split()))
    text = text if len(text) < 300 else f"{text[:80]} ... {text[-220:]}"
    return f"{type(error).__name__}: {text}{place}"


__all__ = ["Case", "Outcome", "Read", "check"]
