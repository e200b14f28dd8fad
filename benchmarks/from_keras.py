"""Conversion of a network of keras.applications to PyTorch against Keras's own work: `from_keras NETWORK ROUNDS`.

What it is measured against is what Keras itself does to have the network: build it, and read its weights.
"""

from __future__ import annotations

import sys
import tempfile
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
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.weights.h5"
        model.save_weights(path)
        samples = in_turns(
            {
                "build": lambda: make(weights=None),
                "read weights": lambda: model.load_weights(path),
                "convert": lambda: netglot.convert(model, to="torch", verify=False),
            },
            rounds,
        )
    found: dict[str, Any] = {
        "seconds": {candidate: one.medians for candidate, one in samples.items()},
        "ratio": ratio(samples, "convert", "build", "read weights"),
    }
    if name == "ResNet50":
        found["latency"] = _latency(netglot.convert(model, to="torch", verify=False).model, rounds)
    return found


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
