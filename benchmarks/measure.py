"""How time and memory are measured: in turns, by the median, in processor time beside wall time."""

from __future__ import annotations

import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "KERAS_BACKEND": "tensorflow",
}
"""What measuring processes are started with: one thread each, so that processor time is what the work costs."""


@dataclass
class Samples:
    """The seconds that one candidate took, round by round."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    @property
    def medians(self) -> dict[str, float]:
        """The medians by clock."""
        return {"cpu": statistics.median(self.cpu), "wall": statistics.median(self.wall)}


def in_turns(candidates: dict[str, Callable[[], Any]], rounds: int, warm: int = 1) -> dict[str, Samples]:
    """Times all candidates in turns, A B A B, after `warm` rounds that do not count."""
    samples = {name: Samples() for name in candidates}
    for number in range(warm + rounds):
        for name, candidate in candidates.items():
            gc.collect()
            wall, cpu = time.perf_counter(), time.process_time()
            kept = candidate()
            seconds = time.process_time() - cpu, time.perf_counter() - wall
            del kept
            if number >= warm:
                samples[name].cpu.append(seconds[0])
                samples[name].wall.append(seconds[1])
    return samples


def ratio(samples: dict[str, Samples], above: str, *below: str) -> dict[str, float]:
    """The median over the rounds of one candidate's time against the sum of others' in the same round, by clock."""
    found = {}
    for clock in ("cpu", "wall"):
        rows = [getattr(samples[name], clock) for name in (above, *below)]
        found[clock] = statistics.median(top / sum(rest) for top, *rest in zip(*rows, strict=True))
    return found


def resident() -> int:
    """The bytes of memory that this process holds."""
    return _status("VmRSS")


class Peak:
    """The most memory that this process held since `Peak()` was made, above what it held then."""

    def __init__(self):
        gc.collect()
        try:
            Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
            self.base = _status("VmRSS")
            self._mark = lambda: _status("VmHWM")
        except OSError:  # the mark of the whole life of the process
            self._mark = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            self.base = self._mark()

    @property
    def bytes(self) -> int:
        """The peak above the start."""
        return self._mark() - self.base


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024
    raise OSError(f"the system does not say {key}")


def fresh(module: str, *arguments: str, python: str = sys.executable, limit: float = 3600.0, cwd: Path = ROOT) -> Any:
    """Runs `python -m module arguments` in a process of its own; returns the JSON of its last line.

    Raises:
        RuntimeError: the process failed or took too long; the message is the last line that it wrote.
    """
    environment = (
        os.environ | SETTINGS | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}", "PYTHONWARNINGS": "ignore"}
    )
    command = [python, "-m", module, *arguments]
    try:
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"stopped after {limit / 60:.0f} minutes") from None
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
        raise RuntimeError(lines[-1][:300])
    return json.loads(done.stdout.strip().splitlines()[-1])


def answer(found: Any) -> None:
    """What a measuring process prints last."""
    print(json.dumps(found), flush=True)
