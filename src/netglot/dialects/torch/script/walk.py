"""Walks the code of a TorchScript program: statements in order, over values of Python and tensors.

It is no Python that runs: each kind of statement and of expression is known here, names mean what the program defines,
and what is called is an operator of PyTorch on tensors. Choices that depend on numbers are made, loops over known
counts are unrolled, and what would change the network while it runs is refused.
"""

from __future__ import annotations

import ast
from collections import namedtuple
from typing import Any

import torch

from netglot.dialects.torch.script.fused import FUSED
from netglot.dialects.torch.script.plain import ASKED, DTYPES, FORBIDDEN, PLAIN, PRIM, is_number
from netglot.errors import Refusal, never, notimpl

_BUDGET, _DEEPEST = 2_000_000, 120
_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")
_NOTHING = object()
_CODED = ("dtype",)


class Made:
    """An object that the program makes while it runs; its attributes live as long as one call."""

    def __init__(self, kind: str):
        self.kind, self.attributes = kind, {}


class Walk:
    """One walk through a program; `program` holds its classes and functions, `module` makes attributes of modules."""

    def __init__(self, program: Any):
        self.program = program
        self.steps = self.depth = 0

    def run(self, definition: ast.FunctionDef, owner: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        """The result of a function, or of a method of `owner`.

        Raises:
            Refusal: the code does what cannot be walked.
        """
        self.depth += 1
        if self.depth > _DEEPEST:
            raise Refusal(notimpl("functions that call each other too deeply"))
        try:
            local = self._bound(definition, owner, list(args), dict(kwargs))
            result = self._block(definition.body, local)
            return None if result is _NOTHING else result
        finally:
            self.depth -= 1

    def _bound(self, definition: ast.FunctionDef, owner: Any, args: list, kwargs: dict[str, Any]) -> dict[str, Any]:
        names = [one.arg for one in definition.args.args]
        local: dict[str, Any] = {}
        if owner is not None:  # whatever the method calls it
            local[names[0]] = owner
            names = names[1:]
        defaults = dict(zip(names[::-1], definition.args.defaults[::-1], strict=False))
        if len(args) > len(names):
            raise Refusal(notimpl(f"{definition.name} is called with {len(args)} arguments"))
        local |= dict(zip(names, args, strict=False))
        for name in names[len(args) :]:
            if name in kwargs:
                local[name] = kwargs[name]
            elif name in defaults:
                local[name] = self.value(defaults[name], local)
            else:
                raise Refusal(notimpl(f"{definition.name} is called without {name}"))
        return local

    # -- statements

    def _block(self, statements: list[ast.stmt], local: dict[str, Any]) -> Any:
        """Runs statements; what a `return` gives, or `_NOTHING` where none was reached."""
        for one in statements:
            self.steps += 1
            if self.steps > _BUDGET:
                raise Refusal(notimpl("a loop that does not end"))
            result = self._statement(one, local)
            if result is not _NOTHING:
                return result
        return _NOTHING

    def _statement(self, one: ast.stmt, local: dict[str, Any]) -> Any:
        match one:
            case ast.Assign(targets=[target], value=value):
                self._assign(target, self.value(value, local), local)
            case ast.AnnAssign(target=target, value=value) if value is not None:
                self._assign(target, self.value(value, local), local)
            case ast.Expr(value=value):
                self.value(value, local)
            case ast.If(test=test, body=body, orelse=other):
                return self._block(body if self._decided(self.value(test, local)) else other, local)
            case ast.For(target=target, iter=over, body=body):
                return self._loop(target, self.value(over, local), body, local)
            case ast.While(test=test, body=body):
                while self._decided(self.value(test, local)):
                    result = self._block(body, local)
                    if result is not _NOTHING:
                        return result
            case ast.With(body=body, items=items):
                for item in items:
                    self.value(item.context_expr, local)
                return self._block(body, local)
            case ast.Return(value=value):
                return None if value is None else self.value(value, local)
            case ast.Pass():
                pass
            case ast.Assert(test=test):
                if not self._decided(self.value(test, local)):
                    raise Refusal(notimpl("the network asserts what such an input does not hold"))
            case _:
                raise Refusal(notimpl(f"{type(one).__name__} in the code of a program"))
        return _NOTHING

    def _loop(self, target: ast.expr, over: Any, body: list[ast.stmt], local: dict[str, Any]) -> Any:
        if isinstance(over, torch.Tensor):
            over = list(torch.ops.aten.unbind(over))
        for one in over:
            self._assign(target, one, local)
            result = self._block(body, local)
            if result is not _NOTHING:
                return result
        return _NOTHING

    def _assign(self, target: ast.expr, held: Any, local: dict[str, Any]) -> None:
        match target:
            case ast.Name(id=name):
                local[name] = held
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                many = list(held)
                if len(many) != len(parts):
                    raise Refusal(notimpl(f"{len(many)} values for {len(parts)} names"))
                for part, one in zip(parts, many, strict=True):
                    self._assign(part, one, local)
            case ast.Attribute(value=value, attr=name):
                owner = self.value(value, local)
                if not isinstance(owner, Made):
                    self._keeps(owner, name)
                owner.attributes[name] = held
            case ast.Subscript(value=value, slice=key):
                self.value(value, local)[self.value(key, local)] = held
            case _:
                raise Refusal(notimpl(f"an assignment to {ast.unparse(target)}"))

    def _keeps(self, owner: Any, name: str) -> None:
        parts = [key for key, one in owner.named_children() if callable(getattr(one, "forward", None))]
        advice = f"name a part that keeps nothing: FILE:{parts[0]}" if parts else None
        raise Refusal(never(f"the network keeps {name!r} from one call to the next", advice))

    def _decided(self, held: Any) -> bool:
        if isinstance(held, torch.Tensor):
            raise Refusal(notimpl("a branch that depends on data"))
        return bool(held)

    # -- expressions

    def value(self, one: ast.expr, local: dict[str, Any]) -> Any:
        """The value of an expression."""
        self.steps += 1
        match one:
            case ast.Constant(value=held):
                return held
            case ast.Name(id=name):
                return self._name(name, local)
            case ast.Attribute(value=value, attr=name):
                return self._attribute(one, value, name, local)
            case ast.Call():
                return self._call(one, local)
            case ast.Subscript(value=value, slice=key):
                return self._element(self.value(value, local), self.value(key, local))
            case ast.Tuple(elts=parts):
                return tuple(self.value(part, local) for part in parts)
            case ast.List(elts=parts):
                return [self.value(part, local) for part in parts]
            case ast.Dict(keys=keys, values=values):
                return {self.value(k, local): self.value(v, local) for k, v in zip(keys, values, strict=True) if k}
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.operator("neg", [self.value(operand, local)], {})
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self._decided(self.value(operand, local))
            case ast.IfExp(test=test, body=body, orelse=other):
                return self.value(body if self._decided(self.value(test, local)) else other, local)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _INFIX:
                return self.operator(_INFIX[type(op)], [self.value(left, local), self.value(right, local)], {})
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _INFIX:
                return self.operator(_INFIX[type(op)], [self.value(left, local), self.value(right, local)], {})
            case ast.BoolOp(op=op, values=values):
                found = (self._decided(self.value(part, local)) for part in values)
                return all(found) if isinstance(op, ast.And) else any(found)
        raise Refusal(notimpl(f"{type(one).__name__} in the code of a program"))

    def _name(self, name: str, local: dict[str, Any]) -> Any:
        if name in local:
            return local[name]
        if name in ("inf", "nan"):
            return float(name)
        raise Refusal(notimpl(f"the name {name!r} in the code of a program"))

    def _attribute(self, one: ast.Attribute, value: ast.expr, name: str, local: dict[str, Any]) -> Any:
        path = _dotted(one)
        if path and path[0] == "CONSTANTS":
            return self.program.constant(int(path[1].removeprefix("c")))
        if path and path[0] == "__torch__":
            return ".".join(path)
        return self.attribute(self.value(value, local), name)

    def attribute(self, held: Any, name: str) -> Any:
        """An attribute of an object of the program."""
        if isinstance(held, Made):
            if name not in held.attributes:
                raise Refusal(notimpl(f"the attribute {name!r}, which nothing has set"))
            return held.attributes[name]
        if isinstance(held, torch.nn.Module):
            return self.program.attribute(held, name)
        if isinstance(held, tuple) and name in getattr(held, "_fields", ()):
            return getattr(held, name)
        if isinstance(held, torch.Tensor) and name in PRIM:
            return PRIM[name](held)
        raise Refusal(notimpl(f"the attribute {name!r} of a {type(held).__name__}"))

    def _element(self, held: Any, key: Any) -> Any:
        if isinstance(held, torch.Tensor):
            return torch.ops.aten.select(held, 0, key)
        return held[key]

    # -- calls

    def _call(self, one: ast.Call, local: dict[str, Any]) -> Any:
        function = one.func
        if isinstance(function, ast.Name) and function.id not in local:
            return self._language(function.id, one, local)
        path = _dotted(function)
        args = [self.value(part, local) for part in one.args]
        kwargs = {part.arg: self.value(part.value, local) for part in one.keywords if part.arg}
        if path and path[0] == "torch" and "torch" not in local:
            if path == ["torch", "device"]:
                return torch.device("cpu")
            return self.operator(path[-1], args, kwargs)
        if path and path[0] == "ops":
            return self._op(path[1:], args, kwargs)
        if path and path[0] == "__torch__":
            return self._named(".".join(path), args, kwargs)
        if isinstance(function, ast.Attribute):
            return self._method(self.value(function.value, local), function.attr, args, kwargs)
        held = self.value(function, local)
        if isinstance(held, str):
            return self._named(held, args, kwargs)
        raise Refusal(notimpl(f"a call of {ast.unparse(function)}"))

    def _language(self, name: str, one: ast.Call, local: dict[str, Any]) -> Any:
        """The words of the language that look like functions."""
        if name in ("annotate", "unchecked_cast"):
            return self.value(one.args[1], local)
        if name == "uninitialized":
            return None
        if name == "getattr":
            return self.attribute(self.value(one.args[0], local), self.value(one.args[1], local))
        args = [self.value(part, local) for part in one.args]
        if name == "range":
            return range(*(int(part) if isinstance(part, bool) else part.__index__() for part in args))
        if name in ("int", "float", "bool", "str", "complex"):
            return self._converted(name, args[0])
        if name == "isinstance":
            raise Refusal(notimpl("a choice by the type of a value"))
        raise Refusal(notimpl(f"the function {name!r} in the code of a program"))

    def _converted(self, name: str, held: Any) -> Any:
        if isinstance(held, torch.Tensor):
            number = self.program.number(held)
            if number is None:
                raise Refusal(notimpl(f"{name}() of a tensor: a number that depends on data"))
            held = number
        if name == "int":
            return PLAIN["Int"](held)
        return {"float": float, "bool": bool, "str": str, "complex": complex}[name](held)

    def _op(self, path: list[str], args: list, kwargs: dict[str, Any]) -> Any:
        space, name = path[0], path[-1]
        if space == "prim" and name in PRIM:
            return PRIM[name](*args)
        if space == "aten":
            return self.operator(name, args, kwargs)
        raise Refusal(notimpl(f"the operator {space}::{name}"))

    def _named(self, name: str, args: list, kwargs: dict[str, Any]) -> Any:
        """A call of a function or of a class of the program, by its whole name."""
        if name in self.program.functions:
            return self.run(self.program.functions[name], None, tuple(args), kwargs)
        owner, _, last = name.rpartition(".")
        if last == "__new__":
            return Made(str(args[0]))
        if name in self.program.classes:
            return self._tuple(name, args, kwargs)
        if owner in self.program.classes:
            raise Refusal(notimpl(f"the method {last} of a class, without an object"))
        raise Refusal(notimpl(f"the function {name}, which the program does not hold"))

    def _tuple(self, name: str, args: list, kwargs: dict[str, Any]) -> Any:
        definition = self.program.classes[name]
        if not any(isinstance(b, ast.Name) and b.id == "NamedTuple" for b in definition.bases):
            made = Made(name)
            self._method(made, "__init__", args, kwargs)
            return made
        fields = [
            s.target.id for s in definition.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)
        ]
        return namedtuple(definition.name, fields)(*args, **kwargs)  # type: ignore[misc]

    def _method(self, owner: Any, name: str, args: list, kwargs: dict[str, Any]) -> Any:
        if isinstance(owner, torch.nn.Module):
            if name == "forward":
                return owner(*args, **kwargs)
            return self.run(self.program.method(owner.script_kind, name), owner, tuple(args), kwargs)
        if isinstance(owner, Made):
            if name == "__init__" and not self.program.has_method(owner.kind, name):
                return None
            return self.run(self.program.method(owner.kind, name), owner, tuple(args), kwargs)
        return self.operator(name, [owner, *args], kwargs)

    # -- operators

    def operator(self, name: str, args: list, kwargs: dict[str, Any]) -> Any:
        """What an operator gives: of tensors by PyTorch, of anything else by Python."""
        if name in ("__is__", "__isnot__"):
            return (args[0] is args[1]) == (name == "__is__")
        if name in ("warn", "is_scripting", "is_tracing", "_unwrap_optional", "manual_seed", "set_grad_enabled"):
            return args[0] if name == "_unwrap_optional" else True if name == "is_scripting" else None
        tensors = [one for one in args if isinstance(one, torch.Tensor)]
        nested = any(isinstance(one, list | tuple) and any(isinstance(i, torch.Tensor) for i in one) for one in args)
        if name in PLAIN and not tensors and (not nested or name in _CONTAINERS):
            return PLAIN[name](*args, **kwargs)
        if name in _CONTAINERS and args and isinstance(args[0], list | dict):
            return PLAIN[name](*args, **kwargs)
        if name in ASKED and args and isinstance(args[0], torch.Tensor):
            return ASKED[name](*args)
        if tensors and name in PLAIN and any(is_number(one) for one in args):
            numbers = [self.program.number(one) if isinstance(one, torch.Tensor) else one for one in args]
            if None not in numbers:  # a trace counts with tensors that are known
                return PLAIN[name](*numbers, **kwargs)
        if name == "item" or name in ("Int", "Float", "Bool", "IntImplicit", "FloatImplicit", "ScalarImplicit"):
            return self._converted({"Int": "int", "IntImplicit": "int", "Bool": "bool"}.get(name, "float"), args[0])
        return self._computed(name, args, kwargs)

    def _computed(self, name: str, args: list, kwargs: dict[str, Any]) -> Any:
        plain = name.rstrip("_")
        if name in FORBIDDEN or plain in FORBIDDEN or not hasattr(torch.ops.aten, name):
            raise Refusal(notimpl(f"the operator aten::{name}"))
        kwargs = {key: self._option(key, held) for key, held in kwargs.items()}
        args = [None if isinstance(one, torch.device) and name != "to" else one for one in args]
        if name == "to":
            return self._moved(args, kwargs)
        if name in _RECURRENT:
            return getattr(torch, name)(*args, **kwargs)
        if name in FUSED:
            return FUSED[name](*args, **kwargs)
        if name == "tensor":
            return torch.tensor(args[0], dtype=kwargs.get("dtype"))
        try:
            return getattr(torch.ops.aten, name)(*args, **kwargs)
        except RuntimeError as error:
            if "schema" in str(error) or "Overload" in str(error):
                raise Refusal(notimpl(f"the operator aten::{name} with such arguments")) from error
            raise

    def _option(self, key: str, held: Any) -> Any:
        if key == "device":
            return torch.device("cpu")
        if key in _CODED and isinstance(held, int) and not isinstance(held, bool):
            return DTYPES.get(held, held)
        return None if key in ("layout", "pin_memory", "memory_format", "generator") else held

    def _moved(self, args: list, kwargs: dict[str, Any]) -> Any:
        """A tensor in another dtype; devices are one here."""
        x, *rest = args
        if rest and isinstance(rest[0], torch.Tensor):
            return torch.ops.aten.to(x, rest[0].dtype)
        dtype = next((DTYPES[one] for one in rest if type(one) is int and one in DTYPES), kwargs.get("dtype"))
        return x if dtype is None else torch.ops.aten.to(x, dtype)


_CONTAINERS = frozenset(
    "append extend insert pop clear copy list reverse _set_item __getitem__ slice keys values items get len index "
    "count __contains__ add add_".split()
)
"""Functions of lists and dictionaries, whatever these hold."""

_INFIX = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.FloorDiv: "floordiv", ast.Mod: "remainder",
    ast.Pow: "pow", ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge",
    ast.Is: "__is__", ast.IsNot: "__isnot__", ast.In: "__contains__",
}  # fmt: skip


def _dotted(one: ast.expr) -> list[str] | None:
    """The parts of `a.b.c`, or None where it is something else."""
    parts: list[str] = []
    while isinstance(one, ast.Attribute):
        parts.append(one.attr)
        one = one.value
    if not isinstance(one, ast.Name) or one.id not in ("torch", "ops", "__torch__", "CONSTANTS"):
        return None
    return [one.id, *reversed(parts)]
