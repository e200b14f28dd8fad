"""What is written for the user: everything aside first, then into place, so that nothing is ever half-written."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from netglot.errors import RequestError


@contextlib.contextmanager
def staged(folder: str | Path) -> Iterator[Path]:
    """Gives an empty folder to write into; what is in it takes its place in `folder` when the block ends well.

    Where `folder` does not exist it appears all at once. Where it does, each file replaces its namesake and the
    others stay. When the block raises, `folder` is as it was.

    Raises:
        RequestError: `folder` is a file, or cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"{folder} is a file, and the output is a folder")
    parents = _missing_parents(folder.absolute().parent)
    try:
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name or 'out'}.", dir=folder.absolute().parent))
    except OSError as error:
        raise _unwritable(folder, error) from error
    placed = False
    try:
        yield aside
        _place(aside, folder)
        placed = True
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        if not placed:
            _remove(parents)


def _unwritable(folder: Path, error: OSError) -> RequestError:
    return RequestError(f"{folder} cannot be written: {error.strerror or error}")


def _missing_parents(folder: Path) -> list[Path]:
    """The folders above that would have to be made, innermost first."""
    return [one for one in (folder, *folder.parents) if not one.exists()]


def _remove(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _place(aside: Path, folder: Path) -> None:
    _open_to_the_umask(aside)
    if not folder.exists():
        os.replace(aside, folder)
        return
    for source in sorted(path for path in aside.rglob("*") if path.is_file()):
        target = folder / source.relative_to(aside)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, target)


def _open_to_the_umask(folder: Path) -> None:
    """Gives a temporary folder, which only its owner may enter, the rights of an ordinary one."""
    mask = os.umask(0)
    os.umask(mask)
    folder.chmod(0o777 & ~mask)
