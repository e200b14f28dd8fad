"""What an emitted file defines for itself where Keras has nothing that does as PyTorch does: small, documented source.

Images keep PyTorch's order of axes, channels first; TensorFlow's convolutions want them last, so the helpers move that
axis and back.
"""

from __future__ import annotations

import re

from netglot.migrate.to_keras.helpers import (
    attention,
    distributions,
    images,
    layers,
    losses,
    networks,
    normed,
    optimizers,
    recurrent,
    tensors,
    training,
    transforms,
)
from netglot.migrate.to_keras.helpers.early import at_once
from netglot.migrate.to_keras.helpers.layers import alone
from netglot.migrate.to_keras.helpers.recurrent import packed

_FAMILIES = (
    layers,
    normed,
    images,
    recurrent,
    attention,
    tensors,
    networks,
    losses,
    training,
    transforms,
    optimizers,
    distributions,
)
HELPERS: dict[str, str] = {name: text for family in _FAMILIES for name, text in family.HELPERS.items()}
"""By name, in the order in which a file defines them."""


def needs(helper: str) -> list[str]:
    """The helpers that a helper uses."""
    return [name for name in HELPERS if name != helper and uses(without_docs(HELPERS[helper]), name)]


def uses(text: str, name: str) -> bool:
    """Whether some source calls a helper, derives from it or passes it on."""
    passed = rf"|\({name}\)" if name[0].isupper() else ""
    return bool(re.search(rf"(?<![\w.])(?<!def ){name}\({passed}", text))


def without_docs(text: str) -> str:
    return re.sub(r'"""[^"]*"""', "", text)


def words(text: str) -> set[str]:
    """The names in some source, comments and docstrings aside."""
    return set(re.findall(r"(?<![\w.])[A-Za-z_]\w*", without_docs(text)))


__all__ = ["HELPERS", "alone", "at_once", "needs", "packed", "uses", "without_docs", "words"]
