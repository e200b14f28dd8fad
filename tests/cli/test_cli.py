"""The commands, with the API behind them replaced: what is asked of it, what is told, and the exit codes."""

import json
import sys
import types
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from netglot import cli
from netglot.errors import (
    Bug,
    InputError,
    RefusedOp,
    UnsupportedOps,
    UserCodeError,
    WorkerError,
    never,
    notimpl,
)

RECORD = {
    "verdict": "equivalent",
    "inputs": [{"name": "x", "dtype": "float32", "shape": ["B", 8, 8, 3], "permutation": [0, 2, 3, 1]}],
    "outputs": [{"name": "output", "dtype": "float32", "shape": ["B", 10], "permutation": [0, 1]}],
    "float64": {"max_abs": 1.25e-15, "max_rel": 3e-14},
    "float32": {"max_abs": 2e-7, "max_rel": 1e-6},
    "gradients": {"same": True, "compared": 5, "max_abs": 1e-14, "max_rel": 1e-13, "parameters": 4, "inputs": 1},
    "training": {
        "steps": 10,
        "losses": {"max_rel": 1e-12},
        "parameters": {"compared": 4, "max_rel": 2e-12},
        "statistics": {"compared": 0},
        "dropout": {"places": 2},
    },
    "parameters": {"source": {"trainable": 1000, "frozen": 10}, "target": {"trainable": 1000, "frozen": 10}},
    "transposes": 0,
    "phases": [{"name": "capture", "seconds": 1.23, "peak_bytes": {"torch": 12 << 20}}],
    "differences": ["running variance: PyTorch's is unbiased, Keras's is not (6e-4 after one step)"],
    "refused": [],
}


@dataclass
class Conversion:
    verdict: str = "equivalent"
    report: dict = field(default_factory=lambda: dict(RECORD))

    def save(self, folder, move=False):
        (Path(folder) / "model.py").write_text("model")


@pytest.fixture
def api(monkeypatch):
    """An API that remembers what it was asked, and answers with `answer` or raises `error`."""
    fake = types.SimpleNamespace(asked={}, answer=Conversion(), error=None)

    def call(*arguments, **options):
        fake.asked = {"arguments": arguments, **options}
        if fake.error is not None:
            raise fake.error
        return fake.answer

    fake.convert = fake.verify = fake.read = call
    monkeypatch.setattr(cli, "_api", lambda: fake)
    return fake


def run(capsys, *argv):
    code = cli.run(list(argv))
    told = capsys.readouterr()
    return code, told.out, told.err


def test_convert_asks_and_writes(api, capsys, tmp_path):
    code, out, err = run(
        capsys,
        *("convert", "net.py:Net(3)", "--to", "keras", "--input", "1,3,8,8", "--input", "mask=bool B,T"),
        *("--weights", "net.pt", "--keep-layout", "--exact-training", "--seed", "7", "--time-limit", "5"),
        *("-o", str(tmp_path / "out")),
    )
    assert (code, err) == (0, "")
    assert api.asked["arguments"] == ("net.py:Net(3)",)
    assert api.asked["inputs"] == ["1,3,8,8", "mask=bool B,T"]
    wanted = {"to": "keras", "weights": Path("net.pt"), "keep_layout": True, "exact_training": True, "seed": 7}
    assert wanted.items() <= api.asked.items()
    assert (api.asked["verify"], api.asked["time_limit"]) == (True, 5.0)
    assert (tmp_path / "out" / "model.py").read_text() == "model"
    assert "equivalent" in out and "1.2e-15" in out and "axes (0, 2, 3, 1) of the source" in out
    assert "running variance" in out


def test_no_verify(api, capsys, tmp_path):
    api.answer = Conversion("unverified", {"verdict": "unverified"})
    code, out, _ = run(capsys, "convert", "a:b", "--to", "keras", "--no-verify", "-o", str(tmp_path / "o"))
    assert (code, api.asked["verify"]) == (0, False)
    assert "not compared" in out


@pytest.mark.parametrize(("verdict", "code"), [("equivalent", 0), ("different", 1), ("refused", 3)])
def test_exit_codes_follow_the_verdict(api, capsys, tmp_path, verdict, code):
    api.answer = Conversion(verdict, RECORD | {"verdict": verdict})
    out = tmp_path / "out"
    assert run(capsys, "convert", "a:b", "--to", "keras", "-o", str(out), "--json")[0] == code
    assert out.exists() is (verdict != "refused")


