"""netglot's own form of a network: a folder with `network.json` and `weights.safetensors`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from netglot.errors import RequestError
from netglot.pivot import serialize
from netglot.pivot.graph import Graph


def sniff(path: Path) -> bool:
    """Whether a path is a saved graph: its folder, or the `network.json` in it."""
    return path.name == serialize.NETWORK or os.path.isfile(path / serialize.NETWORK)


def read(path: Path, *, weights: Path | None = None, inputs: Any = None) -> Graph:
    """The saved graph.

    Raises:
        InputError: a file is missing or broken.
        RequestError: other weights were given.
    """
    if weights is not None:
        raise RequestError("a saved graph holds its weights already", advice="leave --weights out")
    return serialize.load(path.parent if path.name == serialize.NETWORK else path)
