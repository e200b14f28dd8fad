"""Moves neural networks between deep-learning frameworks: readable source, trained weights, and a proof.

`read`, `write`, `convert`, `verify` and `migrate` are imported when they are first used, so that `import netglot` needs
no framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netglot.api import Conversion, convert, read, verify, write
    from netglot.migrate.migrating import Migration, migrate

__version__ = "0.1.0"
__all__ = ["Conversion", "Migration", "convert", "migrate", "read", "verify", "write"]


def __getattr__(name: str) -> Any:
    if name in ("Migration", "migrate"):
        from netglot.migrate import migrating

        return getattr(migrating, name)
    if name in __all__:
        import netglot.api

        return getattr(netglot.api, name)
    raise AttributeError(f"module 'netglot' has no attribute {name!r}")
