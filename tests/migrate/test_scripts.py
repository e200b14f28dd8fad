"""Training scripts: the loop becomes one with a tape, and both sides are trained from the same weights."""

from pathlib import Path

import pytest

from netglot.migrate.migrating import migrate

pytest.importorskip("torch")
pytest.importorskip("keras")
SOURCES = Path(__file__).parent / "sources"


def test_a_script_trains_as_before():
    found = migrate(SOURCES / "train_classifier.py", "tensorflow")
    assert found.verdict == "equivalent", found.report
    (script,) = found.report["scripts"]
    assert len(script["losses"]["source"]) == 8
    assert script["losses"]["distance"] < 1e-12
    text = found.files["train_classifier.py"].decode()
    assert "with tf.GradientTape() as tape:\n            output = model(data, training=True)" in text
    assert "gradients = clip_grad_norm(gradients, args.clip)" in text
    assert "parser.add_argument('--gamma', type=float, default=0.7)" in text
    assert not found.report["files"][0]["marked"]
