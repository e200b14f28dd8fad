"""`inspect`, with the real API: the summary, the hierarchy, the text, and all of it as JSON."""

import json

import pytest

from netglot import cli

pytest.importorskip("torch")

ARGV = ["inspect", "examples/digits/model.py:DigitNet", "--input", "B,1,8,8"]


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch, pytestconfig):
    monkeypatch.chdir(pytestconfig.rootpath)


def told(capsys, *more):
    assert cli.run([*ARGV, *more]) == 0
    return capsys.readouterr().out


def test_summary(capsys):
    text = told(capsys)
    assert "x: float32(B, 1, 8, 8)" in text
    assert "25,018 trainable" in text
    assert "Conv 5" in text


def test_hierarchy(capsys):
    assert "norm1  BatchNorm2d" in told(capsys, "--view", "hierarchy")


def test_text(capsys):
    assert "Conv(" in told(capsys, "--view", "text")


def test_json(capsys):
    facts = json.loads(told(capsys, "--json"))
    assert facts["inputs"] == [{"name": "x", "dtype": "float32", "shape": ["B", 1, 8, 8]}]
    assert facts["ops"]["Conv"] == 5
    assert facts["modules"]["blocks.0"] == "Block"
    assert "Conv(" in facts["text"]
