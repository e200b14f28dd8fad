"""What a verification found out: differences that decide the verdict, and those that are known and only told."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from netglot.verify.compare import Comparison


@dataclass
class Findings:
    """Collects sentences and phases while a verification runs."""

    differs: list[str] = field(default_factory=list)
    """What makes the verdict "different"."""
    notes: list[str] = field(default_factory=list)
    """What is not the same, and is known, explained and measured."""
    phases: list[dict[str, Any]] = field(default_factory=list)
    progress: Callable[[str], None] | None = None

    @property
    def verdict(self) -> str:
        """ "equivalent" or "different"."""
        return "different" if self.differs else "equivalent"

    @property
    def differences(self) -> list[str]:
        """All sentences, the deciding ones first, each once."""
        return list(dict.fromkeys([*self.differs, *self.notes]))

    def differs_once(self, sentence: str) -> None:
        """One more sentence that decides, unless it has been said."""
        if sentence not in self.differs:
            self.differs.append(sentence)

    @contextlib.contextmanager
    def phase(self, name: str, *workers) -> Iterator[None]:
        """Measures one phase: seconds, and the peak of resident memory in each worker."""
        if self.progress:
            self.progress(name)
        for worker in workers:
            worker.take_peak()
        start = time.perf_counter()
        try:
            yield
        finally:
            peaks = {worker.framework: worker.take_peak() for worker in workers}
            self.phases.append({"name": name, "seconds": time.perf_counter() - start, "peak_bytes": peaks})


def summary(comparisons: Iterable[Comparison]) -> dict[str, Any]:
    """The largest differences among comparisons, and whether all are the same."""
    found = list(comparisons)
    return {
        "same": all(c.same for c in found),
        "compared": len(found),
        "max_abs": max((c.max_abs for c in found), default=0.0),
        "max_rel": max((c.max_rel for c in found), default=0.0),
    }


def plain(tree: Any) -> Any:
    """A report as JSON can hold it: infinities and NaN as strings."""
    if isinstance(tree, dict):
        return {str(key): plain(branch) for key, branch in tree.items()}
    if isinstance(tree, list | tuple):
        return [plain(branch) for branch in tree]
    if isinstance(tree, float) and not math.isfinite(tree):
        return str(tree)
    return tree


def listed(names: Iterable[str], most: int = 3) -> str:
    """Names in a sentence: the first few and how many more."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
