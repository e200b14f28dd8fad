"""What the networks come out as, made the way a user makes it, and where that is committed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.golden.networks import NETWORKS

import netglot

FOLDER = Path(__file__).parent / "expected"


def path_of(name: str) -> Path:
    """The committed file."""
    return FOLDER / f"{name}.py"


def emitted(name: str) -> Any:
    """What the Keras writer makes of a network; it is built while netglot watches, as a named source is."""
    make, inputs = NETWORKS[name]
    return netglot.write(netglot.read(make, inputs), to="keras")


def update(names: list[str]) -> None:
    """Writes the files anew and says which changed."""
    FOLDER.mkdir(exist_ok=True)
    for name in names:
        start, path = time.perf_counter(), path_of(name)
        source = emitted(name).source
        changed = not path.exists() or path.read_text(encoding="utf-8") != source
        path.write_text(source, encoding="utf-8")
        print(f"{name}: {'changed' if changed else 'as it was'}, {time.perf_counter() - start:.1f} s", flush=True)
