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


class Graph(torch.nn.Module):
    """Six nodes and the edges between them: no first axis is a batch."""

    def forward(self, x, edges):
        return torch.zeros(6, 3).index_add(0, edges[1], x[edges[0]]) + x[5]


def test_a_first_axis_that_is_no_batch():
    from netglot.api import read

    graph = read(Graph(), inputs=["6,3", "int64 2,7@0:6"])
    assert [value.type.shape for value in graph.inputs] == [(6, 3), (2, 7)]


def test_an_error_at_every_size_is_told_of_the_first():
    from netglot.api import read
    from netglot.errors import UserCodeError

    with pytest.raises(UserCodeError, match="out of bounds for dimension 0 with size 2"):
        read(Graph(), inputs=["4,3", "int64 2,7@0:4"])
