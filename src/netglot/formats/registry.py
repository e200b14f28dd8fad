"""The model files that are read as a graph, without the framework that wrote them.

A format is declared once, here: the source argument, the docs and the README's table follow from it. `reader` is
called as `reader(path, weights=..., inputs=...)` and returns a graph of the pivot; `sniff`, where given, decides about
a path whose suffix is not enough.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netglot.pivot.graph import Graph


@dataclass(frozen=True)
class Format:
    """One kind of model file.

    `suffixes` are the endings of the file that holds the structure; `weights` says which file goes with it, for
    messages; `reader` and `sniff` are `module:function`; `runtime` names the verifier's worker that runs such a file
    in its own framework, empty where only the pivot's own arithmetic does.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    reader: str
    weights: str = ""
    sniff: str = ""
    extra: str = ""
    runtime: str = ""

    def recognises(self, path: Path) -> bool:
        """Whether `path` is such a file; only its name and, where that is not enough, its first bytes are looked at."""
        if self.sniff:
            return bool(_function(self.sniff)(path))
        return path.name.lower().endswith(self.suffixes)

    def read(self, path: Path, *, weights: Path | None = None, inputs: Any = None) -> Graph:
        """The graph that the file describes.

        Raises:
            InputError, WeightsError, RequestError: the file cannot be read.
            UnsupportedOps: it holds operations without a pivot form.
        """
        return _function(self.reader)(path, weights=weights, inputs=inputs)


def _function(spelling: str) -> Callable[..., Any]:
    module, _, name = spelling.partition(":")
    return getattr(importlib.import_module(module), name)


FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        Format(
            "netglot",
            "netglot's own graph",
            ("network.json",),
            "netglot.formats.network:read",
            weights="weights.safetensors in the same folder",
            sniff="netglot.formats.network:sniff",
        ),
        Format(
            "caffe",
            "Caffe",
            (".prototxt", ".caffemodel"),
            "netglot.dialects.caffe.read:read_caffe",
            weights="the .caffemodel",
        ),
        Format(
            "darknet",
            "Darknet",
            (".cfg", ".weights"),
            "netglot.dialects.darknet.read:read_darknet",
            weights="the .weights",
        ),
        Format("onnx", "ONNX", (".onnx",), "netglot.dialects.onnx.read:read_onnx", extra="onnx", runtime="onnx"),
        Format("coreml", "Core ML", (".mlmodel", ".mlpackage"), "netglot.dialects.coreml.read:read_coreml"),
        Format(
            "mxnet",
            "MXNet",
            ("-symbol.json", ".params"),
            "netglot.dialects.mxnet.read:read_mxnet",
            weights="the .params",
        ),
        Format(
            "paddle",
            "PaddlePaddle",
            (".pdmodel", ".json", ".pdiparams"),
            "netglot.dialects.paddle.read:read_paddle",
            weights="the .pdiparams",
            sniff="netglot.formats.paddle:is_program",
        ),
        Format("cntk", "CNTK", (".model", ".cmf", ".dnn"), "netglot.dialects.cntk.read:read_cntk"),
        Format(
            "tensorflow",
            "TensorFlow 1",
            (".pb", ".pbtxt", ".meta"),
            "netglot.dialects.tensorflow.frozen:read_tensorflow",
            weights="the checkpoint",
            sniff="netglot.formats.saved_model:is_frozen",
            extra="keras",
        ),
        Format("tflite", "TensorFlow Lite", (".tflite",), "netglot.dialects.tflite.read:read_tflite"),
    )
}


def format_of(path: str | Path) -> Format | None:
    """The format of a file or folder, or None where it is none of these."""
    return next((one for one in FORMATS.values() if one.recognises(Path(path))), None)
