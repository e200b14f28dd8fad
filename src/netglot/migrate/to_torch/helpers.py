"""The helpers of emitted files, by name; their text lies in `library`."""

from __future__ import annotations

from netglot.migrate.to_torch import library

HELPERS = library.helpers()
needs = library.needs
renamed = library.renamed