def test_json_is_all_that_is_printed(api, capsys, tmp_path):
    code, out, err = run(capsys, "convert", "a:b", "--to", "keras", "-o", str(tmp_path / "o"), "--json")
    assert json.loads(out) == RECORD
    assert (code, err) == (0, "")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("gone", advice="look"), 2),
        (WorkerError("died"), 2),
        (Bug("broken"), 70),
        (ZeroDivisionError("x"), 70),
    ],
)
def test_errors_are_one_line_and_leave_nothing(api, capsys, tmp_path, error, code):
    api.error = error
    got, out, err = run(capsys, "convert", "a:b", "--to", "keras", "-o", str(tmp_path / "out"))
    assert (got, out) == (code, "")
    lines = err.splitlines()
    assert str(error) in lines[0] and all(line.startswith("  -> ") for line in lines[1:])
    assert list(tmp_path.iterdir()) == []
    assert "Traceback" not in err
    assert "Traceback" in run(capsys, "convert", "a:b", "--to", "keras", "--debug")[2]


def test_the_users_traceback_is_shown(api, capsys):
    api.error = UserCodeError("ValueError at net.py:3", trace='Traceback\n  File "net.py", line 3')
    code, _, err = run(capsys, "convert", "a:b", "--to", "keras")
    assert code == 2
    assert err.splitlines()[-1] == "error: ValueError at net.py:3"
    assert 'File "net.py", line 3' in err


def test_refusals_are_told_in_words_and_in_json(api, capsys):
    places = [
        RefusedOp("pool", "AdaptiveMaxPool(7)", notimpl("not yet", "do this"), "net.py:3"),
        RefusedOp("b.pool", "AdaptiveMaxPool(7)", notimpl("not yet", "do this"), "net.py:9"),
        RefusedOp("c", "Bernoulli()", never("random")),
    ]
    api.error = UnsupportedOps(places, 20, "Keras")
    code, out, err = run(capsys, "convert", "a:b", "--to", "keras", "--json")
    told = json.loads(out)
    assert (code, told["verdict"], len(told["refused"])) == (3, "refused", 3)
    assert told["refused"][0] == {
        "where": "pool", "what": "AdaptiveMaxPool(7)", "kind": "notimpl", "reason": "not yet", "advice": "do this",
        "site": "net.py:3",
    }  # fmt: skip
    assert "3 of 20 operations have no Keras form" in err and "(2 places)" in err and "never: random" in err


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["convert", "a:b", "--to", "kerass"], "--to keras? Others: torch, "),
        (["convert", "a:b", "--to", "caffe2"], "does not write 'caffe2'"),
        (["convert", "a:b", "--to", "PyTorch"], "--to torch? Others: keras, "),
        (["convert", "a:b", "--to", "jax"], "KERAS_BACKEND=jax"),
        (["convert", "--to", "keras"], "Missing argument"),
        (["convert", "a:b"], "Missing option"),
        (["convert", "a:b", "--to", "keras", "--colour"], "No such option"),
        (["convert", "a:b", "--to", "keras", "--seed", "x"], "Invalid value"),
        (["convert", "a:b", "--to", "keras", "-o", __file__], "is a file"),
        (["convrt"], "No such command"),
        (["verify", "a:b", "no/such/folder"], "holds no model.py"),
    ],
)
def test_requests_that_are_not_understood(api, capsys, argv, says):
    code, out, err = run(capsys, *argv)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.splitlines()) <= 2
    assert not api.asked


def test_verify(api, capsys, tmp_path):
    (tmp_path / "model.py").write_text("")
    api.answer = RECORD | {"verdict": "different"}
    code, out, _ = run(capsys, "verify", "a:b", str(tmp_path), "--input", "1,2")
    assert code == 1
    assert api.asked["arguments"] == ("a:b", tmp_path)
    assert out.startswith("different")


def test_doctor_and_matrix(capsys):
    code, out, _ = run(capsys, "doctor", "--json")
    assert code == 0
    assert {one["name"] for one in json.loads(out)["frameworks"]} >= {"torch", "keras"}
    assert run(capsys, "doctor")[0] == 0
    code, out, _ = run(capsys, "matrix", "--json")
    rows = json.loads(out)
    assert code == 0 and {"op", "family", "meaning", "cells"} <= rows[0].keys()
    code, out, _ = run(capsys, "matrix")
    assert code == 0 and "Conv" in out


def test_doctor_names_the_extra_of_what_is_missing(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    out = run(capsys, "doctor")[1]
    assert 'lacks tensorflow: pip install "netglot[keras]"' in out


def test_help(capsys):
    for argv in ([], ["--help"], ["convert", "--help"]):
        code, out, _ = run(capsys, *argv)
        assert code == 0 and "Usage" in out
