"""What expressions that never ran would have been, as far as the code that did run, and their own form, say it.

A name is what it was wherever it was seen in the same function; else what it was given. Where these differ nothing is
known. A *guess* goes by how a thing is used (`loss.backward()`, `model.fit(...)`); what rests on one is a doubt.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from netglot.migrate.agreeing import NOTHING, NUMBERS, joined, number_kind, promoted_dtype, resting_on
from netglot.migrate.instrument import number_of
from netglot.migrate.observe import Fact
from netglot.migrate.scopes import FUNCTIONS, default, definitions, own
from netglot.migrate.unseen import SEEN

_HINTS = {name: name for name in ("int", "float", "bool", "str", "list", "dict", "tuple")}
_BUILTIN = {
    "len": "int", "int": "int", "float": "float", "str": "str", "bool": "bool", "range": "range", "list": "list",
    "dict": "dict", "tuple": "tuple", "isinstance": "bool", "hasattr": "bool", "round": "float", "repr": "str",
    "ord": "int", "open": "other", "print": "none", "enumerate": "list", "zip": "list", "sorted": "list",
    "input": "str", "set": "other",
}  # fmt: skip


@dataclass(frozen=True)
class Words:
    """What a source's framework calls things, as far as it says what they give."""

    tensor: str
    """What stands before the name of a tensor's method: `torch.Tensor.`."""
    methods: dict[str, str]
    """The dtype that a method of a tensor gives: a dtype, or "same"; or a kind of Python's after a colon."""
    functions: dict[str, str]
    """The same of functions by their public names; "same" is that of the first argument."""
    makes: dict[str, str]
    """The kind of what is made by a class whose public name begins so."""
    objects: dict[str, str]
    """What stands before the name of a method, by the beginning of the kind of its object."""
    guesses: dict[str, str]
    """The kind of a thing that has such a method."""
    of_modules: frozenset[str]
    """The methods of networks and layers."""
    entry: str = "forward"
    strict: bool = False
    """Whether both sides of an operation have one dtype."""
    parameters: dict[str, str] = field(default_factory=dict)
    """The dtypes of parameters that have these names by convention."""
    attributes: dict[str, str] = field(default_factory=lambda: {"shape": "size", "ndim": "int"})


