"""Cases in worker processes: a case that crashes or hangs costs itself and no other.

A worker takes one entry at a time and tells of each case as it begins and as it ends. Whoever outlasts its time is
killed; the entry goes on in a fresh worker behind the case that was lost. Cases of an entry share a network, a dozen at
a time, because most of the time goes into what comes once a network; where that network is not right, its halves get
networks of their own, down to the single case.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

TOGETHER = 16
"""How many cases of an entry share a network."""

STARTUP = 120.0
"""Seconds that a worker may take to import the frameworks and to draw the samples of an entry."""


@dataclass
class Task:
    """Cases of one entry, by index, and how many of them share a network."""

    kind: str
    entry: str
    indices: list[int]
    together: int = 1


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    task: Task | None = None
    current: list[int] = field(default_factory=list)
    deadline: float = 0.0
    done: int = 0
    seen: set[int] = field(default_factory=set)


def _serve(pipe: Connection) -> None:
    """The loop of a worker: tasks in, ("begins", index) and ("ends", index, record) out, then ("finished",)."""
    for variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(variable, "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)  # frameworks talk while they are imported
    import gc

    from tests.conformance import check as _  # noqa: F401  (the frameworks, before the first case's time runs)
    from tests.conformance import torch_db

    gc.freeze()
    while (task := pipe.recv()) is not None:
        wanted = set(task.indices)
        chosen = (case for case in torch_db.cases(task.kind, task.entry) if case.index in wanted)
        while group := list(itertools.islice(chosen, task.together)):
            _settle(group, pipe)
        pipe.send(("finished",))


def _settle(group: list, pipe: Connection) -> None:
    """Tells what becomes of each case of a group."""
    from tests.conformance.check import check, check_together

    pipe.send(("begins", [case.index for case in group]))
    start = time.perf_counter()
    outcome = check(group[0]) if len(group) == 1 else check_together(group)
    if outcome is None:
        half = len(group) // 2
        _settle(group[:half], pipe)
        _settle(group[half:], pipe)
        return
    for case in group:
        pipe.send(("ends", case.index, outcome, (time.perf_counter() - start) / len(group)))


def run(
    tasks: list[Task], *, workers: int, seconds: float, record: Callable[[str, str, int, str, Any, float], None]
) -> None:
    """Runs all tasks; `record` is given kind, entry, index, a verdict of the worker ("" or why it was lost), the
    outcome and its seconds."""
    context = multiprocessing.get_context("spawn")
    queue = list(reversed(tasks))
    alive: list[_Worker] = []
    try:
        while queue or any(w.task for w in alive):
            while queue and len(alive) < workers:
                alive.append(_start(context))
            for worker in alive:
                if worker.task is None and queue:
                    _give(worker, queue.pop())
            wait([w.pipe for w in alive], timeout=0.5)
            for worker in list(alive):
                lost = _listen(worker, record, seconds)
                if lost:
                    alive.remove(worker)
                    _end(worker)
                    _requeue(worker, lost, queue, record)
                elif worker.task is None and worker.done > 3000:  # frameworks leak a little with each network
                    alive.remove(worker)
                    _end(worker)
    finally:
        for worker in alive:
            _end(worker)


def _start(context) -> _Worker:
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _end(worker: _Worker) -> None:
    worker.process.kill()
    worker.process.join()
    worker.pipe.close()


def _give(worker: _Worker, task: Task) -> None:
    worker.task, worker.current, worker.seen = task, [], set()
    worker.deadline = time.monotonic() + STARTUP
    worker.pipe.send(task)


def _listen(worker: _Worker, record, seconds: float) -> str:
    """Takes in what a worker says; returns why it is lost, where it is."""
    try:
        while worker.pipe.poll():
            match worker.pipe.recv():
                case ("begins", indices):
                    worker.current, worker.deadline = indices, time.monotonic() + seconds
                case ("ends", index, outcome, took):
                    record(worker.task.kind, worker.task.entry, index, "", outcome, took)
                    worker.seen.add(index)
                    worker.current, worker.done = [i for i in worker.current if i != index], worker.done + 1
                    worker.deadline = time.monotonic() + STARTUP
                case ("finished",):
                    worker.task, worker.current = None, []
    except (EOFError, ConnectionResetError, OSError):
        return "the process died"
    if worker.task is not None and time.monotonic() > worker.deadline:
        return f"no result after {seconds:.0f} seconds"
    return ""


def _requeue(worker: _Worker, lost: str, queue: list[Task], record) -> None:
    """Puts back what a lost worker had left, without the case that took it down."""
    task = worker.task
    if task is None:
        return
    left = [i for i in task.indices if i not in worker.seen]
    if len(worker.current) > 1:
        queue.append(Task(task.kind, task.entry, [i for i in left if i not in worker.current], task.together))
        queue.append(Task(task.kind, task.entry, worker.current))
        return
    if left:  # where it went between two cases, or while it drew the samples, the next one is to blame
        lost_case = worker.current[0] if worker.current else left[0]
        record(task.kind, task.entry, lost_case, lost, None, 0.0)
        left.remove(lost_case)
    if left:
        queue.append(Task(task.kind, task.entry, left, task.together))


__all__ = ["TOGETHER", "Task", "run"]
