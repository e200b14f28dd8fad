"""Conversion of a network of keras.applications to PyTorch against Keras's own work: `from_keras NETWORK ROUNDS`.

What it is measured against is what Keras itself does to have the network: build it, and read its weights. Beside it
stands the route through ONNX: Keras's own export, which is tf2onnx's, and onnx2torch.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import answer, in_turns, ratio
from benchmarks.networks import torchvision

BATCH = 8


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Medians of each candidate, the ratio of conversion to Keras's own work, and for ResNet50 that of inference to
    torchvision's network."""
    import keras

    import netglot

    make = getattr(keras.applications, name)
    model = make(weights=None)
    _fill(model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.weights.h5"
        model.save_weights(path)
        candidates = {
            "build": lambda: make(weights=None),
            "read weights": lambda: model.load_weights(path),
            "convert": lambda: netglot.convert(model, to="torch", verify=False),
        }
        outcomes = {
            "netglot": _outcome(model, lambda: netglot.convert(model, to="torch", verify=False).model, (0, 3, 1, 2))
        }
        other = Path(folder) / "net.onnx"
        outcomes["ONNX"] = _outcome(model, lambda: _through_onnx(model, other), (0, 1, 2, 3))
        if "trained" in outcomes["ONNX"]:
            candidates["through ONNX"] = lambda: _through_onnx(model, other)
        samples = in_turns(candidates, rounds)
    found: dict[str, Any] = {
        "outcomes": outcomes,
        "weights": sum(int(variable.value.shape.num_elements()) for variable in model.trainable_variables),
        "seconds": {candidate: one.medians for candidate, one in samples.items()},
        "ratio": ratio(samples, "convert", "build", "read weights"),
    }
    if name == "ResNet50":
        found["latency"] = _latency(netglot.convert(model, to="torch", verify=False).model, rounds)
    return found


def _fill(model: Any) -> None:
    """Fills every weight at random: equal ones would be kept once, which onnx2torch does not read."""
    import numpy as np

    generator = np.random.default_rng(0)
    for variable in model.variables:
        if "variance" in variable.path:
            variable.assign(generator.uniform(0.5, 1.5, variable.shape))
        elif "float" in variable.dtype:
            variable.assign(generator.normal(float(variable.path.endswith("gamma")), 0.05, variable.shape))


def _through_onnx(model: Any, path: Path) -> Any:
    """Keras's ONNX export, and what onnx2torch makes of it."""
    torchvision()  # before onnx2torch, which imports it as it is
    import onnx2torch

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        model.export(str(path), format="onnx", verbose=False)
    return onnx2torch.convert(str(path))


def _outcome(model: Any, convert: Callable[[], Any], order: tuple[int, ...]) -> dict[str, Any]:
    """How many parameters the result trains, and how far it is from what Keras computes; or why there is none."""
    import numpy as np
    import torch

    images = np.random.default_rng(1).normal(size=(2, 224, 224, 3)).astype("float32")
    expected = np.asarray(model(images))  # Keras exports what was called
    try:
        made = convert()
    except Exception as error:  # whatever another tool raises is its outcome
        return {"failed": _line(error)}
    found: dict[str, Any] = {"trained": sum(p.numel() for p in made.parameters() if p.requires_grad)}
    try:
        with torch.inference_mode():
            result = made.eval()(torch.from_numpy(np.ascontiguousarray(images.transpose(order)))).numpy()
        found["apart"] = float(np.abs(result - expected).max() / np.abs(expected).max())
    except Exception as error:
        found["unrunnable"] = _line(error)
    return found


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"[:120]


def _latency(emitted: Any, rounds: int) -> dict[str, Any]:
    """One forward pass in eager inference, beside torchvision's own network of the same layers."""
    import torch

    theirs = torchvision().models.resnet50().eval()
    images = torch.randn(BATCH, 3, 224, 224)

    def run(network: Any) -> Any:
        def forward() -> None:
            with torch.inference_mode():
                network(images)

        return forward

    samples = in_turns({"emitted": run(emitted), "torchvision": run(theirs)}, rounds, warm=2)
    return {
        "seconds": {candidate: one.medians for candidate, one in samples.items()},
        "ratio": ratio(samples, "emitted", "torchvision"),
    }


if __name__ == "__main__":
    answer(measure(sys.argv[1], int(sys.argv[2])))
