"""SOURCE strings: which are understood, what they load, and what is said of the others."""

import sys
import textwrap

import pytest

from netglot.errors import InputError, MissingFramework, RequestError, UserCodeError
from netglot.frontend.source import load_source, network_kind, parse_source

torch = pytest.importorskip("torch")

NET = """
    import torch
    from neighbour_of_net import SIZE

    class Net(torch.nn.Module):
        def __init__(self, width, depth=2, *, names=()):
            super().__init__()
            self.layer = torch.nn.Linear(SIZE, width)
            self.depth = depth

        def forward(self, x):
            return self.layer(x)

        @classmethod
        def tiny(cls):
            return cls(2)

    class Failing(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.helper()

        def helper(self):
            raise ValueError("no such size\\nsecond line")

    def make():
        return Net(5)

    def wrong():
        return 7

    ready = Net(4)
    number = 3
"""


@pytest.fixture
def net(tmp_path):
    (tmp_path / "neighbour_of_net.py").write_text("SIZE = 3\n")
    path = tmp_path / f"net_{tmp_path.name}.py"
    path.write_text(textwrap.dedent(NET))
    yield path
    sys.path[:] = [entry for entry in sys.path if entry != str(tmp_path)]
    sys.modules.pop("neighbour_of_net", None)


@pytest.mark.parametrize(
    ("name", "width"),
    [
        ("Net(6)", 6),
        ("Net(width=6, names=['a', \"b:c\"])", 6),
        ("Net.tiny", 2),
        ("make", 5),
        ("make()", 5),
        ("ready", 4),
    ],
)
def test_what_loads(net, name, width):
    assert load_source(f"{net}:{name}").layer.out_features == width


def test_a_module_on_the_import_path():
    assert isinstance(load_source("torch.nn:Linear(3, 4)"), torch.nn.Linear)


def test_live_objects():
    module = torch.nn.ReLU()
    assert load_source(module) is module
    assert isinstance(load_source(torch.nn.ReLU), torch.nn.ReLU)
    assert network_kind(module) == "torch"
    assert network_kind(torch.nn.ReLU) is None


def test_an_exported_program(tmp_path):
    program = torch.export.export(torch.nn.Linear(3, 4), (torch.ones(2, 3),))
    torch.export.save(program, tmp_path / "net.pt2")
    assert network_kind(load_source(tmp_path / "net.pt2")) == "exported"
    (tmp_path / "cut.pt2").write_bytes((tmp_path / "net.pt2").read_bytes()[:500])
    with pytest.raises(InputError, match="cannot be read as an exported program"):
        load_source(str(tmp_path / "cut.pt2"))


def test_missing_arguments_are_named(net):
    with pytest.raises(RequestError, match="Net needs width") as caught:
        load_source(f"{net}:Net")
    assert "(width, depth=2, *, names=())" in caught.value.advice


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Net(1, 2, 3)", "too many positional"),
        ("Net(1, colour=2)", "unexpected keyword argument 'colour'"),
        ("Net(torch.zeros(3))", "not all literals"),
        ("Net(1", "is not a source"),
        ("Net(*[1])", "not all literals"),
        ("Nett", "has no Nett"),
        ("number", "is a int and not a network"),
        ("wrong", "gives a int and not a network"),
        ("ready(3)", "is a network already"),
    ],
)
def test_what_does_not(net, name, says):
    with pytest.raises(RequestError, match=says):
        load_source(f"{net}:{name}")


def test_near_names_are_offered(net):
    with pytest.raises(RequestError) as caught:
        load_source(f"{net}:Nett(1)")
    assert "Net" in caught.value.advice


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("no/such/file.py:Net", InputError, "no such file"),
        ("no_such.pt2", InputError, "no such file"),
        ("net.pt", RequestError, "holds weights"),
        ("n" * 300 + ".py:Net", InputError, "no such file"),
        ("n" * 250 + "/" + "n" * 256 + ".keras", InputError, "more than 255 bytes"),
        ("\x80" * 130, InputError, "more than 255 bytes"),
        ("a\0b.json", InputError, "null character"),
        ("resnet50", RequestError, "is not a source"),
        ("no_such_module_at_all:Net", MissingFramework, "is not installed"),
        ("torch.nowhere:Net", RequestError, "no module torch.nowhere"),
        ("1torch:Net", RequestError, "not the name of a module"),
    ],
)
def test_sources_that_are_not(text, error, says):
    with pytest.raises(error, match=says):
        load_source(text)


def test_a_file_alone_names_its_classes(net):
    with pytest.raises(RequestError) as caught:
        parse_source(str(net))
    assert "Net, Failing" in caught.value.advice


def test_the_users_exception_comes_with_the_users_traceback_only(net):
    with pytest.raises(UserCodeError) as caught:
        load_source(f"{net}:Failing")
    assert caught.value.message.startswith(f"ValueError at {net.name}:")
    assert "no such size" in caught.value.message
    assert "\n" not in caught.value.message
    assert "self.helper()" in caught.value.trace
    assert "netglot/frontend" not in caught.value.trace
    assert caught.value.trace.endswith("second line")


def test_a_file_that_does_not_import(tmp_path):
    (tmp_path / "broken_file.py").write_text("import sys\nx = (1,\n")
    with pytest.raises(UserCodeError, match="SyntaxError"):
        load_source(f"{tmp_path}/broken_file.py:Net")
    (tmp_path / "leaving_file.py").write_text("import sys\nsys.exit(3)\n")
    with pytest.raises(UserCodeError, match="SystemExit"):
        load_source(f"{tmp_path}/leaving_file.py:Net")
    assert "leaving_file" not in sys.modules
