"""SavedModels and TensorFlow Lite files, which TensorFlow makes of the emitted Keras network: run by TensorFlow."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("tensorflow")

from tests.written.networks import Block, Pictures, Words, drawn

import netglot

torch = pytest.importorskip("torch")

CASES = {
    "block": (lambda: Block(4), "1,4,9,9"),
    "pictures": (lambda: Pictures(), "1,3,33,33"),
    "lstm": (lambda: Words(), "int64 B,5@0:20"),
    "pinned": (lambda: Words(), "int64 2!,5@0:20"),
}


@pytest.mark.parametrize(
    ("target", "name"), [("tensorflow", "block"), ("tensorflow", "lstm"), ("tflite", "pictures"), ("tflite", "pinned")]
)
def test_run(target, name, tmp_path):
    make, shape = CASES[name]
    conversion = netglot.convert(drawn(make()), target, inputs=[shape])
    report = conversion.report
    assert report["verdict"] == "equivalent", report["differences"]
    assert report["float64"] is None and report["float32"]["same"]
    assert "tensorflow" in report["frameworks"]["target"]
    folder = conversion.save(tmp_path / "out")
    assert (folder / {"tensorflow": "saved_model", "tflite": "model.tflite"}[target]).exists()


def test_a_recurrence_over_any_batch_is_refused_for_tflite():
    report = netglot.convert(drawn(Words()), "tflite", inputs=["int64 B,5@0:20"]).report
    assert report["verdict"] == "refused"
    assert "batch of any size" in report["refused"][0]["reason"]
    assert "1!" in report["refused"][0]["advice"]


def test_an_ml_program_is_made_and_read_back(tmp_path):
    pytest.importorskip("coremltools")
    conversion = netglot.convert(drawn(Words("GRU")), "mlprogram", inputs=["int64 2!,3@0:20"])
    report = conversion.report
    assert report["verdict"] == "equivalent", report["differences"]
    assert any("reading it back" in said for said in report["differences"])
    folder = conversion.save(tmp_path / "out")
    (words,) = netglot.read(str(folder / "model.mlpackage")).inputs
    assert words.name == "words" and words.dtype == "int32"
    assert "model.mlpackage" in (folder / "README.md").read_text()


def test_core_ml_has_double_precision_in_single():
    report = netglot.convert(drawn(Block(4).double()), "mlprogram", inputs=["1,4,9,9"]).report
    assert report["verdict"] == "equivalent", report["differences"]
    assert any("stored in float64; Core ML has them in float32" in said for said in report["differences"])


class Kept(torch.nn.Module):
    """Where a mask says so."""

    def forward(self, x, mask):
        return torch.where(mask, x, 0.0)


def test_what_core_ml_takes_no_input_of():
    report = netglot.convert(Kept(), "mlprogram", inputs=["1,4", "bool 1,4"]).report
    assert report["verdict"] == "refused" and "no inputs of bool" in report["refused"][0]["reason"]
