"""What Keras's tutorials do beside the usual, in PyTorch."""

from pathlib import Path

import pytest

from netglot.migrate.migrating import migrate

pytest.importorskip("torch")
pytest.importorskip("keras")
SOURCES = Path(__file__).parent / "sources"


def test_losses_clones_generators_and_weights_kept_aside():
    found = migrate(SOURCES / "keras_tutorials.py", "torch")
    assert found.verdict == "equivalent", found.report
    assert found.report["marked"] == 0
    text = found.files["keras_tutorials.py"].decode()
    assert '        Input(shape=(5,)),\n        Dense(6, activation="relu"),  # says what comes in\n' in text
    assert "before = list(teacher.parameters())[0].detach().numpy().copy()\n" in text
    assert "student = clone_model(teacher)\n" in text
    assert "        prepare(self, **by_name(kwargs))\n" in text
    assert "create_graph" not in text[text.index("teacher = ") :]
    assert "self.offset = nn.Buffer(torch.as_tensor(0.5), persistent=False).requires_grad_()" in text
    assert "self.pairs.append(nn.ModuleList((Dense(width), BatchNormalization())))" in text
    assert "loss = self.plan.loss(labels, " in text
