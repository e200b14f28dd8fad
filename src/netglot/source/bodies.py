"""Statements: the bodies of module calls, with operands as placeholders and literals as holes.

Two calls of one class have the same statements where their texts and their data flow agree; what differs is then
only in the holes.
"""

from __future__ import annotations

import ast
import copy
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from netglot.errors import RefusedOp, UnsupportedOps, notimpl
from netglot.pivot import ops
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Node, Parameter, Value
from netglot.pivot.op import Op, type_of
from netglot.source import spell
from netglot.source.calls import CallTree
from netglot.source.printing import Printer, name, size_expression

if TYPE_CHECKING:
    from netglot.source.outline import Outline
    from netglot.source.parts import Body, Instance, Member, Statement


class Access:
    """Where members and variables are, seen from an instance: `self.encoder.layers[0].conv`."""

    def __init__(self, outline: Outline):
        self.outline = outline
        self.holder: dict[Member, tuple[Instance, Member | None, int]] = {}
        self.member_of_instance: dict[Instance, Member] = {}
        for instance in outline.instances.values():
            for member in instance.members:
                self._hold(instance, member, None, 0)

    def _hold(self, instance: Instance, member: Member, sequence: Member | None, index: int) -> None:
        self.holder[member] = (instance, sequence, index)
        if member.instance is not None:
            self.member_of_instance[member.instance] = member
        for position, item in enumerate(member.items):
            self._hold(instance, item, member, position)

    def steps(self, member: Member, start: Instance) -> list[Any] | None:
        """The attributes and indices from `start` down to `member`, or None where it lies outside `start`."""
        instance, sequence, index = self.holder[member]
        if sequence is not None:
            above = self.steps(sequence, start)
            return None if above is None else [*above, ("item", index, member)]
        own = ("list", member.attr, member.index, member) if member.index is not None else ("attr", member.attr, member)
        if instance is start:
            return [own]
        holder = self.member_of_instance.get(instance)
        above = self.steps(holder, start) if holder is not None else None
        return None if above is None else [*above, own]

    def expression(self, member: Member, start: Instance, root: str = "self") -> ast.expr | None:
        """The expression for `member` seen from `start`."""
        steps = self.steps(member, start)
        if steps is None:
            return None
        text = root
        for step in steps:
            match step:
                case ("attr", attr, _):
                    text += f".{attr}"
                case ("list", attr, index, _):
                    text += f".{attr}[{index}]"
                case ("item", index, _):
                    text += self.outline.style.item(index)
        return name(text)


