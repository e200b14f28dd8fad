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


def test_a_function_sees_the_weights_that_it_is_given_as_pytorch_keeps_them(tmp_path):
    (tmp_path / "penalty.py").write_text(PENALTY)
    found = migrate(tmp_path / "penalty.py", "tensorflow")
    assert found.verdict == "equivalent", (found.report["networks"], found.report["scripts"])
    text = found.files["penalty.py"].decode()
    assert "orthogonality(weight_of(model.first))" in text
    assert "for row in tf.unstack(weight_of(model.first))" in text
    assert "reset(model.last.kernel)" in text  # changed where it stands: the weight itself


PENALTY = """
import torch
from torch import nn


def orthogonality(w):
    return ((w @ w.t() - torch.eye(w.shape[0])) ** 2).sum()


def reset(w):
    with torch.no_grad():
        w.zero_()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 4)
        self.last = nn.Linear(4, 2)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)))


torch.manual_seed(0)
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(32, 6), torch.randint(0, 2, (32,))
for step in range(3):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y) + 0.01 * orthogonality(model.first.weight)
    loss.backward()
    optimizer.step()
    print(loss.item())
print(max(row.norm().item() for row in model.first.weight))
for row in model.first.weight:
    print(row.norm().item())
reset(model.last.weight)
print(model(x).abs().max().item())
"""