class Inference:
    """The facts of one file's expressions that never ran."""

    def __init__(self, r: Any, words: Words):
        self.r, self.words = r, words
        self._known: dict[int, Fact] = {}
        self._names: dict[tuple[int, str], Fact] = {}
        """Names by their function; while one is being looked up, what is known of it without its definitions."""
        self._scopes: dict[int, dict[str, list]] = {}
        self._texts: dict[str, list[Fact]] | None = None

    def fact(self, node: ast.AST) -> Fact:
        """What an expression would have been; an empty fact where nothing tells."""
        seen = self.r.file.facts.get(getattr(node, "number", -1))
        if seen is not None:
            return seen
        key = id(node)
        if key in self._known:
            return self._known[key]
        self._known[key] = NOTHING
        rule = getattr(self, f"_{type(node).__name__.lower()}", None)
        self._known[key] = made = rule(node) if rule else NOTHING
        return made

    # -- plain values

    def _constant(self, node: ast.Constant) -> Fact:
        kind = "none" if node.value is None else type(node.value).__name__
        return Fact(kinds=[kind]) if kind in {*_HINTS, "none"} else NOTHING

    def _joinedstr(self, node: ast.JoinedStr) -> Fact:
        return Fact(kinds=["str"])

    def _list(self, node: ast.AST) -> Fact:
        items = [kind for one in getattr(node, "elts", ()) for kind in self.fact(one).kinds]
        return Fact(kinds=["list"], items=list(dict.fromkeys(items)))

    def _listcomp(self, node: ast.ListComp) -> Fact:
        return Fact(kinds=["list"], items=list(self.fact(node.elt).kinds))

    def _tuple(self, node: ast.Tuple) -> Fact:
        return Fact(kinds=["tuple"], items=self._list(node).items)

    def _dict(self, node: ast.Dict) -> Fact:
        return Fact(kinds=["dict"])

    def _ifexp(self, node: ast.IfExp) -> Fact:
        return joined([self.fact(node.body), self.fact(node.orelse)])

    def _unaryop(self, node: ast.UnaryOp) -> Fact:
        return Fact(kinds=["bool"]) if isinstance(node.op, ast.Not) else self.fact(node.operand)

    def _boolop(self, node: ast.BoolOp) -> Fact:
        return joined([self.fact(one) for one in node.values])

    def _compare(self, node: ast.Compare) -> Fact:
        sides = [self.fact(one) for one in (node.left, *node.comparators)]
        if any(isinstance(op, (ast.Is, ast.IsNot, ast.In, ast.NotIn)) for op in node.ops):
            return Fact(kinds=["bool"])
        if any("tensor" in one.kinds for one in sides):
            return resting_on(Fact(kinds=["tensor"], dtypes=["bool"]), *sides)
        return Fact(kinds=["bool"]) if all(one.kinds for one in sides) else NOTHING

    def _binop(self, node: ast.BinOp) -> Fact:
        left, right = self.fact(node.left), self.fact(node.right)
        if left.kinds == ["str"]:
            return Fact(kinds=["str"])
        if "tensor" in left.kinds or "tensor" in right.kinds:
            dtypes = promoted_dtype(left, right, node.op, self.words.strict)
            return resting_on(Fact(kinds=["tensor"], dtypes=dtypes), left, right)
        if left.kinds and right.kinds and {*left.kinds, *right.kinds} <= NUMBERS:
            floating = isinstance(node.op, ast.Div) or "float" in (*left.kinds, *right.kinds)
            return Fact(kinds=["float" if floating else "int"])
        return left if left.kinds == right.kinds == ["list"] else NOTHING

    def _subscript(self, node: ast.Subscript) -> Fact:
        base = self.fact(node.value)
        if base.kinds == ["size"]:
            return Fact(kinds=["size" if isinstance(node.slice, ast.Slice) else "int"])
        if base.kinds == ["tensor"]:
            return resting_on(Fact(kinds=["tensor"], dtypes=base.dtypes), base)
        if base.kinds == ["str"]:
            return Fact(kinds=["str"])
        if base.kinds in (["list"], ["tuple"]) and len(base.items) == 1 and not isinstance(node.slice, ast.Slice):
            return Fact(kinds=list(base.items))
        return self._alike(node)

    # -- names and attributes

    def _name(self, node: ast.Name) -> Fact:
        place: Any = node
        while place is not None:
            place = self.r.around(place, *FUNCTIONS, ast.Module) if not isinstance(place, ast.Module) else None
            if place is None:
                return NOTHING
            given = self._scope(place).get(node.id)
            if given is not None:
                key = (id(place), node.id)
                if key not in self._names:
                    guess = self._by_use(node, place)
                    self._names[key] = self._seen(given) or guess
                    self._names[key] = self._bydefinitions(given, guess)
                return self._names[key]
        return NOTHING

    def _scope(self, place: Any) -> dict[str, list]:
        """The names of a function or file: what each is given, and where it was seen."""
        if id(place) not in self._scopes:
            found: dict[str, list] = {}
            for name, given in definitions(place):
                found.setdefault(name, []).append(given)
            for one in own(place):
                if isinstance(one, ast.Name) and one.id in found:
                    found[one.id].append(one)
            self._scopes[id(place)] = found
        return self._scopes[id(place)]

    def _observed(self, given: list) -> list[Fact]:
        facts = self.r.file.facts
        return [facts[one.number] for one in given if isinstance(one, ast.Name) and one.number in facts]

    def _seen(self, given: list) -> Fact | None:
        """What a name was where it was seen."""
        made = joined(self._observed(given))
        return made if made.kinds else None

    def _bydefinitions(self, given: list, guess: Fact) -> Fact:
        """What all that a name is given, and all that it was, agree on; else a guess."""
        facts = self._observed(given)
        seen = bool(facts)
        for one in given:
            if isinstance(one, ast.Name):
                continue
            made = self._given(one)
            if isinstance(one, tuple) and one[1] == "more" and "tensor" not in made.kinds:
                continue  # it stays what it was
            if made.kinds:
                facts.append(made)
            elif not (seen and (isinstance(one, ast.arg) or self.r.unseen.ran(one[2]))):
                return guess
        made = joined(facts)
        return made if made.kinds else guess

    def _given(self, one: Any) -> Fact:
        """What a definition gives a name."""
        if isinstance(one, ast.arg):
            return self._parameter(one)
        value, how, _ = one
        if how in ("value", "more"):
            return self.fact(value)
        if how == "counter":
            return Fact(kinds=["int"])
        if how == "defined":
            return Fact(kinds=["function"])
        if how == "each":
            made = self.fact(value)
            if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "range":
                return Fact(kinds=["int"])
            if made.kinds == ["tensor"]:
                return resting_on(Fact(kinds=["tensor"], dtypes=made.dtypes), made)
            return Fact(kinds=list(made.items)) if len(made.items) == 1 else NOTHING
        if how.startswith("part"):
            return self._part(value, int(how[4:]))
        return NOTHING

    def _part(self, value: ast.AST, number: int) -> Fact:
        """One of several names that are given at once."""
        if isinstance(value, (ast.Tuple, ast.List)):
            return self.fact(value.elts[number]) if number < len(value.elts) else NOTHING
        made = self.fact(value)
        if made.kinds == ["size"]:
            return Fact(kinds=["int"])
        if made.kinds == ["tuple"] and "pair" in made.extra:
            return made.extra["pair"][min(number, 1)]
        return NOTHING

    def _parameter(self, node: ast.arg) -> Fact:
        function = self.r.around(node, *FUNCTIONS)
        owner = self.r.parent(function) if function is not None else None
        first = function is not None and [*function.args.posonlyargs, *function.args.args][:1] == [node]
        if isinstance(owner, ast.ClassDef) and first and isinstance(function, ast.FunctionDef):
            known = self.r.file.classes.get(owner.name, {})
            return Fact(kinds=[f"module:user:{owner.name}"]) if known.get("kind") == "module" else NOTHING
        if node.arg in self.words.parameters:
            return Fact(kinds=["tensor"], dtypes=[self.words.parameters[node.arg]])
        hint = node.annotation
        if isinstance(hint, ast.Name) and hint.id in _HINTS:
            return Fact(kinds=[_HINTS[hint.id]])
        given = default(function, node) if function is not None else None
        if isinstance(given, ast.Constant) and given.value is not None:
            return self._constant(given)
        return NOTHING

    def _by_use(self, node: ast.Name, place: Any) -> Fact:
        """A guess by the methods that are called on a name in its function."""
        used = [
            one.func.attr for one in own(place)
            if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute)
            and isinstance(one.func.value, ast.Name) and one.func.value.id == node.id
        ]  # fmt: skip
        used += [
            f".{one.attr}" for one in own(place)
            if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name) and one.value.id == node.id
        ]  # fmt: skip
        told = any(
            isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id == node.id
            and any(k.arg == "training" for k in one.keywords) for one in own(place)
        )  # fmt: skip
        kinds = {self.words.guesses[one] for one in used if one in self.words.guesses}
        kinds |= {"module:user:?"} if told else set()
        inside = isinstance(place, ast.FunctionDef) and place.name == self.words.entry
        if not kinds and inside and any(a.arg == node.id for a in place.args.args[1:]):
            kinds = {"tensor"}
        return Fact(kinds=[kinds.pop()], extra={"guessed": True}) if len(kinds) == 1 else NOTHING

    def _attribute(self, node: ast.Attribute) -> Fact:
        if self.r.dotted(node) is not None:
            return NOTHING
        owner = self.fact(node.value)
        if owner.kinds == ["tensor"] and node.attr in self.words.attributes:
            return resting_on(Fact(kinds=[self.words.attributes[node.attr]], names=["tensor"]), owner)
        alike = self._alike(node)
        names = alike.names or list(owner.kinds)
        if not alike.kinds:
            alike = self._assigned(node)
        return Fact(**{**vars(alike), "names": names, "count": 0})

    def _assigned(self, node: ast.Attribute) -> Fact:
        """What a class gives its own attribute, where no line that reads it ran."""
        holder = self.r.around(node, ast.ClassDef)
        if holder is None or not (isinstance(node.value, ast.Name) and node.value.id == "self"):
            return NOTHING
        given = [
            one.value for one in ast.walk(holder) if isinstance(one, ast.Assign) for target in one.targets
            if isinstance(target, ast.Attribute) and target.attr == node.attr and self.r.source(target.value) == "self"
        ]  # fmt: skip
        facts = [self.fact(one) for one in given]
        return joined(facts) if facts and all(one.kinds for one in facts) else NOTHING

    def _alike(self, node: ast.AST) -> Fact:
        """What the same words were elsewhere in the same function or class, where they were one thing."""
        holder = self.r.around(node, ast.ClassDef) or self.r.around(node, *FUNCTIONS) or self.r.file.tree
        key = f"{id(holder)} {self.r.source(node)}"
        if self._texts is None:
            self._texts = {}
            for one in ast.walk(self.r.file.tree):
                if isinstance(one, (ast.Attribute, ast.Subscript)) and number_of(one) in self.r.file.facts:
                    around = self.r.around(one, ast.ClassDef) or self.r.around(one, *FUNCTIONS) or self.r.file.tree
                    seen = self.r.file.facts[number_of(one)]
                    self._texts.setdefault(f"{id(around)} {self.r.source(one)}", []).append(seen)
        found = self._texts.get(key, [])
        made = joined(found)
        owners = {name for one in found for name in one.names}
        return Fact(**{**vars(made), "names": sorted(owners)}) if len(owners) == 1 else made

    # -- calls

    def _call(self, node: ast.Call) -> Fact:
        function = node.func
        dotted = self.r.dotted(function)
        if dotted is not None:
            made = self._function(node, dotted)
            return Fact(**{**vars(made), "callees": [dotted]})
        called = self.fact(function)
        if len(called.kinds) == 1 and called.kinds[0].startswith("module:"):
            return self._module(node, called)
        if isinstance(function, ast.Attribute):
            owner = self.fact(function.value)
            if not owner.kinds and self.words.guesses.get(function.attr) == "tensor":
                dtypes = ["bool"] if isinstance(function.value, ast.Compare) else []
                owner = Fact(kinds=["tensor"], dtypes=dtypes, extra={"guessed": True})
            if owner.kinds:
                return self._method(node, owner, function.attr)
        if isinstance(function, ast.Name):
            return self._plain_call(node, function)
        return NOTHING

    def _function(self, node: ast.Call, dotted: str) -> Fact:
        for start, kind in self.words.makes.items():
            if dotted.startswith(start) and dotted.rpartition(".")[2][:1].isupper():
                return Fact(kinds=[kind.format(dotted)])
        arguments = [self.fact(one) for one in node.args]
        gives = self.words.functions.get(dotted)
        if gives is None:
            return NOTHING
        return self._gives(node, gives, arguments[0] if arguments else NOTHING, [])

    def _gives(self, node: ast.Call, gives: str, first: Fact, callees: list[str]) -> Fact:
        guessed = {"guessed": True} if first.extra.get("guessed") else {}
        if gives.startswith(":"):
            kind = gives[1:]
            if kind == "number":
                kind = number_kind(first.dtypes)
            if kind == "pair":
                pair = [Fact(kinds=["tensor"], dtypes=list(first.dtypes)), Fact(kinds=["tensor"], dtypes=["int64"])]
                return Fact(kinds=["tuple"], callees=callees, extra={**guessed, "pair": pair})
            return Fact(kinds=[kind] if kind else [], callees=callees, extra=guessed)
        if gives == "named":
            given = next((k.value for k in node.keywords if k.arg == "dtype"), node.args[-1] if node.args else None)
            text = self.r.source(given).strip("\"'").rpartition(".")[2] if given is not None else ""
            gives = text if text in _DTYPES else "unknown"
        elif gives == "whole":
            gives = "int64" if first.dtypes and not any("float" in one for one in first.dtypes) else "same"
        dtypes = list(first.dtypes) if gives == "same" else [] if gives == "unknown" else [gives]
        return Fact(kinds=["tensor"], dtypes=dtypes, callees=callees, extra=guessed)

    def _method(self, node: ast.Call, owner: Fact, name: str) -> Fact:
        if owner.kinds == ["tensor"]:
            callees = [self.words.tensor + name]
            gives = self.words.methods.get(name)
            if gives == ":pair?":
                gives = ":pair" if node.args or node.keywords else "same"
            if name == "size" and (node.args or node.keywords):
                gives = ":int"
            if gives is None:
                return Fact(callees=callees, extra={"guessed": True})
            return self._gives(node, gives, owner, callees)
        if len(owner.kinds) == 1:
            kind = owner.kinds[0]
            base = next((made for start, made in self.words.objects.items() if kind.startswith(start)), None)
            if base is None or (kind.startswith("module:") and name not in self.words.of_modules):
                return NOTHING
            if not self._defined(kind, name):
                guessed = {"guessed": True} if owner.extra.get("guessed") else {}
                stays = [kind] if name in ("to", "cuda", "cpu", "train", "eval") else []
                return Fact(kinds=stays, callees=[f"{base}{name}"], extra=guessed)
            return Fact(callees=[f"user:{kind.rpartition(':')[2]}.{name}"])
        return NOTHING

    def _defined(self, kind: str, name: str) -> bool:
        """Whether a class of the user has a method of this name itself."""
        classes = {one.name: one for file in self.r.project.files for one in ast.walk(file.tree)
                   if isinstance(one, ast.ClassDef)}  # fmt: skip
        holder = classes.get(kind.removeprefix("module:user:"))
        while holder is not None:
            if any(isinstance(one, ast.FunctionDef) and one.name == name for one in holder.body):
                return True
            names = [one.id for one in holder.bases if isinstance(one, ast.Name)]
            holder = next((classes[one] for one in names if one in classes), None)
        return False

    def _module(self, node: ast.Call, called: Fact) -> Fact:
        """A network or layer that is called; what it gives is what it gave where it was called."""
        text, holder = self.r.source(node.func), self.r.around(node, ast.ClassDef)
        seen = self.r.file.facts
        found = [
            seen[number_of(one)] for one in ast.walk(self.r.file.tree)
            if isinstance(one, ast.Call) and number_of(one) in seen and self.r.source(one.func) == text
            and self.r.around(one, ast.ClassDef) is holder
        ]  # fmt: skip
        made = joined(found)
        kinds = list(made.kinds) if found else ["tensor"]
        extra: dict[str, Any] = {"guessed": True} if called.extra.get("guessed") else {}
        extra["weights"] = not called.kinds[0].endswith("Loss")
        modes = self._modes(node, text)
        return Fact(callees=["call:" + called.kinds[0].removeprefix("module:")], kinds=kinds,
                    dtypes=list(made.dtypes), ranks=list(made.ranks), modes=modes, extra=extra)  # fmt: skip

    def _modes(self, node: ast.Call, text: str) -> list[bool]:
        """Whether a network trains where it is called, by the `train()` or `eval()` before it in the same function."""
        place = self.r.around(node, *FUNCTIONS) or self.r.file.tree
        before = [
            (one.lineno, one.func.attr == "train") for one in own(place)
            if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and one.func.attr in ("train", "eval")
            and not one.args and self.r.source(one.func.value) == text and one.lineno <= node.lineno
        ]  # fmt: skip
        return [train for _, train in sorted(before)[-1:]]

    def _plain_call(self, node: ast.Call, function: ast.Name) -> Fact:
        if function.id in _BUILTIN and function.id not in self.r.bound:
            return Fact(kinds=[_BUILTIN[function.id]], callees=[f"builtins.{function.id}"])
        known = next((f.classes[function.id] for f in self.r.project.files if function.id in f.classes), None)
        if known is not None and known.get("kind") == "module":
            return Fact(kinds=[f"module:user:{function.id}"])
        same = [
            self.r.file.facts[number_of(one)] for one in ast.walk(self.r.file.tree)
            if isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id == function.id
            and number_of(one) in self.r.file.facts
        ]  # fmt: skip
        made = joined(same)
        return Fact(kinds=list(made.kinds), dtypes=list(made.dtypes), ranks=list(made.ranks), items=list(made.items))


_DTYPES = {"float32", "float64", "float16", "bfloat16", "int32", "int64", "int8", "uint8", "int16", "bool"}


__all__ = ["NOTHING", "SEEN", "Inference", "Words", "joined"]
