"""What repeats in a chain: runs of equal units one after another, and equal pieces in different places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from netglot.passes.regions import ACTIVATIONS, LAYERS, NORMS, POOLS, Item, chain_token
from netglot.pivot import ops

_LONGEST = 64
"""Items of the longest unit."""

_NEARLY = 0.4
"""How much of what long units would save short ones must save to be taken instead."""

_SMALLEST = 4
"""Nodes of the smallest unit."""


@dataclass(eq=False)
class Unit:
    """Items that become one block."""

    items: tuple[Item, ...]

    @property
    def nodes(self) -> list:
        """All nodes of the items."""
        return [node for item in self.items for node in item.nodes]

    @property
    def token(self) -> tuple:
        """Equal for units that are the same but for sizes and options."""
        return chain_token(self.items)


Piece = Item | list[Unit]
"""A part of a chain: an item that stays as it is, or units that follow each other (a single one, too)."""


def pieces(chain: Sequence[Item]) -> list[Piece]:
    """The chain with what repeats found."""
    return _split(_wrapped(list(chain)))


def _wrapped(items: list[Item]) -> list[Item]:
    """Steps that are those of a residual branch elsewhere, without the residual, are such a region as well."""
    bodies = {chain_token(item.main): item.token for item in items if item.residual and item.weighted > 1}
    for body, token in sorted(bodies.items(), key=lambda pair: -len(pair[0])):
        found: list[Item] = []
        at = 0
        while at < len(items):
            part = items[at : at + len(body)]
            plain = len(body) > 2 and all(not item.residual for item in part)
            if plain and tuple(item.token for item in part) == body:
                nodes = tuple(node for item in part for node in item.nodes)
                found.append(Item(nodes, token, (tuple(part),)))
                at += len(body)
            else:
                found.append(items[at])
                at += 1
        items = found
    return items


def _split(items: list[Item]) -> list[Piece]:
    best = _best_run(items)
    if best is not None:
        start, length, count = best
        end = start + length * count
        units = [Unit(tuple(items[at : at + length])) for at in range(start, end, length)]
        return [*_split(items[:start]), units, *_split(items[end:])]
    return [[Unit((item,))] if _is_block(item) else item for item in items]


def _is_block(item: Item) -> bool:
    return bool(item.branches) and not holds_tangle(item) and item.weighted > 1 and len(item.main) < 40


def holds_tangle(item: Item) -> bool:
    """Whether something in an item is a tangle."""
    return item.tangled or any(holds_tangle(inner) for branch in item.branches for inner in branch)


def _best_run(items: list[Item]) -> tuple[int, int, int] | None:
    """Start, length and number of the units of a run: the shortest units that save nearly as much as any."""
    found = list(_runs(items))
    most = max((saved for saved, _ in found), default=0)
    return next((run for saved, run in found if saved >= _NEARLY * most), None) if most else None


def _runs(items: list[Item]) -> Iterator[tuple[int, tuple[int, int, int]]]:
    """What each run saves, and the run; short units first."""
    tokens = _numbers(items)
    for length in range(1, min(len(items) // 2, _LONGEST) + 1):
        at = 0
        while at + length < len(tokens):
            stretch = 0
            while at + stretch + length < len(tokens) and tokens[at + stretch] == tokens[at + stretch + length]:
                stretch += 1
            count = (stretch + length) // length
            if count > 1:
                start = _phase(items, at, length, stretch + length - count * length)
                units = [items[i : i + length] for i in range(start, start + length * count, length)]
                worth = [_worth(unit) for unit in units]
                if all(worth):
                    yield sum(worth) - max(worth), (start, length, count)
            at += stretch + 1


def _numbers(items: list[Item]) -> list[int]:
    known: dict = {}
    return [known.setdefault(item.token, len(known)) for item in items]


def _worth(unit: Sequence[Item]) -> int:
    """How much a unit says: its nodes; nothing where it is too little for a block."""
    nodes = sum(len(item.nodes) for item in unit)
    weighted = sum(item.weighted for item in unit)
    big = weighted > 1 and nodes >= _SMALLEST and not any(holds_tangle(item) for item in unit)
    return nodes if big else 0


def _phase(items: list[Item], start: int, length: int, slack: int) -> int:
    """Where units begin, of the places that the run allows: with a layer, and end behind a pool or an activation."""

    def fitness(at: int) -> int:
        first, last = items[at], items[at + length - 1]
        score = 2 if first.branches or isinstance(first.nodes[0].op, LAYERS) else 0
        score -= isinstance(first.nodes[0].op, (*ACTIVATIONS, *POOLS)) and not first.branches
        ends = (
            3
            if isinstance(last.nodes[-1].op, POOLS)
            else isinstance(last.nodes[-1].op, (*ACTIVATIONS, *NORMS, ops.Add))
        )
        return score + ends

    return max(range(start, start + slack + 1), key=lambda at: (fitness(at), -at))
