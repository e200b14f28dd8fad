"""The emitted network's latency against Keras's own network and against PyTorch: `latency NETWORK ROUNDS`."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.measure import answer, in_turns, ratio
from benchmarks.networks import IMAGE, network

BATCH = 8
EARLY = "emitted, strides first"
"""The emitted network of a ResNet whose blocks have the strides where Keras's own network has them."""


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Medians of one forward pass of each, and the ratios of the emitted network to the others."""
    import keras
    import numpy as np
    import tensorflow as tf
    import torch

    model = network(name)
    emitted = _converted(model)
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
        candidates[EARLY] = graph(_converted(strides_first(network(name))))
    samples = in_turns(candidates, rounds, warm=2)
    found: dict[str, Any] = {"seconds": {candidate: one.medians for candidate, one in samples.items()}, "ratios": {}}
    for other in candidates.keys() - {"emitted", EARLY}:
        found["ratios"][other] = ratio(samples, "emitted", other)
    if EARLY in candidates:
        found["ratios"][EARLY] = ratio(samples, EARLY, "keras.applications")
    return found


def _converted(model: Any) -> Any:
    import netglot

    return netglot.convert(model, to="keras", inputs=[(BATCH, *IMAGE)], verify=False).model


def strides_first(model: Any) -> Any:
    """The ResNet with the strides of its blocks in the first convolution, as Keras's ResNet-50 has them.

    torchvision's has them in the second one, which then costs 6 % more multiplications in the whole network
    (the docstring of torchvision.models.resnet.Bottleneck names it ResNet V1.5).
    """
    for module in model.modules():
        if hasattr(module, "conv3"):
            module.conv1.stride, module.conv2.stride = module.conv2.stride, module.conv1.stride
    return model


if __name__ == "__main__":
    answer(measure(sys.argv[1], int(sys.argv[2])))
