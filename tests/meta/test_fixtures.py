"""The recorded networks of each format: how many, which known ones, which recurrent ones, and how large they are."""

from pathlib import Path

import numpy as np
import pytest

FORMATS = Path(__file__).resolve().parents[1] / "formats"
LARGEST = 200 * 1024
LEAST = 20
HELD = {
    "caffe": ({"googlenet", "resnet50"}, set()),
    "cntk": ({"resnet", "vgg"}, {"lstm", "gru", "plain_recurrence"}),
    "coreml": ({"resnet", "mobilenet"}, {"words", "older", "gated"}),
    "darknet": ({"darknet19", "yolov3"}, set()),
    "mxnet": ({"resnet", "mobilenet", "squeezenet"}, {"packed_lstm", "gluon_gru"}),
    "paddle": ({"resnet", "mobilenet_v3", "vgg"}, {"lstm", "gru"}),
    "tensorflow1": ({"resnet", "mobilenet"}, {"lstm", "gru", "keras_layers"}),
    "tflite": ({"resnet", "mobilenet_v2"}, {"lstm", "gru", "fused_lstm"}),
}
"""Known architectures and recurrent networks by format.

What runs Caffe's and Darknet's files runs no recurrent layers: those are held against their formulas.
"""


def networks(name: str) -> list[str]:
    """The recorded networks of a format."""
    found: list[str] = []
    for path in sorted((FORMATS / name).glob("recorded*.npz")):
        with np.load(path) as held:
            found += sorted({key.partition("/")[0] for key in held.files})
    return found


@pytest.mark.parametrize("name", HELD)
def test_there_are_enough_recorded_networks(name):
    known, recurrent = HELD[name]
    found = networks(name)
    assert len(found) >= LEAST
    assert known | recurrent <= set(found)


def test_each_format_that_is_read_has_recorded_networks():
    folders = {path.parent.name for path in FORMATS.glob("*/recorded*.npz")}
    assert folders == set(HELD)


@pytest.mark.parametrize("path", sorted(FORMATS.glob("*/*.npz")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_recorded_files_are_small_and_are_made_by_a_script_beside_them(path):
    assert path.stat().st_size <= LARGEST
    assert list(path.parent.glob("make_*.py"))
