"""The conformance suite of ONNX: the backend node tests and the light models that ship in the `onnx` wheel."""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper


@dataclass(frozen=True)
class Case:
    """One model with inputs and the outputs that they must give."""

    kind: str
    name: str
    model: Any
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    rtol: float = 1e-3
    atol: float = 1e-7


@functools.cache
def cases() -> list[Case]:
    """All cases, node tests first."""
    return [*_node_cases(), *_folder_cases()]


def case(name: str) -> Case:
    """One case by its name."""
    return next(c for c in cases() if c.name == name)


def _node_cases() -> list[Case]:
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = collect_testcases(None)
    return [Case("node", one.name, one.model, *_arrays(one.data_sets[0]), one.rtol, one.atol) for one in found]


def _arrays(data: Any) -> Any:
    """Inputs and outputs as arrays; some come as they stand in files."""
    return ([numpy_helper.to_array(x) if isinstance(x, onnx.TensorProto) else x for x in side] for side in data)


_FOLDERS = ("light", "simple", "pytorch-operator", "pytorch-converted")


def _folder_cases() -> list[Case]:
    data = Path(onnx.__file__).parent / "backend" / "test" / "data"
    found = []
    for kind in _FOLDERS:
        for folder in sorted(path.parent for path in (data / kind).glob("**/model.onnx")):
            found.append(_from_folder(kind, folder))
        for path in sorted((data / kind).glob("*.onnx")):
            found.append(_from_file(kind, path))
    return [one for one in found if one is not None]


def _from_folder(kind: str, folder: Path) -> Case | None:
    sets = sorted(folder.glob("test_data_set_*"))
    if not sets:
        return None
    model = onnx.load(folder / "model.onnx")
    inputs = [_value(p, i.type) for p, i in zip(_numbered(sets[0], "input"), model.graph.input, strict=False)]
    outputs = [_value(p, o.type) for p, o in zip(_numbered(sets[0], "output"), model.graph.output, strict=False)]
    return Case(kind, folder.name, model, inputs, outputs)


def _from_file(kind: str, path: Path) -> Case | None:
    """A light model: its weights are made by nodes, its data are beside it."""
    model = onnx.load(path)
    name = path.stem
    outputs = sorted(path.parent.glob(f"{name}_output_*.pb"))
    if not outputs:
        return None
    made = [_value(p, o.type) for p, o in zip(outputs, model.graph.output, strict=False)]
    held = {tensor.name for tensor in model.graph.initializer}
    free = [info for info in model.graph.input if info.name not in held]
    del model.graph.input[:]
    model.graph.input.extend(free)
    return Case(kind, f"test_{name}", model, [_light_input(i) for i in free], made)


def _light_input(info: Any) -> np.ndarray:
    """The input that ONNX's own runner gives to light models."""
    shape = tuple(d.dim_value for d in info.type.tensor_type.shape.dim)
    count = int(np.prod(shape))
    return (np.arange(count).reshape(shape) / count).astype("float32")


def _numbered(folder: Path, what: str) -> list[Path]:
    return sorted(folder.glob(f"{what}_*.pb"), key=lambda p: int(p.stem.rpartition("_")[2]))


def _value(path: Path, kind: Any) -> Any:
    data = path.read_bytes()
    if kind.HasField("sequence_type"):
        return [numpy_helper.to_array(t) for t in onnx.SequenceProto.FromString(data).tensor_values]
    return numpy_helper.to_array(onnx.TensorProto.FromString(data))
