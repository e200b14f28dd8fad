"""Exported programs as sources: as live objects and as `.pt2` files."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("keras")

from torch import nn  # noqa: E402

import netglot  # noqa: E402


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(4 * 6 * 6, 5)

    def forward(self, x, *, scale):
        x = torch.relu(self.norm(self.conv(x)))
        return {"logits": self.head(self.drop(x.flatten(1))) * scale}


def exported(network, batch=None):
    shapes = {"x": {0: batch or torch.export.Dim.AUTO}, "scale": None}
    return torch.export.export(
        network, (torch.zeros(2, 3, 6, 6),), {"scale": torch.ones(1)}, dynamic_shapes=shapes, strict=False
    )


def test_a_live_program_is_converted_and_proven():
    conversion = netglot.convert(exported(Net().eval()), to="keras")
    assert conversion.verdict == "equivalent"
    assert "class Net(keras.Model)" in conversion.source and "layers.Dropout(0.3)" in conversion.source
    assert conversion.report["gradients"]["same"]
    assert [one["shape"] for one in conversion.report["inputs"]] == [["B", 3, 6, 6], [1]]
    assert any("training was not compared" in one for one in conversion.report["differences"])


def test_a_file_is_converted_with_every_batch_size(tmp_path):
    path = tmp_path / "some_net.pt2"
    torch.export.save(exported(Net().eval(), torch.export.Dim("batch")), path)
    conversion = netglot.convert(str(path), to="torch")
    assert conversion.verdict == "equivalent"
    assert any("batch 3" in run["name"] for run in conversion.report["float64"]["runs"])


def test_a_program_in_training_mode_is_refused():
    conversion = netglot.convert(exported(Net().train()), to="keras")
    assert conversion.verdict == "refused"
    assert "training mode" in conversion.report["refused"][0]["reason"]
