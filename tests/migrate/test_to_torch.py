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


def test_sequential_of_known_sizes_is_written_as_a_person_would(tmp_path):
    for name in ("keras_plain.py", "keras_added.py"):
        shutil.copyfile(SOURCES / name, tmp_path / name)
    found = migrate(tmp_path, "torch")
    assert found.verdict == found.report["summary"] == "equivalent", found.report
    assert found.report["scripts"][0]["losses"]["distance"] < 1e-9
    text = found.files["keras_plain.py"].decode()
    assert "        nn.Linear(n_features, hidden),\n        nn.ReLU(),\n        BatchNorm(hidden," in text
    assert "nn.Dropout(0.2),  # regularise" in text
    assert "        nn.Conv2d(8, 12, 3, stride=2, padding=1),\n" in text  # "same" on 7 by 7 pads evenly
    assert "nn.ZeroPad1d((0, 1))" in text
    assert "class Symbol" not in text
    added = found.files["keras_added.py"].decode()
    assert "model.append(nn.Linear(72, 4))\nmodel.append(nn.Softmax(dim=-1))\nmodel.apply(glorot_uniform)\n" in added
    assert "loss=categorical_crossentropy, optimizer=Adam(), metrics=" in added
    assert not any(word in added for word in ("class Symbol", "class Layer", "class SGD", "def huber"))


def test_a_functional_network_is_fitted_with_its_penalties_and_callbacks(tmp_path):
    shutil.copyfile(SOURCES / "keras_functional_fit.py", tmp_path / "keras_functional_fit.py")
    found = migrate(tmp_path, "torch")
    assert found.verdict == found.report["summary"] == "equivalent", found.report
    (script,) = found.report["scripts"]
    assert len(script["losses"]["source"]) == 8
    assert script["losses"]["distance"] < 1e-9
    text = found.files["keras_functional_fit.py"].decode()
    assert 'x = penalised(Dense(8, activation="relu"), weight=l2(0.01))(inputs)' in text
    assert "optimizer=Adam(lr=0.01, clipnorm=1.0), loss=binary_crossentropy" in text
    assert "import tensorflow" not in text
    assert "from tensorflow" not in text
