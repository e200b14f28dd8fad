"""Blocks that the names of a flat model's layers tell of.

A functional model has no hierarchy but in its names: `conv2_block1_1_conv`, `conv2_block1_1_bn`, ... belong together,
and `conv2_block2_1_conv` is the same place of the next block. Where such names repeat, the layers of a block become
a module of their own, `conv2_blocks.0.conv1`, and so classes and loops in what is written. What the layers compute
with each other decides too: a block takes what it needs, hands out one result, and nothing leaves it and comes back.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

WORTH = 6
"""How many names must be repeated at least before blocks are made of them."""

NEARLY = 0.75
"""How much of what inner blocks would save outer ones must save to be made instead."""

_NUMBERED = re.compile(r"(?P<stem>[A-Za-z]*?)(?P<digits>\d+)(?P<letter>[a-z]?)")
_LEADING = re.compile(r"(\d+)_([A-Za-z]\w*)")
_VAGUE = {"conv", "layer", "unit"}
"""Words that say little without the one before."""


@dataclass(frozen=True)
class Key:
    """A numbered beginning of names: `conv2_block1` is number 1 of `conv2_block`."""

    text: str
    stem: str
    number: tuple
    level: tuple[int, str]
    """Where in the name it ends, and its stem without numbers: blocks of all stages are one level."""


@dataclass(frozen=True)
class Block:
    """One block: where it goes within the model, its class's name, and the new name of each of its layers."""

    path: str
    class_name: str
    layers: Mapping[str, str]


def blocks(names: Sequence[str], edges: Iterable[tuple[str, str]], functions: Collection[str] = ()) -> list[Block]:
    """The blocks among a model's layers.

    Args:
        names: the names of the layers, those that are called more than once left out.
        edges: from which layer a tensor goes to which; calls of functions and of shared layers have names too.
        functions: the names of the calls of functions among these.
    """
    table = _Edges(edges)
    found: list[Block] = []
    left = list(dict.fromkeys(names))
    taken = set(names)
    while level := _level(left):
        members = {key: rest for key, rest in _members(left, level).items() if table.is_block(rest)}
        merging = {key: table.merged_into(rest, {*left, *functions}) for key, rest in members.items()}
        found += _placed(members, merging, taken)
        used = {name for rest in _members(left, level).values() for name in rest} | set(merging.values())
        left = [name for name in left if name not in used]
    return found


def _keys(name: str) -> list[Key]:
    """The numbered beginnings of a name, the shortest first."""
    tokens, found = name.split("_"), []
    for i, token in enumerate(tokens[:-1]):
        match = _NUMBERED.fullmatch(token)
        if match is None or (not match["stem"] and i == 0):
            continue
        parts = [*tokens[:i], match["stem"] + (match["digits"] if match["letter"] else "")]
        stem = "_".join(part for part in parts if part)
        number = (int(match["digits"]), match["letter"])
        found.append(Key("_".join(tokens[: i + 1]), stem, number, (i, re.sub(r"\d+", "#", stem))))
    return found


def _members(names: Sequence[str], level: tuple[int, str]) -> dict[Key, list[str]]:
    """The names under each key of a level; keys of a single name are none."""
    members: dict[Key, list[str]] = {}
    for name in names:
        for key in _keys(name):
            if key.level == level:
                members.setdefault(key, []).append(name)
    return {key: rest for key, rest in members.items() if len(rest) > 1}


def _level(names: Sequence[str]) -> tuple[int, str] | None:
    """The outermost level that saves nearly as much as the best."""
    saved = {}
    for level in dict.fromkeys(key.level for name in names for key in _keys(name)):
        members = _members(names, level)
        kinds = Counter(frozenset(name[len(key.text) :] for name in rest) for key, rest in members.items())
        saved[level] = sum((count - 1) * len(kind) for kind, count in kinds.items())
    best = max(saved.values(), default=0)
    if best < WORTH:
        return None
    return min(level for level, one in saved.items() if one >= NEARLY * best)


def _placed(members: Mapping[Key, list[str]], merging: Mapping[Key, str | None], taken: set[str]) -> list[Block]:
    """The blocks of one level: those with a common stem are the items of a list. `merging` is each block's last layer,
    where its name does not say that it is the block's."""
    stems: dict[str, list[Key]] = {}
    for key in members:
        stems.setdefault(key.stem, []).append(key)
    found = []
    for stem, keys in stems.items():
        listed = len(keys) > 1
        home = _free(_plural(stem) if listed else keys[0].text, taken)
        for position, key in enumerate(sorted(keys, key=lambda one: one.number)):
            path = f"{home}.{position}" if listed else home
            layers = _renamed(key, members[key])
            if (last := merging[key]) is not None:
                layers[last] = _free(re.sub(r"_\d+$", "", last), set(layers.values()))
            found.append(Block(path, _class_name(stem), layers))
    return found


def _plural(stem: str) -> str:
    return stem if stem[-1].isdigit() or stem.endswith("s") else f"{stem}s"


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _class_name(stem: str) -> str:
    words = [word for word in re.split(r"[_\d]+", stem) if word] or ["block"]
    words = words[-2:] if words[-1].lower() in _VAGUE else words[-1:]
    return "".join(word[:1].upper() + word[1:] for word in words)


def _renamed(key: Key, names: list[str]) -> dict[str, str]:
    """The names within the block: `1_conv` becomes `conv1`, because a name begins with no digit."""
    rests = {name: name[len(key.text) + 1 :] for name in names}
    found: dict[str, str] = {}
    for name, rest in rests.items():
        turned = _LEADING.sub(r"\2\1", rest)
        if not turned.isidentifier() or (turned != rest and turned in rests.values()) or turned in found.values():
            turned = f"_{rest}"
        found[name] = turned
    return found


class _Edges:
    """Which layer uses what of which."""

    def __init__(self, edges: Iterable[tuple[str, str]]):
        self.after: dict[str, set[str]] = {}
        self.before: dict[str, set[str]] = {}
        for source, target in edges:
            self.after.setdefault(source, set()).add(target)
            self.before.setdefault(target, set()).add(source)

    def is_block(self, names: list[str]) -> bool:
        """Whether these layers hand out one result, and nothing of it comes back to them."""
        inside = set(names)
        leaving = {name for name in names if self.after.get(name, set()) - inside}
        if len(leaving) > 1:
            return False
        return not any(self._reaches(one, inside) for name in leaving for one in self.after[name] - inside)

    def merged_into(self, names: list[str], others: Collection[str]) -> str | None:
        """The layer or function behind a block that merges what the block makes with what it was given, as a residual
        block ends; None where there is none without a numbered name of its own."""
        inside = set(names)
        behind = {one for name in names for one in self.after.get(name, set()) - inside}
        given = {one for name in names for one in self.before.get(name, set()) - inside}
        if len(behind) != 1 or len(given) != 1:
            return None
        (last,) = behind
        merges = self.before[last] - inside == given
        return last if merges and last in others and not _keys(last) else None

    def _reaches(self, start: str, wanted: set[str]) -> bool:
        seen, stack = set(), [start]
        while stack:
            name = stack.pop()
            if name in wanted:
                return True
            if name not in seen:
                seen.add(name)
                stack += self.after.get(name, ())
        return False
