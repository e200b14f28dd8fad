"""What is installed here, in which versions, and what that enables. Nothing is imported to find out."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from netglot.frontend.frameworks import FRAMEWORKS, installed, version


@dataclass(frozen=True)
class Finding:
    """One framework here. `missing` names the modules that are not installed, `advice` how to get them."""

    name: str
    title: str
    versions: dict[str, str | None]
    missing: tuple[str, ...]
    enables: str
    advice: str | None


def findings() -> list[Finding]:
    """One finding for each framework that netglot knows of."""
    found = []
    for framework in FRAMEWORKS.values():
        missing = tuple(module for module in framework.modules if not installed(module))
        found.append(
            Finding(
                framework.name,
                framework.title,
                {module: version(module) for module in framework.modules if module not in missing},
                missing,
                framework.enables,
                f'pip install "netglot[{framework.extra}]"' if missing else None,
            )
        )
    return found


def machine() -> dict[str, str]:
    """Python, the platform and netglot itself."""
    return {
        "netglot": version("netglot") or "not installed as a package",
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
    }
