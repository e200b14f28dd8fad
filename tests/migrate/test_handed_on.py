"""What files hand to each other, and tensors that are changed where others hold them: right, or marked."""

from pathlib import Path

import pytest

from netglot.migrate.migrating import migrate

pytest.importorskip("torch")
pytest.importorskip("keras")
HELPED = Path(__file__).parent / "sources" / "helped"


def test_files_that_name_no_framework_and_changes_that_others_see(capsys):
    found = migrate(HELPED, "tensorflow")
    assert found.verdict == "equivalent", (found.report["networks"], found.report["scripts"])
    text = {name: data.decode() for name, data in found.files.items()}
    assert "from tensorflow.keras import ops" in text["measures.py"]  # it is handed tensors
    assert "isinstance(m, layers.Dense)" in text["scoring.py"]  # the Dense of another file is no Dense of this one
    assert "m.use_bias:" in text["scoring.py"]
    assert "ops.sum(weight_of(layer)[1])" in text["scoring.py"]  # a row of PyTorch's weight
    assert "self.mean.assign(" in text["model.py"] and "self.seen.assign_add(1)" in text["model.py"]
    assert "model = model.Net()" in text["train.py"]  # the module gives its name to the network
    assert "isinstance(params[0], dict)" in text["train.py"]  # groups of weights that are handed on with options
    marked = {(file["path"], one["line"]): one["reason"] for file in found.report["files"] for one in file["marked"]}
    assert sorted(marked) == [("scoring.py", 15), ("train.py", 16), ("train.py", 40)], marked
    assert "what the caller gave as rows" in marked["train.py", 16] and 'held["rows"]' in marked["train.py", 40]
    assert 'held["rows"] = updated(' in text["train.py"]
    assert not any("import torch" in one for name, one in text.items() if name != "scoring.py")
