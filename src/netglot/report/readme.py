"""The README.md beside an emitted network: four lines on how to load, run and fine-tune it, and what was proven."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netglot.dialects.targets import TARGETS, Target

_TRAINING = {
    "keras": 'Fine-tune: `model.compile("adam", loss); model.fit(x, y)`; for scores, a loss with `from_logits=True`.',
    "torch": "Fine-tune: `model.train()` and an optimiser on `model.parameters()`; `load()` gives inference mode.",
    "onnx": "Train: convert it to PyTorch or Keras, `netglot convert model.onnx --to torch`.",
}
_FILE = "Train: the file says nothing of it; convert the source to PyTorch or Keras."
_LOADING = {
    "coreml": "Load: drag `model.mlmodel` into Xcode, or `coremltools.models.MLModel` on a Mac.",
    "mlprogram": "Load: drag `model.mlpackage` into Xcode, or `coremltools.models.MLModel` on a Mac.",
    "tensorflow": 'Load: `serve = tf.saved_model.load("saved_model").signatures["serving_default"]`.',
    "tflite": 'Load: `run = tf.lite.Interpreter("model.tflite").get_signature_runner("serving_default")`.',
    "paddle": "Load: `from model import load; model = load()` builds the network and reads `model.npz`.",
    "darknet": 'Load: `network = cv2.dnn.readNetFromDarknet("model.cfg", "model.weights")`, in OpenCV 4 or in Darknet.',
    "caffe": 'Load: `network = cv2.dnn.readNetFromCaffe("model.prototxt", "model.caffemodel")`, in OpenCV 4.',
    "cntk": 'Load: `model = cntk.Function.load("model.model")`, in CNTK 2.7.',
    "mxnet": 'Load: `symbol, args, states = mx.model.load_checkpoint("model", 0)`.',
    "onnx": 'Load: `import onnxruntime; model = onnxruntime.InferenceSession("model.onnx")`.',
}
_RUNNING = {
    "coreml": "Run: `model.predict({{{named}}})`, without the batch",
    "mlprogram": "Run: `model.predict({{{named}}})`",
    "tensorflow": "Run: `serve({keywords})`",
    "tflite": "Run: `run({keywords})`",
    "darknet": "Run: `network.setInput(x); y = network.forward()`",
    "caffe": "Run: `network.setInput(x); y = network.forward()`",
    "cntk": "Run: `model.eval({{{named}}})`",
    "mxnet": "Run: `symbol.bind(mx.cpu(), {{**args, {named}}}, aux_states=states).forward()`",
    "onnx": "Run: `model.run(None, {{{named}}})`",
}


def readme(name: str, record: Mapping[str, Any], target: Target = TARGETS["keras"]) -> str:
    """The text. `record` is what `report.json` holds."""
    inputs = list(record.get("inputs") or ())
    call = ", ".join(_argument(tensor) for tensor in inputs)
    named = ", ".join(f'"{_argument(tensor)}": {_argument(tensor)}' for tensor in inputs)
    keywords = ", ".join("{0}={0}".format(_argument(tensor)) for tensor in inputs)
    loading = f"Load: `from model import load; model = load()` builds the network and reads `{target.weights}`."
    running = _RUNNING.get(target.name, "Run: `model({call})`").format(named=named, keywords=keywords, call=call)
    shapes = "; ".join(f"`{tensor['name']}` {_kind(tensor)}" for tensor in inputs)
    return "\n".join(
        (
            f"# {name} in {target.title}",
            "",
            _LOADING.get(target.name, loading),
            running + (f", with {shapes}." if shapes else "."),
            _TRAINING.get(target.name, _FILE),
            f"{_verdict(record)} `report.json` has all the numbers.",
            "",
        )
    )


def _argument(tensor: Mapping[str, Any]) -> str:
    return str(tensor["name"]).replace(".", "_")


def _kind(tensor: Mapping[str, Any]) -> str:
    shape = ", ".join(map(str, tensor.get("shape", ())))
    axes = _axes(tensor)
    return f"{tensor.get('dtype')} ({shape}){axes}"


def _axes(tensor: Mapping[str, Any]) -> str:
    permutation = list(tensor.get("permutation") or ())
    rank = len(permutation)
    if permutation == sorted(permutation):
        return ""
    named = {(0, *range(2, rank), 1): "channels last", (0, rank - 1, *range(1, rank - 1)): "channels first"}
    return ", " + named.get(tuple(permutation), f"the source's axes {', '.join(map(str, permutation))}")


def _verdict(record: Mapping[str, Any]) -> str:
    double, kind = (record["float64"], "float64") if record.get("float64") else (record.get("float32") or {}, "float32")
    match record.get("verdict"):
        case "equivalent":
            return f"Verified: equivalent to the source, largest difference in {kind} {double.get('max_abs', 0):.2g}."
        case "different":
            return f"Verified: DIFFERENT from the source, by {double.get('max_abs', float('nan')):.2g} in {kind}."
    return "Not verified against the source."
