"""Keras's and TensorFlow's source as PyTorch: Sequential, functional and subclassed networks."""

import shutil
from pathlib import Path

import pytest

from netglot.migrate.migrating import migrate

pytest.importorskip("torch")
pytest.importorskip("keras")
SOURCES = Path(__file__).parent / "sources"


def test_networks_of_every_style(tmp_path):
    for name in ("keras_images.py", "keras_attention.py"):
        shutil.copyfile(SOURCES / name, tmp_path / name)
    found = migrate(tmp_path, "torch")
    assert found.verdict == "equivalent", found.report["networks"]
    assert {one["expression"] for one in found.report["networks"]} >= {
        "build_cnn()",
        "build_skip()",
        "Net()",
        "Classifier()",
    }
    text = found.files["keras_images.py"].decode()
    assert "import tensorflow" not in text
    assert "# one vector for each image" in text
    assert "def forward(self, inputs):" in text
