"""A whole request: what is loaded, and what does not fit together."""

import pytest

from netglot.errors import InputError, RequestError, WeightsError
from netglot.frontend.request import understand

torch = pytest.importorskip("torch")


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)

    def forward(self, x, mask=None):
        return self.layer(x)


def test_what_is_understood(tmp_path):
    state = Net().state_dict()
    torch.save({"state_dict": state}, tmp_path / "net.pt")
    request = understand(Net(), inputs=["1,3", "mask=bool B,T"], weights=tmp_path / "net.pt")
    assert (request.kind, request.name) == ("torch", "Net")
    torch.testing.assert_close(request.network.layer.weight.detach(), state["layer.weight"])
    symbols = request.symbols()
    assert [symbols(0, 0), symbols(0, 1), symbols(1, 1)] == ["B", None, "T"]
    assert request.notes == ["the weights were read from the checkpoint's entry 'state_dict'"]


@pytest.mark.parametrize(
    ("inputs", "weights", "error", "says"),
    [
        (None, None, RequestError, "missing a required argument: 'x'"),
        (["1,3", "2,3", "4,3"], None, RequestError, "too many positional"),
        (["1,3", "y=1,3"], None, RequestError, "unexpected keyword argument 'y'"),
        (["1,3"], "no/such.pt", InputError, "no such file"),
        (["1,3"], {"weight": torch.ones(2, 3)}, WeightsError, "layer.weight"),
    ],
)
def test_what_does_not_fit(inputs, weights, error, says):
    with pytest.raises(error, match=says):
        understand(Net(), inputs=inputs, weights=weights)


def test_an_exported_program_has_its_weights():
    program = torch.export.export(torch.nn.Linear(3, 4), (torch.ones(2, 3),))
    assert understand(program).kind == "exported"
    with pytest.raises(RequestError, match="holds its weights already"):
        understand(program, weights={"weight": torch.ones(1)})
