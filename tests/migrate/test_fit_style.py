"""`--style fit`: what only trains becomes `compile` and `fit`, and trains as it did; what does more stays a loop."""

from pathlib import Path

import pytest

from netglot.errors import RequestError
from netglot.migrate.migrating import migrate

SOURCES = Path(__file__).parent / "sources"


def test_plain_loops_become_fit():
    pytest.importorskip("torch")
    pytest.importorskip("keras")
    found = migrate(SOURCES / "fit_style.py", "keras", style="fit")
    assert found.verdict == "equivalent", found.report
    assert found.report["marked"] == 0
    assert len(found.report["scripts"][0]["losses"]["source"]) == 12
    text = found.files["fit_style.py"].decode()
    for said in (
        "model.compile(optimizer=optimizer, loss=lambda labels, outputs: criterion(outputs, ops.cast(labels, "
        '"int64")), metrics=["accuracy"])\n',
        "history = model.fit(train_loader, epochs=num_epochs, validation_data=val_loader, callbacks=["
        "keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: scheduler.step())], shuffle=False).history\n",
        'train_losses += history["loss"]\nval_accs += [100 * one for one in history["val_accuracy"]]\n',
        'total += history["loss"][0] * len(loader.dataset)\n',
        'correct += round(history["accuracy"][0] * len(loader.dataset))\n',
        "gradients = clip_grad_norm(gradients, 1.0)\n",
    ):
        assert said in text, text
    assert any("stays a loop" in one and "clip_grad_norm_" in one for one in found.report["notes"])


def test_pytorch_has_no_fit():
    with pytest.raises(RequestError, match="PyTorch has no fit"):
        migrate(SOURCES / "fit_script.py", "torch", style="fit")
