"""The emitted network's latency against Keras's own network and against PyTorch: `latency NETWORK ROUNDS`."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.measure import answer, in_turns, ratio
from benchmarks.networks import IMAGE, network

BATCH = 8


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Medians of one forward pass of each, and the ratios of the emitted network to the others."""
    import keras
    import numpy as np
    import tensorflow as tf
    import torch

    import netglot

    model = network(name)
    emitted = netglot.convert(model, to="keras", inputs=[(BATCH, *IMAGE)], verify=False).model
    images = np.random.default_rng(0).normal(size=(BATCH, *IMAGE)).astype("float32")
    channels_last, channels_first = tf.constant(images.transpose(0, 2, 3, 1)), torch.from_numpy(images)

    def graph(target: Any) -> Any:
        call = tf.function(lambda x: target(x, training=False))
        return lambda: np.asarray(call(channels_last))

    def eager() -> Any:
        with torch.inference_mode():
            return model(channels_first).numpy()

    candidates = {"emitted": graph(emitted), "PyTorch": eager}
    if name == "resnet50":
        candidates["keras.applications"] = graph(keras.applications.ResNet50(weights=None))
    samples = in_turns(candidates, rounds, warm=2)
    found: dict[str, Any] = {"seconds": {candidate: one.medians for candidate, one in samples.items()}, "ratios": {}}
    for other in candidates:
        if other != "emitted":
            found["ratios"][other] = ratio(samples, "emitted", other)
    return found


if __name__ == "__main__":
    answer(measure(sys.argv[1], int(sys.argv[2])))
