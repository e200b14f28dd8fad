"""The statements of a call: which values get a name, and which; loops over members that are alike."""

from __future__ import annotations

import ast
import functools
import itertools
import keyword
import re
from collections.abc import Iterator
from typing import Any

from netglot.pivot.graph import Value
from netglot.source.blueprint import Blueprint, Parameter
from netglot.source.hints import assigned_names, rearranged_name
from netglot.source.outline import Outline
from netglot.source.parts import Body, Member, Statement
from netglot.source.printing import literal, numbered
from netglot.source.spell import Unpacks

_WIDTH = 100


_ALWAYS = frozenset(("self", "keras", "layers", "math", "max", "min", "nn", "np", "ops", "torch", "F"))
"""Names that no value takes, whether a call mentions them or not."""


class BodyPrinter:
    """Prints the statements of a call: what is nested, what is assigned, and to which name."""

    def __init__(self, blueprint: Blueprint, body: Body, outline: Outline):
        self.blueprint = blueprint
        self.body = body
        self.outline = outline
        self.style = outline.style
        self.uses = self._count_uses()
        self.first_user = {v: s for s in reversed(body.statements) for v in s.operands}
        self.names: dict[Value, str] = {}
        self.held: dict[str, Value] = {}
        self.pending: dict[Value, ast.expr] = {}
        self.left: dict[Value, int] = dict(self.uses)
        self.spoken = _ALWAYS.union(*(_spoken(statement.text) for statement in body.statements))
        """The names of functions and modules, which no value may take."""
        self.growing: dict[str, int] = {}
        """Lists that a loop filled, with their lengths."""
        self.bundles: dict[Value, list[tuple[Value, int]]] = {}
        """Names that hold several values along their first axis, as values of their own."""
        self.bundle_of: dict[Value, Value] = {}

    def _count_uses(self) -> dict[Value, int]:
        uses: dict[Value, int] = {}
        for statement in self.body.statements:
            for operand in statement.operands:
                uses[operand] = uses.get(operand, 0) + _occurrences(statement, operand)
        for index, statement in enumerate(self.body.statements):
            if index in self.blueprint.flags:  # the operand that passes through is named once more
                passed = statement.operands[self.blueprint.passing[index]]
                uses[passed] = uses.get(passed, 0) + 1
        whole = self.blueprint.base is self.outline.root  # the network may return a value under several names
        for value in [v for _, v in self.outline.graph.outputs] if whole else self.body.outputs:
            uses[value] = uses.get(value, 0) + 1
        return uses

    def input_names(self, root: bool) -> list[str]:
        """The names of the arguments of the call."""
        module = self.blueprint.base.module
        values = self.outline.graph.inputs if root else self.body.inputs
        wanted = []
        own = {v: self.outline.arguments.get((module.path, v)) for v in values}
        left = [name for name in module.inputs if name not in own.values()]
        for value in values:
            if root:
                wanted.append(value.name)
            elif own[value]:
                wanted.append(own[value])
            else:  # what the source reached in another way, through a closure or an attribute
                spare = left.pop(0) if left and not any(own.values()) else ""
                known = value.hint or spare or self._known_outside(value) or self._assigned(value)
                wanted.append(spare if len(values) == 1 else known or _word(value))
        names: list[str] = []
        for position, name in enumerate(wanted):
            name = (
                name
                if name.isidentifier() and name not in ("args", "self", "kwargs")
                else "x"
                if position == 0
                else f"x{position}"
            )
            while name in names or name in self.spoken:
                name += "_"
            names.append(name)
        for value, name in zip(values, names, strict=True):
            self._bind(value, name)
        return names

    def _known_outside(self, value: Value) -> str:
        """The name that a value has as an argument of the closest module around this one."""
        path = self.blueprint.base.module.path
        while path:
            path = path.rpartition(".")[0]
            if name := self.outline.arguments.get((path, value)):
                return name
        return ""

    def _assigned(self, value: Value) -> str:
        """The variable to which the source assigns a value where it makes it; empty where there is none."""
        node = self.outline.producers.get(value)
        if node is None:
            return ""
        names = assigned_names(node.site)
        if names and len(names) == len(node.results):
            return names[node.results.index(value)]
        return rearranged_name(node.site)

    def _bind(self, value: Value, name: str) -> None:
        self.names[value] = name
        self.held[name] = value
        for part, index in self.bundles.get(value, ()):
            self.names[part] = f"{name}[{index}]"

    def lines(self, root: bool) -> Iterator[str]:
        """The statements of the call, the return included."""
        statements = self.body.statements
        index = 0
        while index < len(statements):
            growing = self._growing_at(index)
            if growing > 1:
                yield from self._growing_loop(index, growing)
                index += growing
                continue
            loop = self._loop_at(index)
            if loop > 1:
                yield from self._loop(index, loop)
                index += loop
                continue
            yield from self._step(index, statements[index])
            index += 1
        yield f"return {ast.unparse(self._returned(root))}"

    def _returned(self, root: bool) -> ast.expr:
        if root:
            return self._tree(self.outline.graph.output)
        values = [self._use(v) for v in self.body.outputs]
        return values[0] if len(values) == 1 else ast.Tuple(values, ast.Load())

    def _tree(self, tree: Any) -> ast.expr:
        if isinstance(tree, dict):
            return ast.Dict([ast.Constant(k) for k in tree], [self._tree(v) for v in tree.values()])
        if isinstance(tree, tuple | list):
            if len(tree) == 1:
                return ast.Tuple([self._tree(tree[0])], ast.Load())
            return ast.Tuple([self._tree(v) for v in tree], ast.Load())
        if isinstance(tree, Value) and tree in self.outline.offline:
            expression = self.outline.variables.expression(tree, self.outline.root)
            if expression is not None:
                return expression
        return self._use(tree) if isinstance(tree, Value) else literal(tree)

    def _use(self, value: Value) -> ast.expr:
        self.left[value] = self.left.get(value, 1) - 1
        if value in self.bundle_of:
            self.left[self.bundle_of[value]] -= 1
        if value in self.pending:
            return self.pending.pop(value)
        return ast.parse(self.names[value], mode="eval").body

    def _expression(self, index: int, statement: Statement) -> ast.expr:
        literals = [
            self.blueprint.holes[("statement", index, k)]()
            if ("statement", index, k) in self.blueprint.holes
            else literal(v)
            for k, v in enumerate(statement.literals)
        ]
        operands = []
        for operand in statement.operands:
            times = _occurrences(statement, operand)
            expression = self._use(operand)
            self.left[operand] = self.left.get(operand, 0) - (times - 1)
            operands.append(expression)
        return _WholeLists(self.growing).visit(statement.expression(operands, literals))

    def _step(self, index: int, statement: Statement) -> Iterator[str]:
        flag = self.blueprint.flags.get(index)
        passed = None
        if flag is not None:
            passed = statement.operands[self.blueprint.passing[index]]
            yield from self._named(passed)
        expression = self._expression(index, statement)
        if flag is not None and passed is not None:
            expression = ast.IfExp(self._condition(index, flag, statement), expression, self._use(passed))
        used = [v for v in statement.results if self.uses.get(v)]
        hint = self._hint(statement)
        if len(statement.results) == 1 and flag is None and self._maytarget_of(statement, expression, hint):
            self.pending[statement.results[0]] = expression
            return
        unpacks = getattr(self.outline.forms.get(statement.node), "unpacks", None)
        if unpacks is not None and (statement.member is None or statement.member.kind == "layer"):
            yield from self._unpack(statement, unpacks, expression, used)
            return
        yield from self._assign(statement.results, expression, hint, used)

    def _unpack(self, statement: Statement, unpacks: Unpacks, expression: ast.expr, used) -> Iterator[str]:
        """Assigns what a call returns as a nest of tuples: `x, (h, c) = self.lstm(x)`."""
        leaves: dict[str, Value] = {}
        for value, (leaf, index) in zip(statement.results, unpacks.places, strict=True):
            if value not in used:
                continue
            if index is None:
                leaves[leaf] = value
                continue
            bundle = leaves.setdefault(leaf, Value(leaf, value.type))
            self.bundles.setdefault(bundle, []).append((value, index))
            self.bundle_of[value] = bundle
            self.left[bundle] = self.left.get(bundle, 0) + self.left.get(value, 0)
        names = self._unpacked_names(statement, leaves)
        for name in names.values():
            clash = self.held.get(name)
            if clash is not None and self.left.get(clash, 0) > 0 and self.names.get(clash) == name:
                alias = self._free_of(f"{name}_before", _mentioned(expression) | set(names.values()))
                yield f"{alias} = {name}"
                self._bind(clash, alias)
        yield from self._settle(set(names.values()), _mentioned(expression))
        yield f"{target_of(unpacks.nest, names)} = {ast.unparse(expression)}"
        for leaf, name in names.items():
            self._bind(leaves[leaf], name)

    def _unpacked_names(self, statement: Statement, leaves: dict[str, Value]) -> dict[str, str]:
        """A name for each part that is used; the first as the source calls it."""
        node, names = statement.node, {}
        site = node.sites[self.body.depth] if node is not None and len(node.sites) > self.body.depth else None
        hint = assigned_names(site) or []
        for leaf, value in leaves.items():
            plain = value not in self.bundles
            wanted = hint[0] if plain and not names and hint and hint[0] != "_" else ""
            wanted = wanted or (self._default_name(value) if plain else self._free(leaf))
            names[leaf] = self._free_of(wanted, set(names.values())) if wanted in names.values() else wanted
        return names

    def _condition(self, index: int, flag: Parameter, statement: Statement) -> ast.expr:
        whole = statement.member is not None and index not in self.blueprint.calls
        text = f"self.{statement.member.attr} is not None" if whole and statement.member else f"self.{flag.name}"
        return ast.parse(text, mode="eval").body

    def _named(self, value: Value) -> Iterator[str]:
        """Gives a nested value a name, because it is needed twice."""
        if value in self.pending:
            yield from self._assign((value,), self.pending.pop(value), None, [value])

    def _maytarget_of(self, statement: Statement, expression: ast.expr, hint) -> bool:
        value = statement.results[0]
        if self.uses.get(value, 0) != 1 or hint:
            return False
        if value in self.body.outputs and statement is not self.body.statements[-1]:
            return False
        user = self.first_user.get(value)
        if user is not None and _occurrences(user, value) > 1:
            return False
        text = ast.unparse(expression)
        depth = text.count("(")
        return len(text) <= _WIDTH - 30 and depth <= 5

    def _assign(self, results, expression: ast.expr, hint, used) -> Iterator[str]:
        names = []
        for position, value in enumerate(results):
            if value not in used:
                names.append("_")
                continue
            wanted = hint[position] if hint and len(hint) == len(results) else self._default_name(value)
            clash = self.held.get(wanted)
            if (
                clash is not None
                and clash is not value
                and self.left.get(clash, 0) > 0
                and self.names.get(clash) == wanted
            ):
                plain = "residual" if wanted in ("x", "out", "hidden_states") else f"{wanted}_before"
                alias = self._free_of(plain, _mentioned(expression) | set(names))
                yield f"{alias} = {wanted}"
                self._bind(clash, alias)
            if wanted in names:
                wanted = self._free_of(_word(value), set(names))
            names.append(wanted)
        yield from self._settle(set(names), _mentioned(expression))
        yield f"{', '.join(names)} = {ast.unparse(expression)}"
        for value, name in zip(results, names, strict=True):
            if name != "_":
                self._bind(value, name)

    def _settle(self, names: set[str], needed: set[str]) -> Iterator[str]:
        """Writes down nested expressions that mention a name which is about to mean something else.

        `needed` are the names that the statement after them mentions, which must keep their meaning.
        """
        for value, nested in list(self.pending.items()):
            if value in self.pending and _mentioned(nested) & names:
                del self.pending[value]
                name = self._free_of(_word(value), names | needed)
                yield f"{name} = {ast.unparse(nested)}"
                self._bind(value, name)

    def _free_of(self, wanted: str, names: set[str]) -> str:
        used = names.union(*map(_mentioned, self.pending.values()))
        return next(n for n in numbered(wanted) if n not in used and self._free(n) == n)

    def _free(self, wanted: str) -> str:
        def taken(name: str) -> bool:
            holder = self.held.get(name)
            return name in self.spoken or (holder is not None and self.left.get(holder, 0) > 0)

        return next(n for n in numbered(wanted) if not taken(n))

    def _default_name(self, value: Value) -> str:
        """What the source calls it in another shape, else `x` for what flows on; a word where `x` is needed still."""
        node = self.outline.producers.get(value)
        if node is not None and len(node.sites) > self.body.depth:
            name = rearranged_name(node.sites[self.body.depth])
            if name and name not in self.spoken:
                return self._free(name)
        holder = self.held.get("x")
        if holder is None or self.left.get(holder, 0) <= 0:
            return "x"
        return self._free(_word(value))

    def _hint(self, statement: Statement) -> list[str] | None:
        node = statement.node
        if node is None or len(node.sites) <= self.body.depth:
            return None
        own = statement.member is None or statement.member.kind == "layer"
        if own and statement.results and node.results[-1] not in statement.results:
            return None
        names = assigned_names(node.sites[self.body.depth])
        if names is None or any(n in self.spoken for n in names):
            return None
        if self._has_later_part(statement, node):
            return None
        if len(names) == 1 and statement.results[0].hint in ("real", "imaginary"):  # one half of a complex number
            return [f"{names[0].rstrip('_')}_{statement.results[0].hint}"]
        return names if len(names) == len(statement.results) else None

    def _has_later_part(self, statement: Statement, node) -> bool:
        """Whether a later statement came from the same source expression, so that this one is only a step to it."""
        site = node.sites[self.body.depth]
        at = self.body.statements.index(statement)
        for later in self.body.statements[at + 1 :]:
            other = later.node
            if other is None or len(other.sites) <= self.body.depth or other.sites[self.body.depth] != site:
                continue
            if any(v in later.operands for v in statement.results):
                return True
        return False

    # -- loops

    def _growing_at(self, index: int) -> int:
        """The number of statements from `index` on that call a list of members, each on all results so far."""
        statements = self.body.statements
        first = statements[index]
        if first.member is None or first.member.index != 0 or first.member.instance is None:
            return 0
        inner = first.member.instance.bodies[0]
        size = sum(m.attr == first.member.attr and m.index is not None for m in self.blueprint.base.members)
        run = statements[index : index + size]
        if inner.listed is None or len(run) != size or size < 2:
            return 0
        so_far = list(first.operands)
        for position, statement in enumerate(run):
            member = statement.member
            if member is None or (member.attr, member.index) != (first.member.attr, position):
                return 0
            if statement.operands != so_far or len(statement.results) != 1:
                return 0
            so_far += statement.results
        return size

    def _growing_loop(self, index: int, size: int) -> Iterator[str]:
        run = self.body.statements[index : index + size]
        first = run[0]
        assert first.member is not None
        start = list(first.operands)
        for operand in start:
            yield from self._named(operand)
        name = self._free("features")
        yield f"{name} = [{', '.join(self.names[v] for v in start)}]"
        variable = self._free(_singular(first.member))
        yield f"for {variable} in self.{first.member.attr}:"
        yield f"    {name}.append({variable}({name}))"
        for statement in run:
            for operand in statement.operands:
                self.left[operand] = self.left.get(operand, 0) - 1
        values = [*start, *(s.results[0] for s in run)]
        self.growing[name] = len(values)
        for position, value in enumerate(values):
            self.names[value] = f"{name}[{position}]"

    def _loop_at(self, index: int) -> int:
        """The number of statements from `index` on that walk through a list of members, each on the last result."""
        statements = self.body.statements
        first = statements[index]
        if first.member is None or first.member.index != 0 or index in self.blueprint.flags:
            return 0
        size = sum(m.attr == first.member.attr and m.index is not None for m in self.blueprint.base.members)
        run = statements[index : index + size]
        if len(run) != size or size < 2:
            return 0
        carried = None
        for position, (before, now) in enumerate(itertools.pairwise(run), 1):
            member = now.member
            if member is None or (member.attr, member.index) != (first.member.attr, position):
                return 0
            if (
                len(before.results) != 1
                or self.uses.get(before.results[0], 0) != 1
                or len(now.operands) != len(first.operands)
            ):
                return 0
            places = [k for k, o in enumerate(now.operands) if o is before.results[0]]
            if len(places) != 1 or (carried is not None and places[0] != carried):
                return 0
            carried = places[0]
            others = [o for k, o in enumerate(now.operands) if k != carried]
            if others != [o for k, o in enumerate(first.operands) if k != carried]:
                return 0
            if _without_index(now) != _without_index(first) or now.literals != first.literals:
                return 0
        return size if len(run[-1].results) == 1 else 0

    def _loop(self, index: int, size: int) -> Iterator[str]:
        statements = self.body.statements
        first, second, last = statements[index], statements[index + 1], statements[index + size - 1]
        carried = next(k for k, o in enumerate(second.operands) if o is first.results[0])
        assert first.member is not None
        start = first.operands[carried]
        yield from self._named(start)
        name = self.names.get(start, "x")
        hint = self._hint(first)
        wanted = hint[0] if hint else name
        variable = self._free(_singular(first.member))
        if wanted != name or self.left.get(start, 0) > 1:
            wanted = wanted if wanted != name else self._free("hidden")
            yield f"{wanted} = {name}"
        for operand in first.operands:
            if operand is not start:
                yield from self._named(operand)
        arguments = [wanted if k == carried else self.names[o] for k, o in enumerate(first.operands)]
        yield f"for {variable} in self.{first.member.attr}:"
        call = ast.unparse(
            first.expression([ast.Name(a, ast.Load()) for a in arguments], [literal(v) for v in first.literals])
        )
        call = call.replace(f"self.{first.member.attr}[0]", variable)
        yield f"    {wanted} = {call}"
        for operand in first.operands:
            self.left[operand] = self.left.get(operand, 0) - (1 if operand is start else size)
        for statement in statements[index : index + size]:
            if statement is not last:
                self.left[statement.results[0]] = 0
        self._bind(last.results[0], wanted)


