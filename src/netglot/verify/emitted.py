"""Emitted files as modules."""

from __future__ import annotations

import importlib.util
import itertools
import os
import sys

_count = itertools.count()


def import_emitted(path, **given):
    """The module in the file at `path`, under a name of its own; `given` are its globals beforehand.

    Raises:
        FileNotFoundError: there is no such file.
    """
    name = f"netglot_emitted_{next(_count)}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not os.path.exists(path):
        raise FileNotFoundError(f"there is no {path}")
    module = importlib.util.module_from_spec(spec)
    vars(module).update(given)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
