"""A graph as text that a person reads, in Python's syntax, and back.

    graph("Net", version=1)
    parameter("conv.weight", float32[64, 3, 7, 7])
    input(x, float32[B, 3, H, W])

    with scope("conv"):
        conv2d: float32[B, 64, H, W] = Conv(x, p["conv.weight"], None, stride=(1, 1)) @ at(0)

    output({"logits": conv2d})
    site(0, "model.py", 88, "forward")

Weights are not part of it. The text is parsed with `ast` and never evaluated.
"""

from __future__ import annotations

import ast
import keyword
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import numpy as np

from netglot.errors import Bug, InputError
from netglot.pivot import dims
from netglot.pivot.dims import Dim
from netglot.pivot.graph import Frame, Graph, Module, Node, Parameter, Site, Value
from netglot.pivot.op import DTYPES, Op, TensorType, is_scalar
from netglot.pivot.serialize import VERSION, Opaque, object_text

Loader = Callable[[str, TensorType], Callable[[], np.ndarray]]


def to_text(graph: Graph) -> str:
    """The text of `graph`."""
    return "\n".join(_Printer(graph).lines()) + "\n"


class _Printer:
    def __init__(self, graph: Graph):
        self.graph = graph
        self.sites: dict[Site | None, int] = {}

    def lines(self) -> Iterator[str]:
        yield f"graph({_literal(self.graph.name)}, version={VERSION})"
        yield from (f"note({_literal(note)})" for note in self.graph.notes)
        yield from (self._module(module) for module in self.graph.modules.values())
        yield from (self._parameter(parameter) for parameter in self.graph.parameters.values())
        yield from (self._input(value) for value in self.graph.inputs)
        yield ""
        scope: tuple[Frame, ...] = ()
        for node in self.graph.nodes:
            shared = _shared_frames(scope, node.scope)
            for depth, frame in enumerate(node.scope[shared:], shared):
                call = f", {frame.call}" if frame.call else ""
                yield f"{'    ' * depth}with scope({_literal(frame.path)}{call}):"
            scope = node.scope
            yield from ("    " * len(scope) + line for line in self._node(node))
        yield ""
        yield f"output({self._tree(self.graph.output)})"
        for site, number in self.sites.items():
            yield f"site({', '.join([str(number), *_site_arguments(site)])})"

    def _module(self, module: Module) -> str:
        options = {f.name: getattr(module, f.name) for f in fields(Module)[2:]}
        return _call("module", [_literal(module.path), _literal(module.class_name)], _given(options))

    def _parameter(self, parameter: Parameter) -> str:
        options = {"kind": "" if parameter.kind == "parameter" else parameter.kind}
        options |= {"aliases": parameter.aliases, "initialiser": parameter.initialiser, "hint": parameter.hint}
        frozen = {} if parameter.trainable or parameter.kind != "parameter" else {"trainable": "False"}
        return _call("parameter", [_literal(parameter.name), _type(parameter.type)], frozen | _given(options))

    def _input(self, value: Value) -> str:
        return _call("input", [_name(value), _type(value.type)], _given({"hint": value.hint}))

    def _node(self, node: Node) -> Iterator[str]:
        call = _call(type(node.op).__name__, *self._arguments(node.op)) + self._at(node)
        if len(node.results) == 1:
            yield f"{_name(node.result)}: {_type(node.result.type)} = {call}"
            return
        yield "; ".join(f"{_name(value)}: {_type(value.type)}" for value in node.results)
        yield f"{', '.join(map(_name, node.results))} = {call}"

    def _arguments(self, op: Op) -> tuple[list[str], dict[str, str]]:
        """The leading operands by position, everything else by name."""
        positional, options = [], {}
        for field in op.fields():
            held = getattr(op, field.name)
            if field.operand and not options:
                positional.append(self._tree(held))
            else:
                options[field.name] = self._tree(held) if field.operand else _literal(held)
        return positional, options

    def _at(self, node: Node) -> str:
        places = [str(self.sites.setdefault(site, len(self.sites))) for site in node.sites]
        hints = tuple(value.hint for value in node.results)
        if any(hints):
            places.append(f"hint={_literal(hints[0] if len(hints) == 1 else hints)}")
        return f" @ at({', '.join(places)})" if places else ""

    def _tree(self, tree: Any) -> str:
        if isinstance(tree, Value):
            return f"p[{_literal(tree.name)}]" if isinstance(tree, Parameter) else _name(tree)
        if isinstance(tree, tuple):
            return _tuple([self._tree(one) for one in tree])
        if isinstance(tree, list):
            return f"[{', '.join(self._tree(one) for one in tree)}]"
        if isinstance(tree, dict):
            return f"{{{', '.join(f'{_literal(k)}: {self._tree(v)}' for k, v in tree.items())}}}"
        return f"size({tree})" if isinstance(tree, Dim) else _literal(tree)