class _WholeLists(ast.NodeTransformer):
    """`[features[0], features[1], ...]` up to the end is `features`."""

    def __init__(self, lists: dict[str, int]):
        self.lists = lists

    def visit_List(self, node: ast.List):
        text = ast.unparse(node)
        for name, size in self.lists.items():
            if text == f"[{', '.join(f'{name}[{k}]' for k in range(size))}]":
                return ast.Name(name, ast.Load())
        return self.generic_visit(node)


def target_of(nest: Any, names: dict[str, str], depth: int = 0) -> str:
    """The target of an assignment; `_` for what nobody uses."""
    if isinstance(nest, str):
        return names.get(nest, "_")
    parts = [target_of(part, names, depth + 1) for part in nest]
    if depth and set(parts) == {"_"}:
        return "_"
    return f"({', '.join(parts)})" if depth else ", ".join(parts)


def _without_index(statement: Statement) -> str:
    assert statement.member is not None
    return statement.text.replace(f"self.{statement.member.attr}[{statement.member.index}]", "item")


def _singular(member: Member) -> str:
    """The variable for one item of a list: `block` of `blocks`, else the last word of its class."""
    attr = member.attr.rstrip("_")
    if attr in ("h", "b"):
        return "block"
    if attr.endswith("s") and len(attr) > 2:
        return attr[:-1]
    words = re.findall(r"[A-Z][a-z]+", member.instance.module.class_name) if member.instance else []
    return words[-1].lower() if words and words[-1].lower() != attr else f"{attr}_"


def _mentioned(expression: ast.expr) -> set[str]:
    """The names in an expression."""
    return {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}


@functools.cache
def _spoken(text: str) -> frozenset[str]:
    """The names that a spelling mentions itself: `torch` of `torch.where(_0, _1, _2)`."""
    return frozenset(re.findall(r"(?<![\w.'\"])[A-Za-z]\w*\b(?!\s*=(?!=)|['\"])", text))


def _occurrences(statement: Statement, operand: Value) -> int:
    place = statement.operands.index(operand)
    return max(1, len(re.findall(rf"\b_{place}\b", statement.text)))


_WORDS = {"slice": "part", "reshape": "x", "permute": "x", "add": "x", "multiply": "x", "concat": "x", "linear": "x"}


def _word(value: Value) -> str:
    """A short word for a value that has no name in the source."""
    base = re.sub(r"(_\d+)+$|_transposed$", "", value.name)
    base = re.sub(r"\W", "_", base)
    if keyword.iskeyword(base):
        return f"{base}_"
    return base if base.isidentifier() else "y"
