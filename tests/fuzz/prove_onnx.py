"""The proof of one network by way of ONNX: the model in onnxruntime, and read back with names and without."""

from __future__ import annotations

import itertools
import tempfile
import types
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import onnx
import onnxruntime
import torch
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented
from tests.fuzz.networks import Network
from tests.fuzz.prove import Outcome, _cancelled, _nudged, _reason, _runs, _sizes, _source, _told
from tests.zoo.onnx_round import _without_names

from netglot.dialects.onnx.read import read_onnx
from netglot.dialects.onnx.versions import OLDEST
from netglot.dialects.onnx.write import save_weights, write
from netglot.dialects.torch import write as torch_write
from netglot.dialects.torch.read import read
from netglot.errors import Refusal, UnsupportedOps, UserCodeError
from netglot.source import module_file
from netglot.verify.compare import compare_exact, compare_single, noise_of
from netglot.verify.runtime_keras import flatten

NEWEST = 26
"""The newest version of the standard that onnxruntime runs."""

_numbers = itertools.count()


def prove(network: Network) -> Outcome:
    """Converts a network there and back; the versions of the standard take turns."""
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        return _prove(network, Path(folder), OLDEST + next(_numbers) % (NEWEST - OLDEST + 1))


def _prove(network: Network, folder: Path, version: int) -> Outcome:
    source = network.source.replace("torch.float64", "torch.float32").replace(".double()", ".float()")
    network = replace(network, source=source)
    model, double = network.build().float(), network.build().float().double()
    try:
        graph = read(model, tuple(_single(network.example())), {}, symbols=network.symbol, name="Net")
        written = write(graph, keep_layout=True, opset=version)
    except (UnsupportedOps, Refusal) as refusal:
        return Outcome("refused", _reason(refusal))
    except UserCodeError as error:
        return Outcome("invalid", str(error).split("\n")[0])
    except Exception as error:
        return Outcome("wrong", f"not written: {_told(error)}")
    path, bare = folder / "model.onnx", folder / "bare.onnx"
    told = f"version {version}"
    try:
        save_weights(written, path)
        onnx.checker.check_model(str(path), full_check=True)
        _without_names(path, bare)
        told = str(onnx.helper.printable_graph(onnx.load(path).graph))
        session, names = _session(path), [value.name for value in onnx.load(path).graph.input]
        backs = {}
        for one in (path, bare):
            try:
                backs[one.stem] = _back(one, folder)
            except (UnsupportedOps, Refusal) as refusal:
                return Outcome("refused", f"reading {one.stem}: {_reason(refusal)}")
        for shapes in _sizes(network, graph):
            example = network.example(shapes)
            runs = _runs(model, graph, _single(example))
            problem = _difference(model, double, example, session, names, backs) if runs else ""
            if problem:
                return Outcome("wrong", f"version {version}, {shapes}: {problem}", told)
    except Exception as error:
        return Outcome("wrong", f"version {version}: {_told(error)}", told)
    return Outcome("right", "", told)


def _single(example: list[torch.Tensor]) -> list[torch.Tensor]:
    return [x.float() if x.is_floating_point() else x for x in example]


def _session(path: Path) -> Any:
    """What runs the model: onnxruntime, or ONNX's own implementation where that lacks an operator for a dtype."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except NotImplemented:
        return ReferenceEvaluator(str(path))


def _back(path: Path, folder: Path) -> torch.nn.Module:
    """The model read again and written as PyTorch, in double precision."""
    with mock.patch.object(module_file, "tidy_source", lambda text: text):
        written = torch_write.write(read_onnx(path), keep_layout=True)
    place = folder / f"{path.stem}_back"
    place.mkdir()
    torch_write.save_weights(written, place / "model.safetensors")
    module = types.ModuleType(path.stem)
    module.__file__ = str(place / "model.py")
    exec(compile(written.source, module.__file__, "exec"), vars(module))
    return module.load().double()


def _outputs(back, example) -> list[np.ndarray] | None:
    """What the network that came back computes; None where it casts to single precision, which the model says."""
    try:
        with torch.no_grad():
            return [tensor.numpy() for _, tensor in flatten(back(*(x.clone() for x in example)))]
    except (RuntimeError, ValueError) as error:
        if any(text in str(error) for text in ("dtype", "should be the same", "scalar type", "promoting", "Double")):
            return None
        raise


def _difference(model, double, example, session, names, backs) -> str:
    """What is wrong with the first output that differs; empty where all are right."""
    try:
        exact = _source(double, example)
    except RuntimeError:
        return ""  # what it casts to single precision meets weights in double
    single = _source(model, _single(example))
    made = session.run(None, {name: x.numpy() for name, x in zip(names, _single(example), strict=True)})
    for (name, wanted), found in zip(exact.items(), made, strict=True):
        if found.dtype.kind not in "f" and (single[name] != wanted).any():
            continue  # the source itself parts here
        compared = compare_single(name, wanted, found, noise_of(single[name], wanted))
        lost = 2.0**29 * _cancelled(np.round(wanted, 6), _single(example)) if found.dtype.kind == "f" else 0.0
        if not compared.same and not np.abs(found - wanted).max() <= lost:
            return f"onnxruntime: {compared}"
    for label, back in backs.items():
        outputs = _outputs(back, example)
        if outputs is None:
            continue
        for (name, wanted), found in zip(exact.items(), outputs, strict=True):
            compared = compare_exact(name, wanted, found)
            if compared.same:
                continue
            nudged = [_source(double, _nudged(example, seed))[name] for seed in range(4)]
            if wanted.dtype.kind != "f" and any((other != wanted).any() for other in nudged):
                continue
            floor = 100 * max(np.abs(other - wanted).max() for other in nudged) if wanted.dtype.kind == "f" else 0.0
            if not compare_exact(name, wanted, found, floor=floor).same:
                return f"{label} read back: {compared}"
    return ""
