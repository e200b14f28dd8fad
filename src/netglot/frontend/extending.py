"""Readers that the user adds: Python files that declare, with `reads`, what an operation of their own means.

They are in force while one network is read, and are taken back after.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from netglot.errors import InputError, RequestError
from netglot.frontend.usercode import user_code


@contextlib.contextmanager
def extended(files: Sequence[str | os.PathLike]) -> Iterator[None]:
    """Runs the files, and keeps what they declare for the block.

    Raises:
        InputError: there is no such file.
        RequestError: a file declares nothing.
        UserCodeError: a file raises; it does where it declares what is read already.
    """
    if not files:
        yield
        return
    from netglot.report.matrix import all_dialects

    dialects = all_dialects().values()
    before = [(one, dict(one.readers)) for one in dialects]
    try:
        for file in files:
            held = sum(len(one.readers) for one in dialects)
            _run(Path(file))
            if sum(len(one.readers) for one in dialects) == held:
                raise RequestError(f"{file} declares no reader", advice="see docs/formats/extending.md")
        yield
    finally:
        for dialect, readers in before:
            dialect.readers.clear()
            dialect.readers.update(readers)


def _run(path: Path) -> None:
    """Executes a file of the user's. Its folder is put on the import path, so that it finds its neighbours."""
    if not path.is_file():
        raise InputError(f"{path}: no such file", advice="--extend takes a Python file")
    spec = importlib.util.spec_from_file_location(f"_netglot_extension_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise RequestError(f"{path} is no Python file", advice="--extend takes a Python file")
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    with user_code(f"reading the extension {path.name}"):
        spec.loader.exec_module(module)
