"""A framework in an interpreter of its own, which runs a written file: this side of the pipe.

Where to find the interpreters is said by the user, `--runtime mxnet=PATH/python` or the environment variable
`NETGLOT_RUNTIMES` (`mxnet=PATH,caffe=PATH`).
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from netglot.errors import RequestError, WorkerError

VARIABLE = "NETGLOT_RUNTIMES"
_SCRIPTS = Path(__file__).parent / "runtimes"
KNOWN = tuple(sorted(path.stem.removeprefix("run_") for path in _SCRIPTS.glob("run_*.py")))
"""The frameworks that have a script for an interpreter of their own."""


def chosen(runtimes: Iterable[str] = ()) -> dict[str, str]:
    """The interpreter of each framework: what the environment says, and over it what the user says.

    Raises:
        RequestError: something is not `NAME=PATH`, the name is none of those known, or there is no such file.
    """
    held = [one for one in os.environ.get(VARIABLE, "").split(",") if one.strip()]
    found = {}
    for one in [*held, *runtimes]:
        name, equals, path = one.strip().partition("=")
        if not equals or not name or not path:
            raise RequestError(f"the runtime {one!r} is no NAME=PATH", advice="--runtime mxnet=PATH/python")
        if name not in KNOWN:
            advice = f"these run in an interpreter of their own: {', '.join(KNOWN)}"
            raise RequestError(f"--runtime {name}: netglot runs nothing in an interpreter of that name", advice=advice)
        if not Path(path).is_file():
            raise RequestError(f"there is no interpreter {path}", advice=f"--runtime {name}=PATH/python")
        found[name] = path
    return found


class Foreign:
    """One framework in its interpreter, running until it is closed."""

    def __init__(self, name: str, python: str):
        self.name = name
        script = _SCRIPTS / f"run_{name}.py"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the process)
        inherited = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "GLOG_v": "0", "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
        self._process = subprocess.Popen(
            [python, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**inherited, **quiet},
        )
        self._folder = tempfile.TemporaryDirectory(prefix=f"netglot-{name}-")
        self.framework = self._reply()["framework"]

    def run(self, folder: str, inputs: Mapping[str, np.ndarray], dtype: str) -> list[np.ndarray]:
        """The outputs of the network in a folder, in order.

        Raises:
            WorkerError: the framework refuses the file, or ended.
        """
        given, made = (str(Path(self._folder.name) / name) for name in ("inputs.npz", "outputs.npz"))
        np.savez(given, *inputs.values())  # names would be those of arguments of this call
        self._send({"folder": folder, "inputs": given, "names": list(inputs), "outputs": made, "dtype": dtype})
        reply = self._reply()
        if "error" in reply:
            raise WorkerError(f"{self.framework} does not run the file: {reply['error']}")
        with np.load(made) as held:
            return [held[f"arr_{i}"] for i in range(reply["count"])]

    def close(self) -> None:
        """Ends the process."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            with contextlib.suppress(OSError):
                stream.close()
        self._folder.cleanup()

    def _send(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._ended() from error

    def _reply(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        return json.loads(line)

    def _ended(self) -> WorkerError:
        self._process.wait()
        self._log.seek(0)
        lines = [line for line in self._log.read().decode("utf-8", "replace").splitlines() if line.strip()]
        said = lines[-1] if lines else f"exit code {self._process.returncode}"
        return WorkerError(f"the interpreter for {self.name} ended: {said}")
