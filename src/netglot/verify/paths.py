"""Paths to variables in an emitted model: `layer1.layers[0].conv1.kernel`, `blocks["a"].bias`."""

from __future__ import annotations

import ast
import re

_STEP = re.compile(r"\.?(?P<name>[A-Za-z_]\w*)|\[(?P<index>-?\d+|'[^']*'|\"[^\"]*\")\]")


def steps(path):
    """The steps of a path: a string for an attribute, a one-element tuple for an index.

    Raises:
        ValueError: it is not a path.
    """
    at, found = 0, []
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None or (match.group("name") and bool(found) != path[at:].startswith(".")):
            raise ValueError(f"{path!r} is not a path of attributes and indices (at character {at})")
        found.append(match.group("name") or (ast.literal_eval(match.group("index")),))
        at = match.end()
    return found


def resolve(root, path):
    """What stands at `path` below `root`: attributes and indices only, nothing is called.

    Raises:
        AttributeError, LookupError: with the part of the path that exists.
    """
    held, walked = root, ""
    for step in steps(path):
        try:
            held = getattr(held, step) if isinstance(step, str) else held[step[0]]
        except (AttributeError, LookupError, TypeError) as error:
            raise LookupError(f"{path}: after {walked or 'the model'} comes {error}") from None
        walked += ("." + step if walked else step) if isinstance(step, str) else f"[{step[0]!r}]"
    return held
