"""One conversion by one converter, in a process of its own: `converter CONVERTER NETWORK`."""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import time
from typing import Any

from benchmarks.measure import Peak, answer
from benchmarks.networks import IMAGE, network, weight_bytes


def by_netglot(model: Any) -> Any:
    """The conversion without verification."""
    import netglot

    return netglot.convert(model, to="keras", inputs=[(1, *IMAGE)], verify=False)


def by_nobuco(model: Any) -> Any:
    """nobuco with channels last outside."""
    import nobuco
    import torch

    last = nobuco.ChannelOrder.TENSORFLOW
    example = torch.zeros(1, *IMAGE)
    with contextlib.redirect_stdout(io.StringIO()):
        return nobuco.pytorch_to_keras(
            model, args=[example], kwargs=None, inputs_channel_order=last, outputs_channel_order=last
        )


def by_onnx2tf(model: Any) -> Any:
    """onnx2tf from PyTorch's own ONNX export."""
    import numpy as np
    import onnx2tf
    import torch

    # it looks for images in the current folder, and downloads some where there are none
    np.save("calibration_image_sample_data_20x128x128x3_float32.npy", np.random.rand(20, 128, 128, 3).astype("float32"))
    torch.onnx.export(model, (torch.zeros(1, *IMAGE),), "model.onnx", dynamo=False)
    return onnx2tf.convert("model.onnx", output_folder_path="out", non_verbose=True)


CONVERTERS = {"netglot": by_netglot, "nobuco": by_nobuco, "onnx2tf": by_onnx2tf}


def measure(converter: str, name: str) -> dict[str, Any]:
    """Seconds, peak memory, and what came out."""
    model = network(name)
    _import(converter)
    peak = Peak()
    wall, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        result = CONVERTERS[converter](model)
        seconds = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
        above = peak.bytes
        emitted = result.model if converter == "netglot" else result
        found = {
            "seconds": seconds,
            "memory": above / weight_bytes(model),
            "trainable": sum(int(v.shape.num_elements()) for v in _variables(emitted)),
            "parameters": sum(p.numel() for p in model.parameters()),
            "transposes": _transposes(emitted),
        }
    return found


def _import(converter: str) -> None:
    """Imports what the conversion uses, which is no part of its cost."""
    if converter == "netglot":
        import netglot.dialects.keras.write
        import netglot.dialects.torch.read  # noqa: F401
    else:
        __import__(converter)


def _variables(emitted: Any) -> list[Any]:
    import tensorflow as tf

    return [tf.convert_to_tensor(v) for v in emitted.trainable_variables]


def _transposes(emitted: Any) -> int:
    """The transposes of activations in the graph that TensorFlow makes of the emitted network."""
    import tensorflow as tf

    channels, height, width = IMAGE
    call = tf.function(lambda x: emitted(x, training=False))
    graph = call.get_concrete_function(tf.TensorSpec((1, height, width, channels), tf.float32)).graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return sum(node.op == "Transpose" for node in nodes)


if __name__ == "__main__":
    answer(measure(sys.argv[1], sys.argv[2]))