class Variables:
    """The expressions of parameters that take part in the forward pass outside of a layer."""

    def __init__(self, outline: Outline, access: Access):
        self.outline = outline
        self.access = access
        self._one_variable = self._shared_parameters()
        self._recipes: dict[str, tuple[Member, str]] | None = None

    def _shared_parameters(self) -> set[Parameter]:
        """Trainable parameters that are used in the open in more than one form: they stay one variable."""
        forms: dict[Parameter, set[Value]] = {}
        for node in self.outline.runtime:
            for value in self.outline.needs(node):
                if value in self.outline.offline:
                    for parameter in self.outline.base_parameters(value):
                        if parameter.trainable:
                            forms.setdefault(parameter, set()).add(value)
        return {p for p, values in forms.items() if len(values) > 1}

    def expression(self, value: Value, start: Instance) -> ast.expr | None:
        """The expression of an offline value seen from `start`, or None where it must be handed in."""
        parameters = self.outline.base_parameters(value)
        if isinstance(value, Parameter):
            if value in self.outline.owned:
                return self._of_layer(value, start)
            return self._of_member(self.outline.weight(value, start), start)
        if any(p in self.outline.owned or p in self._one_variable for p in parameters):
            held = self._held(value)
            return self._computed(value, start) if held is None else self._variable(*held, start)
        return self._of_member(self.outline.weight(value, start), start)

    def _held(self, value: Value) -> tuple[Member, str] | None:
        """The layer that holds exactly this value, and under which name."""
        if self._recipes is None:
            self._recipes = {}
            for member in self.outline.layers.values():
                for key, tree in member.layer.weights.items() if member.layer is not None else ():
                    self._recipes.setdefault(repr(self.outline.recipe(tree)), (member, key))
        return self._recipes.get(repr(self.outline.recipe(value)))

    def _variable(self, member: Member, key: str, start: Instance) -> ast.expr | None:
        owner = self.access.expression(member, start)
        return None if owner is None else self.outline.style.variable(member, owner, key)

    def _of_member(self, member: Member, start: Instance) -> ast.expr | None:
        if member not in self.access.holder:
            owner = next(i for i in self.outline.instances.values() if member in i.members)
            self.access.holder[member] = (owner, None, 0)
        return self.access.expression(member, start)

    def _of_layer(self, parameter: Parameter, start: Instance) -> ast.expr | None:
        """A parameter that a layer holds, brought back into the source's order of axes."""
        member = self.outline.owned[parameter]
        owner = self.access.expression(member, start)
        if owner is None:
            return None
        assert member.layer is not None
        for key, tree in member.layer.weights.items():
            recipe = self.outline.recipe(tree)
            variable = self.outline.style.variable(member, owner, key)
            if self.outline.base_parameters(recipe) == [parameter]:
                back = self._undone(recipe, variable)
                if back is not None:
                    return back
        reason = notimpl(f"{parameter.name} is used by itself and as a part of {member.path}")
        raise UnsupportedOps([RefusedOp(member.path, parameter.name, reason)], 1, self.outline.dialect.title)

    def _undone(self, recipe: Any, variable: ast.expr) -> ast.expr | None:
        """The parameter from the variable that a recipe made of it by permuting and reshaping."""
        while isinstance(recipe, ops.Permute | ops.Reshape):
            kind = type_of(recipe)
            made = Value("variable", kind)
            inverse = ops.Reshape(made, type_of(recipe.x).shape)
            if isinstance(recipe, ops.Permute):
                inverse = ops.Permute(made, tuple(recipe.axes.index(i) for i in range(len(recipe.axes))))
            variable = self._spelled(inverse, lambda _, v=variable: v)
            recipe = recipe.x
        return variable if isinstance(recipe, Parameter) else None

    def _computed(self, value: Value, start: Instance) -> ast.expr | None:
        """An offline value computed again while the network runs, because its parameter must stay one variable."""
        if isinstance(value, Parameter):
            return self.expression(value, start)
        held = self._held(value)
        if held is not None:
            return self._variable(*held, start)
        producer = self.outline.producers[value]
        parts = {v: self._computed(v, start) for v in producer.operand_values()}
        if any(part is None for part in parts.values()):
            return None
        spelled = self._spelled(producer.op, lambda v: parts[v])
        if len(producer.results) == 1:
            return spelled
        return ast.Subscript(spelled, ast.Constant(producer.results.index(value)), ast.Load())

    def _spelled(self, op: Op, resolve) -> ast.expr:
        spelling = self.outline.style.tidy(self.outline.dialect.spell(op))
        if isinstance(spelling, spell.Layer) and spelling.function is not None:
            spelling = spelling.function
        printer = Printer(resolve, lambda dim: _no_size(dim), lambda layer: _no_layer(layer))
        return printer(spelling)


def _no_size(dim: Dim) -> ast.expr:
    raise AssertionError(f"a parameter of symbolic size {dim}")


def _no_layer(layer: spell.Layer) -> ast.expr:
    raise AssertionError(f"{layer.layer} applied to a parameter")


