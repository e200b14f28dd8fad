"""The frameworks that netglot writes: which module writes them, under which file names, and how they are run."""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from typing import Any

from netglot.errors import RequestError


@dataclass(frozen=True)
class Target:
    """One framework that can be written.

    `writer` is the module with `write`, `save_weights` and `trace`; `worker` the name of the worker that runs an
    emitted folder. `one_argument` says whether several inputs are handed over as one dictionary. `source` is the file
    of source code, empty where the weights' file holds the network as well; `beside` are files that large weights need.
    """

    name: str
    title: str
    writer: str
    weights: str
    worker: str
    one_argument: bool
    source: str = "model.py"
    beside: tuple[str, ...] = ()
    trains: bool = True
    """Whether what is written can be trained, so that gradients and steps are compared."""
    doubles: bool = True
    """Whether what is written can be computed in double precision."""
    precisions: bool = False
    """Whether a network that is stored in half or double precision is written as such, and not in single."""
    needs: str = ""
    """The framework without which it cannot be written; that of the same name unless said, none for plain files."""
    runs: str = ""
    """What runs a written file, in words, where that is an interpreter of its own."""

    reads_back: bool = True
    """Whether a written file can be compared by reading it back, where nothing runs it."""

    @property
    def is_file(self) -> bool:
        """Whether it is a model file, which another interpreter runs or which is read back."""
        return self.worker == "file-target"

    @property
    def is_made_by_others(self) -> bool:
        """Whether a framework's own exporter or interpreter stands between what is written and what is run."""
        return self.worker in ("file-target", "exported-target", "packaged-target")

    @property
    def files(self) -> tuple[str, ...]:
        """The files of an emitted folder; those of `beside` are there where they are needed."""
        source = (self.source,) if self.source else ()
        return (*source, self.weights, *self.beside, "report.json", "README.md")

    def module(self) -> Any:
        """The writer, imported."""
        return importlib.import_module(self.writer)


def _file(name: str, title: str, weights: str, **known: Any) -> Target:
    """A target whose files a retired or neighbouring framework runs."""
    writer = f"netglot.dialects.{name}.write"
    return Target(name, title, writer, weights, "file-target", False, trains=False, **{"source": "", **known})


def _through_keras(name: str, title: str, weights: str) -> Target:
    """A target that TensorFlow makes of the emitted Keras network."""
    writer = f"netglot.dialects.{name}.write"
    known = {"trains": False, "doubles": False, "source": "", "needs": "keras"}
    return Target(name, title, writer, weights, "exported-target", False, **known)


TARGETS = {
    target.name: target
    for target in (
        Target("keras", "Keras", "netglot.dialects.keras.write", "model.weights.h5", "keras", True),
        Target(
            "torch",
            "PyTorch",
            "netglot.dialects.torch.write",
            "model.safetensors",
            "torch-target",
            False,
            precisions=True,
        ),
        Target(
            "onnx",
            "ONNX",
            "netglot.dialects.onnx.write",
            "model.onnx",
            "onnx-target",
            False,
            source="",
            beside=("model.onnx.data",),
            trains=False,
            precisions=True,
        ),
        _through_keras("tensorflow", "TensorFlow", "saved_model"),
        _through_keras("tflite", "TensorFlow Lite", "model.tflite"),
        _file("coreml", "Core ML", "model.mlmodel", needs="coreml", doubles=False),
        Target(
            "mlprogram",
            "Core ML",
            "netglot.dialects.coreml.package.write",
            "model.mlpackage",
            "packaged-target",
            False,
            source="",
            trains=False,
            doubles=False,
            needs="coreml",
        ),
        _file("mxnet", "MXNet", "model-0000.params", source="model-symbol.json", doubles=True, runs="MXNet 1.9"),
        _file("paddle", "PaddlePaddle", "model.npz", source="model.py", reads_back=False, runs="PaddlePaddle 3"),
        _file("cntk", "CNTK", "model.model", doubles=False, runs="CNTK 2.7"),
        _file("darknet", "Darknet", "model.weights", source="model.cfg", doubles=False, runs="OpenCV 4"),
        _file("caffe", "Caffe", "model.caffemodel", source="model.prototxt", doubles=False, runs="OpenCV 4"),
    )
}


_ALSO = {
    "pytorch": "torch",
    "tf": "tensorflow",
    "tf.keras": "keras",
    "tf-keras": "keras",
    "lite": "tflite",
    "paddlepaddle": "paddle",
    "mlpackage": "mlprogram",
    "mlmodel": "coreml",
}
"""Other names that people type."""
_THROUGH_KERAS = ("jax", "flax")


def target_called(name: str, option: str = "to={!r}") -> Target:
    """The target of this name; `option` is how the user writes one.

    Raises:
        RequestError: there is none.
    """
    if name in TARGETS:
        return TARGETS[name]
    advice = f"one of {', '.join(TARGETS)}"
    if name.lower() in _THROUGH_KERAS:
        advice = f"{option.format('keras')}; what is written runs on JAX with KERAS_BACKEND=jax"
    elif near := _ALSO.get(name.lower()) or next(iter(difflib.get_close_matches(name.lower(), TARGETS, 1)), None):
        advice = f"{option.format(near)}? Others: {', '.join(one for one in TARGETS if one != near)}"
    raise RequestError(f"netglot does not write {name!r}", advice=advice)


def target_of(written: Any) -> Target:
    """The framework in which something was written."""
    return TARGETS[written.outline.dialect.name]
