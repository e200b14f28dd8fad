"""Bad input, through the real command: one clear line, exit code 2, and nothing half-written."""

import subprocess
import sys
import textwrap

import pytest

from netglot import cli

torch = pytest.importorskip("torch")
pytest.importorskip("keras")

NET = """
    import torch

    class Net(torch.nn.Module):
        def __init__(self, width=4):
            super().__init__()
            self.first = torch.nn.Linear(3, width)
            self.last = torch.nn.Linear(width, 2)

        def forward(self, x):
            return self.last(self.first(x).relu())

    class Raising(Net):
        def forward(self, x):
            return self.check(x)

        def check(self, x):
            raise ValueError("I do not like this input")
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net_of_errors.py").write_text(textwrap.dedent(NET))
    yield tmp_path
    sys.modules.pop("net_of_errors", None)
    sys.path[:] = [entry for entry in sys.path if entry != str(tmp_path)]


def state():
    return {
        "first.weight": torch.ones(4, 3),
        "first.bias": torch.ones(4),
        "last.weight": torch.ones(2, 4),
        "last.bias": torch.ones(2),
    }


def renamed():
    return {("frist.weight" if key == "first.weight" else key): tensor for key, tensor in state().items()}


def reshaped():
    return state() | {"first.bias": torch.ones(5)}


NETWORK = "net_of_errors.py:Net"

MISTAKES = {
    "a missing file": ("no_such_file.py:Net", "1,3", None, "no_such_file.py: no such file"),
    "a name that is not there": ("net_of_errors.py:Nett", "1,3", None, "has no Nett"),
    "a wrong shape": (NETWORK, "1,7", None, "forward"),
    "a wrong dtype": (NETWORK, "int64 1,3", None, "must have the same dtype"),
    "no input": (NETWORK, None, None, "missing a required argument: 'x'"),
    "an input that does not parse": (NETWORK, "1,3,x y", None, "'x y' is not a size"),
    "a missing checkpoint": (NETWORK, "1,3", "no.pt", "no.pt: no such file"),
    "a corrupt checkpoint": (NETWORK, "1,3", b"PK\x03\x04 this is no archive", "truncated or corrupt"),
    "an empty checkpoint": (NETWORK, "1,3", b"", "is empty"),
    "keys that do not match": (NETWORK, "1,3", renamed, "1 missing, 1 unexpected"),
    "shapes that do not match": (NETWORK, "1,3", reshaped, "1 of another shape"),
    "a forward that raises": ("net_of_errors.py:Raising", "1,3", None, "I do not like this input"),
    "a literal that is none": ("net_of_errors.py:Net(width=os.getpid())", "1,3", None, "not all literals"),
    "an argument that is not there": (
        "net_of_errors.py:Net(depth=3)",
        "1,3",
        None,
        "unexpected keyword argument 'depth'",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_clear_line(folder, capsys, mistake):
    source, shape, weights, says = MISTAKES[mistake]
    argv = ["convert", source, "--to", "keras", "-o", "out", *(["--input", shape] if shape else [])]
    if weights is not None:
        if isinstance(weights, bytes):
            (folder / "net.pt").write_bytes(weights)
        elif callable(weights):
            torch.save(weights(), folder / "net.pt")
        argv += ["--weights", weights if isinstance(weights, str) else "net.pt"]
    before = sorted(path.name for path in folder.iterdir())
    code = cli.run(argv)
    told = capsys.readouterr()
    assert (code, told.out) == (2, ""), told.err
    (line,) = [line for line in told.err.splitlines() if line.startswith("error: ")]
    assert says in line
    assert "src/netglot" not in told.err, "netglot's own frames are shown with --debug only"
    assert sorted(path.name for path in folder.iterdir() if path.name != "__pycache__") == before


def test_the_users_own_traceback_is_shown(folder, capsys):
    cli.run(["convert", "net_of_errors.py:Raising", "--to", "keras", "-o", "out", "--input", "1,3"])
    told = capsys.readouterr().err
    assert "return self.check(x)" in told
    assert "site-packages" not in told


def test_keys_come_with_the_nearest_names(folder, capsys):
    torch.save(renamed(), folder / "net.pt")
    cli.run(["convert", NETWORK, "--to", "keras", "--input", "1,3", "--weights", "net.pt"])
    told = capsys.readouterr().err
    assert "first.weight  (the file has frist.weight)" in told


@pytest.mark.parametrize(("missing", "extra"), [("torch", "torch"), ("keras", "keras"), ("tensorflow", "keras")])
def test_a_missing_framework_names_the_extra(folder, missing, extra):
    code = f"import sys; sys.modules[{missing!r}] = None; from netglot import cli; sys.exit(cli.run(sys.argv[1:]))"
    argv = ["convert", NETWORK, "--to", "keras", "--input", "1,3", "-o", "out"]
    done = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 2, done.stderr
    assert f"error: {missing} is not installed" in done.stderr
    assert f'pip install "netglot[{extra}]"' in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "out").exists()
