"""Runs networks one after the other, each in a fresh process that is ended when it takes too long or too much memory.

The processes are forked from a server that has imported the frameworks already, so that a network costs no import.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
from tests.zoo import one

PRELOADED = ["tests.zoo.preload"]
POLL = 0.25


def run_all(
    names: Iterable[str],
    *,
    verify: bool,
    training: bool,
    time_limit: float,
    memory_limit: float,
    sources: Path,
    done: Callable[[dict[str, Any]], None],
) -> None:
    """Converts each network and hands its record to `done`.

    Args:
        time_limit: seconds for one network.
        memory_limit: bytes of resident memory for one network with all its processes.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    for name in names:
        done(_run_one(context, name, (verify, training), time_limit, memory_limit, sources))


def _child(pipe: Connection, name: str, proof: tuple[bool, bool], time_limit: float, sources: Path) -> None:
    log = os.open(os.devnull, os.O_WRONLY)
    os.dup2(log, 1)
    os.dup2(log, 2)
    pipe.send(one.run(name, *proof, time_limit, sources))


def _run_one(
    context, name: str, proof: tuple[bool, bool], time_limit: float, memory_limit: float, sources: Path
) -> dict[str, Any]:
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(theirs, name, proof, time_limit, sources))
    process.start()
    theirs.close()
    start, why = time.monotonic(), ""
    while not why and not ours.poll(POLL):
        if time.monotonic() - start > time_limit:
            why = f"took more than {time_limit:.0f} s"
        elif _memory(process.pid) > memory_limit:
            why = f"took more than {memory_limit / 2**30:.0f} GiB of memory"
        elif not process.is_alive() and not ours.poll(POLL):
            why = f"the process ended by itself with exit code {process.exitcode}"
    record = None
    if not why:
        with contextlib.suppress(EOFError):
            record = ours.recv()
    _end(process)
    seconds = time.monotonic() - start
    return record or {
        "name": name, "verify": proof[0], "verdict": "failed", "wall_seconds": seconds,
        "error": why or "the process ended without a record",
    }  # fmt: skip


def _memory(pid: int) -> int:
    """The resident memory of a process and all that it started, in bytes."""
    total = 0
    with contextlib.suppress(psutil.Error):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
    return total


def _end(process) -> None:
    """Ends a process and all that it started."""
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()
    process.join(0.1)
    if process.is_alive():
        process.kill()
    process.join()