class BodyMaker:
    """Makes the body of every call of every instance."""

    def __init__(self, outline: Outline):
        self.outline = outline
        self.access = Access(outline)
        self.variables = Variables(outline, self.access)
        outline.access = self.access
        outline.variables = self.variables
        self.variadic = self._variadic_classes()

    def _variadic_classes(self) -> set[str]:
        """Source classes whose calls take different numbers of tensors: they are handed a list."""
        counts: dict[str, set[int]] = {}

        def visit(tree: CallTree) -> None:
            for call in tree.calls:
                visit(call)
                if call.kind == "class":
                    entering, _ = self.outline._flow(call, set())
                    counts.setdefault(self.outline.module(call.path).qualified_name, set()).add(len(entering))

        visit(self.outline.tree)
        return {name for name, sizes in counts.items() if len(sizes) > 1}

    def _listed(self, statements: list[Statement], inputs: list[Value]) -> Value | None:
        """One value that stands for the list of all inputs, where all that happens to them is one concatenation."""
        users = [s for s in statements if any(v in s.operands for v in inputs)]
        if len(users) != 1 or users[0].operands != inputs:
            return None
        template = ast.parse(users[0].text, mode="eval").body
        lists = [n for n in ast.walk(template) if isinstance(n, ast.List)]
        names = [f"_{k}" for k in range(len(inputs))]
        if len(lists) != 1 or [getattr(e, "id", None) for e in lists[0].elts] != names:
            return None
        together = Value(f"{inputs[0].name}_list", inputs[0].type)
        place = users[0]

        class Whole(ast.NodeTransformer):
            def visit_List(self, node: ast.List):
                return ast.Name("_0", ast.Load())

        template = Whole().visit(template)
        place.operands, place.text = [together], ast.unparse(template)
        place.expression = lambda given, literals: _Fill(given, literals).visit(copy.deepcopy(template))
        return together

    def make(self, tree: CallTree, instance: Instance, depth: int) -> Any:
        """The body of one call, bodies of inner calls first; it is filed with its instance."""
        from netglot.source.parts import Body

        statements: list[Statement] = []
        entering = self.outline._flow(tree, set())[0]
        for item in tree.items:
            if isinstance(item, CallTree):
                statements.extend(self._call(item, instance, depth, statements, entering))
            else:
                statements.append(self._statement(item, instance, statements, entering))
        made = {value for statement in statements for value in statement.results}
        inputs: dict[Value, None] = {}
        for statement in statements:
            for operand in statement.operands:
                if operand not in made:
                    inputs[operand] = None
        inside = {id(node) for node in tree.nodes()}
        outputs = [v for s in statements for v in s.results if any(self.outline._leaves(v, inside))]
        body = Body(self._in_order(instance, list(inputs)), outputs, statements, depth)
        if instance.module.qualified_name in self.variadic and tree is not self.outline.tree:
            together = self._listed(statements, body.inputs)
            if together is not None:
                body.listed, body.inputs = body.inputs, [together]
        if instance.bodies and not _alike(instance.bodies[0], body):
            self.outline._leave_open(tree)
        instance.bodies.append(body)
        return body

    def _in_order(self, instance: Instance, inputs: list[Value]) -> list[Value]:
        """Inputs in the order of the source's own arguments, where these are known; others behind them."""
        known = {name: place for place, name in enumerate(instance.module.inputs)}

        def place(value: Value) -> int:
            return known.get(self.outline.arguments.get((instance.path, value), ""), len(known))

        return sorted(inputs, key=place)

    def _call(self, call: CallTree, instance: Instance, depth: int, before: list[Statement], entering):
        if call.kind == "leaf":
            made: list[Statement] = []
            for node in call.nodes():
                made.append(self._statement(node, instance, [*before, *made], entering))
            return made
        if call.kind == "class":
            inner = self.outline.instances[call.path]
            body = self.make(call, inner, _depth(call, depth))
            member = self.access.member_of_instance[inner]
            operands = body.inputs if body.listed is None else body.listed
            return [self._member_call(member, instance, operands, tuple(body.outputs), call, body.listed is not None)]
        self._inner_bodies(call, depth)
        member = self.outline.layers[("sequence", call.path)]
        inside = {id(n) for n in call.nodes()}
        entering, leaving = self.outline._flow(call, inside)
        return [self._member_call(member, instance, entering, tuple(leaving), call)]

    def _inner_bodies(self, call: CallTree, depth: int) -> None:
        for item in call.calls:
            if item.kind == "class":
                self.make(item, self.outline.instances[item.path], _depth(item, depth))
            elif item.kind == "sequence":
                self._inner_bodies(item, depth)

    def _member_call(self, member, instance, operands, results, call: CallTree, listed: bool = False) -> Statement:
        target = self.access.expression(member, instance)
        assert target is not None
        given: list[Value] = []
        arguments: list[ast.expr] = []
        for value in operands:
            held = self.variables.expression(value, instance) if value in self.outline.offline else None
            arguments.append(ast.Name(f"_{len(given)}", ast.Load()) if held is None else held)
            given += [value] if held is None else []
        if not arguments and not listed and self.outline.style.forward:
            target = ast.Attribute(target, self.outline.style.forward, ast.Load())
        call_ast = ast.Call(target, [ast.List(arguments, ast.Load())] if listed else arguments, [])
        node = next(iter(call.nodes()), None)
        return _statement(results, given, call_ast, member, node)

    def _statement(self, node: Node, instance: Instance, before: list[Statement], entering) -> Statement:
        form = self.outline.forms[node]
        operands: list[Value] = []

        def operand(value: Value) -> ast.expr:
            if value not in operands:
                operands.append(value)
            return ast.Name(f"_{operands.index(value)}", ast.Load())

        def resolve(value: Value) -> ast.expr:
            if value in self.outline.offline:
                expression = self.variables.expression(value, instance)
                if expression is not None:
                    return expression
            return operand(value)

        candidates = [v for v in self.outline.needs(node) if v not in self.outline.offline]

        def near() -> Iterator[Value]:
            yield from candidates
            yield from (v for statement in reversed(before) for v in statement.results)
            yield from entering

        sizes = _Sizes(near, self.outline, operand)
        member = self.outline.member_of.get(node)
        printer = Printer(resolve, sizes, lambda _: self.access.expression(member, instance), sizes.device)
        expression = printer(form)
        produces = getattr(form, "produces", None)
        results = node.results if produces is None else tuple(node.results[i] for i in produces)
        return _statement(results, operands, expression, member, node)


