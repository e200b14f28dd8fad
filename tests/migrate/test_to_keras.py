"""PyTorch source as Keras and TensorFlow: migrated, proven, and kept to the letter where nothing had to change."""

import shutil
from pathlib import Path

import pytest

from netglot.migrate.migrating import migrate

pytest.importorskip("torch")
pytest.importorskip("keras")
SOURCES = Path(__file__).parent / "sources"


def folder(tmp_path, *names):
    for name in names:
        shutil.copyfile(SOURCES / name, tmp_path / name)
    return tmp_path


def test_image_networks_in_keras(tmp_path):
    found = migrate(folder(tmp_path, "resnet.py", "mlp_sequential.py"), "keras")
    assert found.verdict == "equivalent", found.report["networks"]
    assert {one["class"] for one in found.report["networks"]} == {"ResNet", "MLP"}
    text = found.files["resnet.py"].decode()
    assert "Conv2D(self.expansion*planes, 1, strides=stride, use_bias=False)" in text
    assert "out += self.shortcut(x)" in text
    assert all(not one["marked"] for one in found.report["files"])
    assert all(share == 1 for one in found.report["files"] for share in one["fidelity"].values())


@pytest.mark.fuzz
def test_text_networks_in_tensorflow(tmp_path):
    found = migrate(folder(tmp_path, "gpt.py", "text_rnn.py"), "tensorflow")
    assert found.verdict == "equivalent", found.report["networks"]
    text = found.files["gpt.py"].decode()
    assert "import tensorflow as tf" in text
    assert "import torch" not in text
    assert "# batch, time, width" in text


@pytest.mark.fuzz
def test_families_of_networks(tmp_path):
    found = migrate(folder(tmp_path, "families.py"), "tensorflow")
    assert found.verdict == "equivalent", found.report["networks"]
    assert len(found.report["networks"]) == 6
    text = found.files["families.py"].decode()
    assert "norm_layer = partial(BatchNorm2d, eps=1e-5, momentum=0.1)" in text
    assert "super(ConvBNReLU, self).__init__([" in text
