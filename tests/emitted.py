"""Networks that are emitted and run without a folder."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def constants_at_hand(module: Any, written: Any, save: Callable[[Any, Path], None]) -> Iterator[None]:
    """Gives an emitted module the weights file from which it reads its constants, where it has such.

    Args:
        save: writes the weights of what was written into a file.
    """
    if not any(variable.given for variable in written.variables):
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        module.WEIGHTS = Path(folder) / Path(module.WEIGHTS).name
        save(written, module.WEIGHTS)
        yield