def _shared_frames(one: tuple, other: tuple) -> int:
    """How many leading frames two scopes have in common."""
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _name(value: Value) -> str:
    plain = value.name.isidentifier() and not keyword.iskeyword(value.name) and value.name not in ("v", "p")
    return value.name if plain else f"v[{_literal(value.name)}]"


def _type(type: TensorType) -> str:
    return f"{type.dtype}[{', '.join(map(str, type.shape)) or '()'}]"


def _call(name: str, arguments: list[str], options: dict[str, str]) -> str:
    return f"{name}({', '.join([*arguments, *(f'{key}={text}' for key, text in options.items())])})"


def _given(options: dict[str, Any]) -> dict[str, str]:
    return {name: _literal(held) for name, held in options.items() if held not in (None, "", (), {})}


def _tuple(parts: list[str]) -> str:
    return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"


def _site_arguments(site: Site | None) -> list[str]:
    if site is None:
        return ["None"]
    held = [getattr(site, f.name) for f in fields(Site)]
    while held and held[-1] in (None, ""):
        held.pop()
    return [_literal(one) for one in held]


def _literal(held: Any) -> str:
    match held:
        case np.generic():
            return _literal(held.item())
        case None | bool() | int() | str():
            return repr(held)
        case float():
            return repr(held) if np.isfinite(held) else f'float("{held}")'
        case complex():
            return f"complex({held.real}, {held.imag})"
        case Dim():
            return f"size({held})"
        case tuple():
            return _tuple([_literal(one) for one in held])
        case list():
            return f"[{', '.join(_literal(one) for one in held)}]"
        case dict():
            return f"{{{', '.join(f'{_literal(k)}: {_literal(v)}' for k, v in held.items())}}}"
        case Op() | Graph() | Value():
            raise Bug(f"a graph cannot hold {type(held).__name__} where plain data is meant")
    return f"object({object_text(held)!r})"


# --- parsing