def _alike(first: Body, other: Body) -> bool:
    """Whether one text says both bodies."""
    if len(first.statements) != len(other.statements) or len(first.inputs) != len(other.inputs):
        return False
    same = dict(zip(first.inputs, other.inputs, strict=True))
    for ours, theirs in zip(first.statements, other.statements, strict=True):
        if (ours.text, ours.member, ours.literals) != (theirs.text, theirs.member, theirs.literals):
            return False
        if len(ours.results) != len(theirs.results):
            return False
        if [same.get(v, v) for v in ours.operands] != list(theirs.operands):
            return False
        same.update(zip(ours.results, theirs.results, strict=True))
    return [same.get(v, v) for v in first.outputs] == list(other.outputs)


def _depth(call: CallTree, depth: int) -> int:
    """How many modules enclose the nodes of a call."""
    node = next(iter(call.nodes()), None)
    if node is None:
        return depth + 1
    for position, frame in enumerate(node.scope):
        if frame == call.frame:
            return position + 1
    return depth + 1


class _Sizes:
    """Expressions for symbolic sizes: the size of an axis of a tensor at hand."""

    def __init__(self, near: Callable[[], Iterable[Value]], outline: Outline, operand):
        self.near = near
        self.outline = outline
        self.operand = operand

    def __call__(self, dim: Dim) -> ast.expr:
        return self._axis(dim) or size_expression(dim, self._symbol, self.outline.style.extreme)

    def device(self) -> ast.expr:
        """The device of the nearest tensor; None where there is none."""
        nearest = next(itertools.chain(self.near(), self.outline.graph.inputs), None)
        return ast.Constant(None) if nearest is None else ast.Attribute(self.operand(nearest), "device", ast.Load())

    def _symbol(self, symbol: str) -> ast.expr:
        found = self._axis(Dim.symbol(symbol))
        assert found is not None, f"no tensor shows the size {symbol}"
        return found

    def _axis(self, dim: Dim) -> ast.expr | None:
        for value in itertools.chain(self.near(), self.outline.graph.inputs):
            for axis, size in enumerate(value.shape):
                if size == dim:
                    return self.outline.style.size(self.operand(value), axis)
        return None


class _Holes(ast.NodeTransformer):
    """Replaces literals by `_c0`, `_c1`, ... and collects them."""

    def __init__(self):
        self.literals: list[Any] = []

    def visit_Constant(self, node: ast.Constant):
        if node.value is Ellipsis:
            return node
        self.literals.append(node.value)
        return ast.Name(f"_c{len(self.literals) - 1}", ast.Load())

    def visit_Attribute(self, node: ast.Attribute):
        return node if _is_self(node) else self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript):
        return node if _is_self(node) else self.generic_visit(node)


def _is_self(node: ast.expr) -> bool:
    """Whether an expression is a path from `self`: its indices are places and not literals."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return isinstance(node, ast.Name) and node.id == "self"


class _Fill(ast.NodeTransformer):
    """Puts operands and literals back into a template."""

    def __init__(self, operands: list[ast.expr], literals: list[ast.expr]):
        self.operands = operands
        self.literals = literals

    def visit_Name(self, node: ast.Name):
        if node.id.startswith("_c") and node.id[2:].isdigit():
            return self.literals[int(node.id[2:])]
        if node.id.startswith("_") and node.id[1:].isdigit():
            return self.operands[int(node.id[1:])]
        return node


def _statement(results, operands, expression: ast.expr, member, node) -> Statement:
    from netglot.source.parts import Statement

    holes = _Holes()
    template = holes.visit(copy.deepcopy(expression))
    return Statement(
        tuple(results),
        operands,
        ast.unparse(template),
        holes.literals,
        lambda given, literals: _Fill(given, literals).visit(copy.deepcopy(template)),
        member,
        node,
    )
