"""Lays emitted source out with ruff: sorted imports, no unused ones, the usual format."""

from __future__ import annotations

import subprocess

from netglot.errors import Bug


def tidy_source(text: str) -> str:
    """The source formatted and lint-clean.

    Raises:
        Bug: the source does not parse.
    """
    from ruff.__main__ import find_ruff_bin

    ruff = find_ruff_bin()
    common = ["--isolated", "--line-length", "100", "--quiet", "-"]
    fixed = _run([ruff, "check", "--fix", "--exit-zero", "--select", "F401,I", *common], text)
    return _run([ruff, "format", *common], fixed)


def _run(command: list[str], text: str) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Bug(f"the emitted source is not Python: {done.stderr.strip()}\n{text}")
    return done.stdout
