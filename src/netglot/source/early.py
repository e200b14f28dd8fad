"""Layers whose weights a network reads before it has called them.

Where a framework makes weights at the first call, such a layer must be built by hand: the codebook of a quantiser is
compared with its input before a row is looked up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netglot.pivot.graph import Node, Value
from netglot.source.calls import CallTree

if TYPE_CHECKING:
    from netglot.source.outline import Outline
    from netglot.source.parts import Instance, Member


def read_early(outline: Outline) -> dict[Instance, list[tuple[Member, tuple]]]:
    """The layers that are read before their first call, with the shape of what they are given, by holder."""
    first = {member: node for node, member in reversed(outline.member_of.items())}
    early: dict[Member, None] = {}
    called: set[Member] = set()

    def read(node: Node, inside: set[Node]) -> None:
        for value in outline.needs(node):
            for parameter in outline.base_parameters(value) if value in outline.offline else ():
                member = outline.owned.get(parameter)
                if member is not None and member not in called and first.get(member) not in inside:
                    early[member] = None

    def visit(tree: CallTree) -> None:
        for item in tree.items:
            if isinstance(item, CallTree):
                inside = set(item.nodes())
                for node in inside:
                    read(node, inside)
                visit(item)
            else:
                read(item, set())
                if item in outline.member_of:
                    called.add(outline.member_of[item])

    visit(outline.tree)
    found: dict[Instance, list[tuple[Member, tuple]]] = {}
    for member in early:
        given = next((v for v in outline.needs(first[member]) if v not in outline.offline), None)
        shape = given.shape if isinstance(given, Value) else ()
        found.setdefault(outline.access.holder[member][0], []).append((member, shape))
    return found