def parse(text: str, loader: Loader | None = None) -> Graph:
    """The graph that `to_text` wrote. `loader(name, type)` gives the function that reads a parameter.

    Raises:
        InputError: the text is not such a graph; the message says which line.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise InputError(f"line {error.lineno}: {error.msg}") from error
    return _Parser(loader or _no_weights).run(tree)


def _no_weights(name: str, type: TensorType) -> Callable[[], np.ndarray]:
    def load():
        raise InputError(f"the text of a graph holds no weights: {name} is {type}")

    return load


class _Parser:
    def __init__(self, loader: Loader):
        import netglot.pivot.ops  # noqa: F401  (fills the registry)
        from netglot.pivot.op import REGISTRY

        self.registry = REGISTRY
        self.loader = loader
        self.graph = Graph("", [], {}, [], None)
        self.values: dict[str, Value] = {}
        self.types: dict[str, TensorType] = {}
        self.sites: dict[int, Site | None] = {}

    def run(self, tree: ast.Module) -> Graph:
        for statement in tree.body:
            match statement:
                case ast.Expr(value=ast.Call(func=ast.Name(id="site"), args=[number, *held])):
                    held = [_plain(one) for one in held]
                    self.sites[_plain(number)] = None if held == [None] else Site(*held)
        self._block(tree.body, ())
        return self.graph

    def _block(self, statements: list[ast.stmt], scope: tuple[Frame, ...]) -> None:
        for statement in statements:
            try:
                self._statement(statement, scope)
            except InputError:
                raise
            except (KeyError, ValueError, TypeError, IndexError, AttributeError, AssertionError) as error:
                said = f"{ast.unparse(statement).splitlines()[0]}: {type(error).__name__} {error}"
                raise InputError(f"line {statement.lineno} is not understood: {said}") from error

    def _statement(self, statement: ast.stmt, scope: tuple[Frame, ...]) -> None:
        match statement:
            case ast.With(items=[ast.withitem(context_expr=ast.Call(func=ast.Name(id="scope"), args=args))], body=body):
                self._block(body, (*scope, Frame(*map(_plain, args))))
            case ast.Expr(value=ast.Call(func=ast.Name(id=name), args=args, keywords=keywords)):
                getattr(self, f"_read_{name}")(args, {k.arg: k.value for k in keywords})
            case ast.AnnAssign(target=target, annotation=annotation, value=None):
                self.types[_target(target)] = _parse_type(annotation)
            case ast.AnnAssign(target=target, annotation=annotation, value=value):
                self._node([(_target(target), _parse_type(annotation))], value, scope)
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=value):
                names = [_target(target) for target in targets]
                self._node([(name, self.types.pop(name)) for name in names], value, scope)
            case _:
                raise ValueError("no such statement")

    def _read_graph(self, args, options) -> None:
        self.graph.name = _plain(args[0])
        if _plain(options["version"]) != VERSION:
            raise InputError(f"the text has version {_plain(options['version'])} and this netglot reads {VERSION}")

    def _read_note(self, args, options) -> None:
        self.graph.notes.append(_plain(args[0]))

    def _read_module(self, args, options) -> None:
        module = Module(*map(_plain, args), **{name: _plain(one) for name, one in options.items()})
        self.graph.modules[module.path] = module

    def _read_parameter(self, args, options) -> None:
        name, type = _plain(args[0]), _parse_type(args[1])
        held = {key: _plain(one) for key, one in options.items()}
        hint = held.pop("hint", None)
        made = Parameter(name, type, self.loader(name, type), **held)
        made.hint = hint
        self.graph.parameters[name] = self.values[name] = made

    def _read_input(self, args, options) -> None:
        made = Value(_target(args[0]), _parse_type(args[1]), _plain(options["hint"]) if "hint" in options else None)
        self.values[made.name] = made
        self.graph.inputs.append(made)

    def _read_output(self, args, options) -> None:
        self.graph.output = self._tree(args[0])

    def _read_site(self, args, options) -> None:
        pass  # read before everything else

    def _node(self, results: list[tuple[str, TensorType]], expression: ast.expr, scope) -> None:
        places, hints = (), (None,) * len(results)
        if isinstance(expression, ast.BinOp) and isinstance(expression.op, ast.MatMult):
            at = expression.right
            places = tuple(self.sites[_plain(number)] for number in at.args)
            for option in at.keywords:
                hints = _plain(option.value)
                hints = hints if isinstance(hints, tuple) else (hints,)
            expression = expression.left
        op = self._op(expression)
        made = tuple(Value(name, type, hint) for (name, type), hint in zip(results, hints, strict=True))
        self.values.update((value.name, value) for value in made)
        self.graph.nodes.append(Node(op, made, scope, places))

    def _op(self, call: ast.Call) -> Op:
        kind = self.registry[call.func.id]
        fields = {f.name: f for f in kind.fields()}
        held = {name: self._tree(one) for name, one in zip(fields, call.args, strict=False)}
        for option in call.keywords:
            read = self._tree if fields[option.arg].operand else _plain
            held[option.arg] = read(option.value)
        return kind(**held)

    def _tree(self, node: ast.expr) -> Any:
        """A nest of values and numbers."""
        match node:
            case ast.Tuple(elts=elements):
                return tuple(self._tree(one) for one in elements)
            case ast.List(elts=elements):
                return [self._tree(one) for one in elements]
            case ast.Dict(keys=keys, values=values):
                return {_plain(k): self._tree(v) for k, v in zip(keys, values, strict=True)}
            case ast.Name() | ast.Subscript():
                return self.values[_target(node)]
        held = _plain(node)
        if held is not None and not is_scalar(held):
            raise ValueError(f"{ast.unparse(node)} is no operand")
        return held


def _target(node: ast.expr) -> str:
    """The name of a value: a Python name, `v["other name"]` or `p["parameter"]`."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Subscript(value=ast.Name(id="v" | "p"), slice=ast.Constant(value=str(name))):
            return name
    raise ValueError(f"{ast.unparse(node)} is no name of a value")


def _parse_type(node: ast.expr) -> TensorType:
    match node:
        case ast.Subscript(value=ast.Name(id=dtype), slice=sizes) if dtype in DTYPES:
            sizes = sizes.elts if isinstance(sizes, ast.Tuple) else [sizes]
            return TensorType(dtype, tuple(dims.from_ast(size) for size in sizes))
    raise ValueError(f"{ast.unparse(node)} is no type")


def _plain(node: ast.expr) -> Any:
    """A datum without values in it."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.Tuple(elts=elements):
            return tuple(_plain(one) for one in elements)
        case ast.List(elts=elements):
            return [_plain(one) for one in elements]
        case ast.Dict(keys=keys, values=values):
            return {_plain(k): _plain(v) for k, v in zip(keys, values, strict=True)}
        case ast.Call(func=ast.Name(id="float"), args=[ast.Constant(value=str(text))]):
            return float(text)
        case ast.Call(func=ast.Name(id="complex"), args=[real, imaginary]):
            return complex(_plain(real), _plain(imaginary))
        case ast.Call(func=ast.Name(id="size"), args=[expression]):
            return dims.from_ast(expression)
        case ast.Call(func=ast.Name(id="object"), args=[ast.Constant(value=str(text))]):
            return Opaque(text)
    raise ValueError(f"{ast.unparse(node)} is no datum")
