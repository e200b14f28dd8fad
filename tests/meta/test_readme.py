"""The README shows what netglot does today."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_example_is_what_comes_out():
    pytest.importorskip("torch")
    pytest.importorskip("keras")
    spec = importlib.util.spec_from_file_location("readme_example", ROOT / "examples" / "readme.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = (ROOT / "README.md").read_text("utf-8")
    assert module.updated(text) == text, "run `make docs`"
