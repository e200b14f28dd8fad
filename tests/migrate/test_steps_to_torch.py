"""Training steps that a Keras network takes by itself, in PyTorch."""

from pathlib import Path

import pytest

from netglot.migrate.migrating import migrate

pytest.importorskip("torch")
pytest.importorskip("keras")
SOURCES = Path(__file__).parent / "sources"


def test_own_training_steps():
    found = migrate(SOURCES / "keras_steps.py", "torch")
    assert found.verdict == "equivalent", found.report
    assert found.report["marked"] == 0
    assert len(found.report["scripts"][0]["losses"]["source"]) == 12
    text = found.files["keras_steps.py"].decode()
    assert "        y_pred = self(x)  # Forward pass\n" in text
    assert "for metric in metrics_of(self):" in text
    assert "prepare(untold, optimizer=SGD(), loss=mean_squared_error, trains=False)" in text
    assert any("Untold" in one or "untold.call takes no `training`" in one for one in found.report["notes"])
