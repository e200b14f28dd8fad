"""The parent's side of a worker: starting it, asking it, watching its time and memory, and ending it.

    with Worker("torch") as worker:
        worker.request("load", kind="pickle", path=...)

Whatever happens in the worker, the parent gets a reply or a `WorkerError` that says what happened.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from netglot.errors import TimeLimitError, WorkerError
from netglot.verify.arrays import read_arrays, write_arrays

POLL = 0.05
"""Seconds between two looks at a worker that is busy."""

_HALF = max(1, (os.cpu_count() or 2) // 2)
QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "KERAS_BACKEND": "tensorflow",
    "HF_HUB_OFFLINE": "1",
    "PYTHONUNBUFFERED": "1",
    "OMP_NUM_THREADS": str(_HALF),
    "OMP_WAIT_POLICY": "PASSIVE",
    "TF_NUM_INTRAOP_THREADS": str(_HALF),
    "TF_NUM_INTEROP_THREADS": "1",
}
"""A worker's environment where the parent's says nothing: no advice, no network, and half of the processors, because
two workers work at once."""


class OperationError(WorkerError):
    """An operation raised inside a worker; the worker lives on. `trace` is the traceback there, `kind` its class."""

    def __init__(self, message: str, *, kind: str, trace: str):
        super().__init__(message)
        self.kind = kind
        self.trace = trace


class Worker:
    """One framework in a process of its own.

    Args:
        framework: "torch", "keras", or the dotted name of a module with a `Runtime`.
        python: the interpreter; the running one unless said.
        time_limit: seconds for one request.
        memory_limit: bytes of resident memory, watched from outside; None for no limit.
        environment: variables added to the worker's environment.
        path: folders added to the worker's `sys.path`. A worker with the same interpreter is given this process's
            own folders, so that the user's modules are found there too.
    """

    def __init__(
        self,
        framework: str,
        *,
        python: str = sys.executable,
        time_limit: float = 600.0,
        memory_limit: int | None = None,
        environment: Mapping[str, str] | None = None,
        path: tuple[str, ...] = (),
    ):
        self.framework = framework
        self.dialect = framework.partition("-")[0]
        self.time_limit = time_limit
        self.memory_limit = memory_limit
        self.peak = 0
        """The largest resident memory seen since `take_peak`, in bytes."""
        self.folder = Path(tempfile.mkdtemp(prefix=f"netglot-{framework.rpartition('.')[2]}-"))
        self._ids = itertools.count()
        self._sent = -1
        self._buffer = b""
        self._log = open(self.folder / "log.txt", "w+b")  # noqa: SIM115  (closed with the worker)
        read, self._write = os.pipe()
        self._read, write = os.pipe()
        root = str(Path(__file__).parents[2])
        here = _own_folders() if python == sys.executable else ()
        paths = dict.fromkeys((*path, root, *filter(None, [os.environ.get("PYTHONPATH", "")]), *here))
        command = [python, "-m", "netglot.verify.worker", framework, str(read), str(write), str(self.folder)]
        self.process = subprocess.Popen(
            [*command, str(os.getpid())],
            pass_fds=(read, write),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            env={**QUIET, **os.environ, **(environment or {}), "PYTHONPATH": os.pathsep.join(paths)},
        )
        os.close(read)
        os.close(write)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def request(self, op: str, *, time_limit: float | None = None, **args: Any) -> Any:
        """Runs one operation and returns its result.

        Raises:
            OperationError: the operation raised; the worker can be asked again.
            WorkerError: the worker crashed, hung or outgrew its memory; it is gone.
        """
        self.send(op, **args)
        return self.receive(op, time_limit=time_limit)

    def send(self, op: str, **args: Any) -> None:
        """Asks without waiting; `receive` must follow. Lets two workers work at once."""
        self._sent = next(self._ids)
        message = {"id": self._sent, "op": op, "args": args}
        try:
            _write_all(self._write, json.dumps(message).encode() + b"\n")
        except OSError:
            self._lost(op)

    def receive(self, op: str = "", *, time_limit: float | None = None) -> Any:
        """The result of what was sent last; a reply to an earlier request that nobody waited for is dropped."""
        limit = time_limit or self.time_limit
        deadline = time.monotonic() + limit
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], POLL)
            if ready:
                chunk = os.read(self._read, 1 << 16)
                if not chunk:
                    self._lost(op)
                self._buffer += chunk
                continue
            self._watch(op)
            if time.monotonic() > deadline:
                self._fail(f"the {self.framework} worker did not finish {op!r} within {limit:g} s", TimeLimitError)
        line, _, self._buffer = self._buffer.partition(b"\n")
        reply = json.loads(line)
        if reply["id"] != self._sent:
            return self.receive(op, time_limit=limit)
        self.peak = max(self.peak, reply["peak"])
        if "error" in reply:
            error = reply["error"]
            raise OperationError(
                f"{self.framework}: {error['kind']}: {error['message']}".strip(),
                kind=error["kind"],
                trace=error["trace"],
            )
        return reply["ok"]

    def put(self, arrays: Mapping[str, np.ndarray] | Iterable[tuple[str, np.ndarray]]) -> list:
        """Arrays as an argument of `request`: a dict, or pairs that are saved one at a time as they come."""
        return write_arrays(self.folder, arrays)

    def get(self, table: list) -> dict[str, np.ndarray]:
        """Arrays from a result of `request`."""
        return read_arrays(table)

    def take_peak(self) -> int:
        """The largest resident memory since the last call, in bytes."""
        peak, self.peak = self.peak, 0
        return peak

    def log(self, lines: int = 12) -> str:
        """The last lines that the worker printed."""
        if self._log.closed:
            return ""
        self._log.flush()
        text = (self.folder / "log.txt").read_text(errors="replace")
        return "\n".join(text.strip().splitlines()[-lines:])

    def close(self) -> None:
        """Ends the worker and removes its files. Safe to call twice."""
        if self._log.closed:
            return
        with contextlib.suppress(OSError):
            os.close(self._write)  # a worker that waits for requests ends by itself
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(0.5 if self.process.poll() is None else 0)
        self._kill()
        os.close(self._read)
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __del__(self):
        with contextlib.suppress(Exception):
            self.close()

    def _watch(self, op: str) -> None:
        try:
            used = psutil.Process(self.process.pid).memory_info().rss
        except psutil.Error:
            return
        self.peak = max(self.peak, used)
        if self.memory_limit and used > self.memory_limit:
            self._fail(
                f"the {self.framework} worker needed more than {self.memory_limit / 2**20:,.0f} MiB of memory in {op!r}"
            )

    def _lost(self, op: str):
        """Explains a pipe that closed: the worker is gone or going."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        code = self.process.poll()
        if code is not None and code < 0:
            how = f"was ended by signal {signal.Signals(-code).name}"
            if -code == signal.SIGKILL:
                how += " (the system does that when memory runs out)"
        else:
            how = f"ended with code {code}"
        self._fail(f"the {self.framework} worker {how} during {op!r}")

    def _fail(self, message: str, error: type[WorkerError] = WorkerError):
        log = self.log()
        self.close()
        raise error(message + (f"; its last words:\n{log}" if log else ""))

    def _kill(self) -> None:
        if self.process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(self.process.pid, signal.SIGKILL)  # its own group: its children go with it
            self.process.wait()


def _own_folders() -> list[str]:
    """What this process added to its `sys.path` beyond the interpreter's own folders."""
    installed = (sys.prefix, sys.base_prefix)
    return [os.path.abspath(p) for p in sys.path if os.path.isdir(p or ".") and not p.startswith(installed)]


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
