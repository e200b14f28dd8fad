"""Runs the user's code, and tells its exceptions from netglot's own.

An exception there is the user's to read: it becomes a `UserCodeError` that carries the user's part of the traceback.
"""

from __future__ import annotations

import contextlib
import os
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path

from netglot.errors import NetglotError, UserCodeError
from netglot.frontend.frameworks import FRAMEWORKS, missing_module
from netglot.frontend.incomplete import complete_on_import

_NETGLOT = str(Path(__file__).resolve().parent.parent) + os.sep
_LIBRARIES = tuple(
    {str(Path(sysconfig.get_path(key)).resolve()) + os.sep for key in ("stdlib", "platstdlib", "purelib", "platlib")}
)
_OUTSIDE = (_NETGLOT, *_LIBRARIES, "<frozen ", "<string>")


@contextlib.contextmanager
def user_code(doing: str) -> Iterator[None]:
    """Runs a block of the user's code; `doing` completes "raised while", such as "importing net.py".

    Raises:
        UserCodeError: the block raised, or tried to end the process.
        MissingFramework: it imports a framework that is not installed.
    """
    complete_on_import()
    try:
        yield
    except NetglotError:
        raise
    except ModuleNotFoundError as error:
        if error.name and any(error.name.partition(".")[0] in f.modules for f in FRAMEWORKS.values()):
            raise missing_module(error.name, doing) from error
        raise _told(error, doing) from error
    except (Exception, SystemExit) as error:
        raise _told(error, doing) from error


def _told(error: BaseException, doing: str) -> UserCodeError:
    frames = user_frames(error)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    text = str(error).strip().partition("\n")[0]
    kind = type(error).__name__
    message = f"{kind}{place} while {doing}" + (f": {text}" if text else "")
    return UserCodeError(message, trace=user_trace(error, frames))


def user_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """The frames of a traceback that are the user's own; those of netglot, of Python and of packages left out."""
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in frames if not _outside(frame.filename)]


def _outside(filename: str) -> bool:
    return filename.startswith(_OUTSIDE) or str(Path(filename).resolve()).startswith(_OUTSIDE)


def user_trace(error: BaseException, frames: list[traceback.FrameSummary] | None = None) -> str:
    """The traceback as Python prints it, with the user's frames only."""
    frames = user_frames(error) if frames is None else frames
    last = traceback.format_exception_only(error)
    head = ["Traceback (most recent call last):\n"] if frames else []
    return "".join([*head, *traceback.format_list(frames), *last]).rstrip("\n")


def user_lines(trace: str) -> str:
    """A printed traceback, such as one from a worker, without the frames that are not the user's own."""
    kept, keeping = [], True
    for line in trace.rstrip().splitlines():
        if line.startswith("  File "):
            keeping = not _outside(line.split('"')[1]) if '"' in line else False
        elif not line.startswith(" "):
            keeping = True
        if keeping:
            kept.append(line)
    return "\n".join(kept)
