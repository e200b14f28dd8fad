"""A line that says what is running now, on a terminal and only for work that takes longer than a second."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

PATIENCE = 1.0
"""Seconds before anything is shown."""


class Ticker:
    """Shows the current phase. `say` is given to whoever works; it may be called from any thread."""

    def __init__(self, progress: Progress | None):
        self._progress = progress
        self._task = progress.add_task("starting", total=None) if progress else None

    def say(self, what: str, done: float | None = None, total: float | None = None) -> None:
        """Tells what runs now, and how much of it is done where that is known."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=what, completed=done or 0, total=total)


@contextmanager
def ticking(console: Console, *, shown: bool = True) -> Iterator[Ticker]:
    """Shows progress while the block runs; silent where `console` is no terminal or `shown` is False."""
    if not (shown and console.is_terminal):
        yield Ticker(None)
        return
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    finished = threading.Event()
    starter = threading.Thread(target=_start_late, args=(progress, finished), daemon=True)
    starter.start()
    try:
        yield Ticker(progress)
    finally:
        finished.set()
        starter.join()
        progress.stop()


def _start_late(progress: Progress, finished: threading.Event) -> None:
    if not finished.wait(PATIENCE):
        progress.start()
