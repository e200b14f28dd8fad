"""Time and memory of the phases of a conversion."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Progress = Callable[[str], None] | None


@dataclass
class Phases:
    """Time and memory of each phase of a conversion."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    progress: Progress = None

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measures one phase of this process."""
        import psutil

        if self.progress:
            self.progress(name)
        start = time.perf_counter()
        try:
            yield
        finally:
            peak = psutil.Process().memory_info().rss
            self.rows.append({"name": name, "seconds": time.perf_counter() - start, "peak_bytes": {"netglot": peak}})
