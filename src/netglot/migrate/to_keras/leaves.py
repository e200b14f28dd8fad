"""Weights that stand alone, gradients that code looks at (`w.grad`), and gradients that are asked for by hand."""

from __future__ import annotations

import ast
from typing import Any

from netglot.migrate.rewrite import Rewriter
from netglot.migrate.to_keras import orders
from netglot.migrate.to_keras.tapes import Tape, callees, gives, words

TAKEN = "torch.autograd.grad"
_SIGNS = {ast.Add: "assign_add", ast.Sub: "assign_sub"}
_OTHERS = {ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
GONE = "\0gone\0"


def kept(r: Rewriter) -> bool:
    """Whether some file of the project looks at `grad` of a weight: gradients are then kept there."""
    if "kept gradients" not in r.project.remembered:
        r.project.remembered["kept gradients"] = any(
            isinstance(node, ast.Attribute) and node.attr == "grad" and not _names_function(node)
            for file in r.project.files for node in ast.walk(file.tree)
        )  # fmt: skip
    return r.project.remembered["kept gradients"]


def _names_function(node: ast.Attribute) -> bool:
    """Whether `grad` is `torch.autograd.grad`."""
    return getattr(node.value, "attr", getattr(node.value, "id", "")) == "autograd"


def is_leaf(r: Rewriter, node: ast.AST) -> bool:
    """Whether an expression was a weight, one that stands alone or a module's."""
    if isinstance(node, ast.Attribute) and node.attr == "data":
        return "tensor" in r.fact(node.value).kinds or r.fact(node.value).extra.get("leaf", False)
    return bool(r.fact(node).extra.get("leaf")) or _of_state(r, node)


def _of_state(r: Rewriter, node: ast.AST) -> bool:
    """Whether a name goes over a state or buffers: `for a, b in zip(x.state_dict().values(), ...)`."""
    around = r.around(node, ast.For) if isinstance(node, ast.Name) else None
    while around is not None:
        named = {one.id for one in ast.walk(around.target) if isinstance(one, ast.Name)}
        if node.id in named:  # type: ignore[attr-defined]
            return any(
                isinstance(one, ast.Attribute) and one.attr in ("state_dict", "buffers")
                for one in ast.walk(around.iter)
            )
        around = r.around(around, ast.For)
    return False


def of_network(r: Rewriter, node: ast.AST) -> bool:
    """Whether a tensor is a buffer of a network, which Keras keeps as a variable."""
    node = held(node)
    return isinstance(node, ast.Attribute) and bool(r.fact(node).extra.get("buffer")) and node.attr in _registered(r)


def _registered(r: Rewriter) -> set[str]:
    """The names of the buffers that these files make, those that a state holds."""
    held = r.project.remembered
    if "buffers" not in held:
        held["buffers"] = {
            node.args[0].value for file in r.project.files for node in ast.walk(file.tree)
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "register_buffer" and len(node.args) > 1
            and isinstance(node.args[0], ast.Constant) and not _is_none(node.args[1])
            and not any(k.arg == "persistent" and getattr(k.value, "value", None) is False for k in node.keywords)
        }  # fmt: skip
    return held["buffers"]


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def held(node: ast.AST) -> ast.AST:
    """The weight in `w` or `w.data`."""
    return node.value if isinstance(node, ast.Attribute) and node.attr == "data" else node


# -- weights that stand alone


def made(r: Rewriter, node: ast.Call, text: str) -> str:
    """What a call makes, as a variable where it asks for gradients."""
    asked = next((k.value for k in node.keywords if k.arg == "requires_grad"), None)
    if asked is None or (isinstance(asked, ast.Constant) and not asked.value):
        return text
    trainable = "" if isinstance(asked, ast.Constant) else f", trainable={r.text(asked)}"
    return variable(r, text, trainable)


def variable(r: Rewriter, text: str, options: str = "") -> str:
    r.imports.add("tf")
    return f"tf.Variable({text}{options})"


def required(r: Rewriter, node: ast.Call, receiver: ast.AST) -> str:
    """`x.requires_grad_()` as a value: a variable, unless x is one, or only its gradient is asked for by hand."""
    text = r.text(receiver)
    if node.args and r.constant(node.args[0]) is False:
        return text
    fresh = r.fact(node).extra.get("leaf") and not r.fact(receiver).extra.get("leaf")
    place = r.parent(node)
    target = place.targets[0] if isinstance(place, ast.Assign) else receiver
    alone = (
        fresh and not watched(r, target) and (not kept(r) or stepped(r, target) or not isinstance(place, ast.Assign))
    )
    return variable(r, text) if alone else text


def begun(r: Rewriter, owner: ast.AST) -> str | None:
    """`x.requires_grad_()` and `x.requires_grad = True` as statements; None for what is no plain tensor."""
    if r.fact(owner).kinds != ["tensor"] or not isinstance(owner, (ast.Name, ast.Attribute)):
        return None
    if watched(r, owner) or (kept(r) and not stepped(r, owner)):
        return GONE
    return f"{r.text(owner)} = {variable(r, r.text(owner))}"


def stepped(r: Rewriter, node: ast.AST) -> bool:
    """Whether a tensor is changed where it stands, or given to an optimiser: then it must be a variable."""
    text = r.source(node)
    return any(text in _changes(r, one) for one in ast.walk(r.file.tree))


def _changes(r: Rewriter, node: ast.AST) -> set[str]:
    """The weights that a statement or a call changes where they stand, or gives to an optimiser."""
    match node:
        case ast.AugAssign(target=target):
            return {r.source(held(target))}
        case ast.Assign(targets=targets):
            return {r.source(one.value) for one in targets if isinstance(one, ast.Attribute) and one.attr == "data"}
        case ast.Call() if callees(r, node)[0].startswith("torch.optim."):
            return {r.source(one) for one in ast.walk(node) if isinstance(one, (ast.Name, ast.Attribute))}
        case ast.Call(func=ast.Attribute(value=owner, attr=name)) if name.endswith("_"):
            return set() if name in ("requires_grad_", "retain_grad_") else {r.source(held(owner))}
    return set()


def watches(r: Rewriter, backwards: list[ast.stmt]) -> tuple[str, ...]:
    """The tensors that a tape must watch, since they are no variables though their gradients are looked at."""
    names = [
        text for one in backwards for kind, text in r.fact(one.value).extra.get("leaves") or () if kind == "tensor"
    ]  # fmt: skip
    function = r.around(backwards[0], ast.FunctionDef) or r.file.tree
    begun_here = {
        r.source(one.func.value) for one in ast.walk(function)
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and one.func.attr == "requires_grad_"
    } | {
        r.source(two.value) for one in ast.walk(function) if isinstance(one, ast.Assign)
        for two in one.targets if isinstance(two, ast.Attribute) and two.attr == "requires_grad"
    }  # fmt: skip
    nodes = {r.source(one): one for one in ast.walk(function) if isinstance(one, (ast.Name, ast.Attribute))}
    return tuple(text for text in dict.fromkeys(names) if text in begun_here and not stepped(r, nodes[text]))


def watched(r: Rewriter, node: ast.AST) -> bool:
    """Whether a tensor's gradient is asked for by hand in the same function, so that a tape watches it."""
    function = r.around(node, ast.FunctionDef) or r.file.tree
    return any(
        TAKEN in callees(r, one) and r.source(node) in {r.source(two) for two in _listed(_inputs(one))}
        for one in ast.walk(function) if isinstance(one, ast.Call)
    )  # fmt: skip


def changed(r: Rewriter, node: ast.AugAssign) -> str | None:
    """`w -= x` as a change of the variable."""
    if not is_leaf(r, held(node.target)) and not of_network(r, node.target):
        return None
    if orders.turned(r, node.target) and not orders.alike(r, node.value):
        r.mark(node, "weight", "its axes are in another order in Keras")
        return None
    weight, value = r.text(held(node.target)), r.text(node.value)
    if type(node.op) in _SIGNS:
        return f"{weight}.{_SIGNS[type(node.op)]}({value})"
    sign = _OTHERS.get(type(node.op))
    return f"{weight}.assign({weight} {sign} {r.parenthesised(node.value, value)})" if sign else None


def assigned(r: Rewriter, node: ast.Assign) -> str | None:
    """`w.data = x`, `x.requires_grad = True`; None for other assignments."""
    target = node.targets[0]
    if len(node.targets) != 1 or not isinstance(target, ast.Attribute):
        return None
    if target.attr in _registered(r) and (made := _renewed(r, node, target)) is not None:
        return made
    if target.attr == "data" and (orders.turned(r, target) or orders.looked_up(r, target)):
        return r.target.spell("give_weight(", r) + f"{r.text(target.value.value)}, {r.text(node.value)})"  # type: ignore[attr-defined]
    if target.attr == "data" and "tensor" in r.fact(target.value).kinds:
        return f"{r.text(target.value)}.assign({r.text(node.value)})"
    if target.attr == "requires_grad" and r.constant(node.value) is True and not r.fact(target.value).extra.get("leaf"):
        return begun(r, target.value)
    return None


def _renewed(r: Rewriter, node: ast.Assign, target: ast.Attribute) -> str | None:
    """`self.mean = x`, where a network's buffer of this shape becomes x; None where it is not seen to be one."""
    function, text = r.around(node, ast.FunctionDef), r.source(target)
    if function is None or function.name == "__init__" or not r._state.get("module"):
        return None
    seen = [
        r.fact(one) for one in ast.walk(r.around(node, ast.ClassDef)) if isinstance(one, ast.Attribute)
        and isinstance(one.ctx, ast.Load) and r.source(one) == text
    ]  # fmt: skip
    shapes = [shape for one in [*seen, r.fact(node.value)] for shape in one.shapes]
    same = bool(seen) and bool(r.fact(node.value).shapes) and all(one == shapes[0] for one in shapes)
    return f"{r.text(target)}.assign({r.text(node.value)})" if same else None


def is_gradient(node: ast.AST) -> bool:
    """Whether an expression is `w.grad` or `w.grad.data`."""
    node = held(node)
    return isinstance(node, ast.Attribute) and node.attr == "grad"


def in_place(target: Any, r: Rewriter, call: ast.Call) -> str | None:
    """Methods one after the other that change a weight or its gradient: `w.mul_(0.9).add_(x)`; None for others."""
    base: ast.AST = call
    methods = []
    while isinstance(base, ast.Call) and isinstance(base.func, ast.Attribute) and base.func.attr.endswith("_"):
        methods.append(base)
        base = base.func.value
    gradient = is_gradient(base)
    weight = isinstance(base, (ast.Name, ast.Attribute)) and is_leaf(r, held(base))
    if not methods or not (gradient or weight):
        return None
    if orders.named(r, base):
        r.mark(call, "weight", "its axes are in another order in Keras")
        return None
    text, names = r.text(held(base)), [f"torch.Tensor.{one.func.attr[:-1]}" for one in methods]
    if not all(target.table.find(name) for name in names):
        return None
    outer = r._state.setdefault("replaced", {})
    outer[id(base)] = text
    for one, name in zip(reversed(methods), reversed(names), strict=True):
        receiver = one.func.value  # type: ignore[attr-defined]
        value = r.called(one, [name], receiver=receiver)
        outer[id(one)] = r.parenthesised(ast.BinOp(), value) if one is not call and value else value
    value = outer.pop(id(call))
    if value and orders.turned(r, base) and orders.matters(r, held(base)):
        return target.spell("give_weight(", r) + f"{r.text(held(base).value)}, {value})"  # type: ignore[attr-defined]
    if not value or any(mark.line == call.lineno for mark in r.marks):
        return None
    return f"{text} = {value}" if gradient else f"{text}.assign({value})"


def whole_change(r: Rewriter, node: ast.AugAssign) -> str | None:
    """`w.grad[:] *= x` as a new gradient; None for other changes."""
    target = node.target
    if not isinstance(target, ast.Subscript) or not is_gradient(target.value):
        return None
    whole = isinstance(target.slice, ast.Slice) and not (target.slice.lower or target.slice.upper or target.slice.step)
    sign = {ast.Add: "+", ast.Sub: "-"}.get(type(node.op)) or _OTHERS.get(type(node.op))
    if not whole or not sign:
        return None
    text = r.text(held(target.value))
    return f"{text} = {text} {sign} {r.parenthesised(node.value, r.text(node.value))}"


def gradient(r: Rewriter, node: ast.Attribute) -> str:
    """`w.grad` as a value; a weight that no loss has met has none."""
    parent = r.parent(node)
    text = r.parenthesised(node.value, r.text(node.value))
    asks = isinstance(parent, ast.Compare) and r.constant(parent.comparators[0]) is None
    asks = asks or (
        isinstance(parent, (ast.If, ast.IfExp, ast.While, ast.BoolOp, ast.UnaryOp)) and node in _tests(parent)
    )
    if not asks and orders.turned(r, node) and orders.matters(r, node):
        return r.target.spell("as_in_torch(", r) + f"{text}.grad)"
    return f'getattr({text}, "grad", None)' if asks else f"{text}.grad"


def _tests(parent: Any) -> list[Any]:
    return [getattr(parent, "test", None), *getattr(parent, "values", ()), getattr(parent, "operand", None)]


# -- `backward` where gradients stay with the weights


def listed(leaves: list[list[str]] | None, r: Rewriter) -> str | None:
    """The weights of a loss by the names under which the user knows them."""
    if not leaves:
        return None
    renamed = r.project.renamed
    parts = []
    for kind, text in leaves:
        text = ".".join(renamed.get(part, part) for part in text.split("."))
        ends = {"tensor": "{}", "module": "*{}.trainable_variables", "tensors": "*{}", "mapping": "*{}.values()"}
        parts.append(ends[kind].format(text))
    if len(parts) == 1 and parts[0].startswith("*"):
        return parts[0][1:]
    return f"[{', '.join(parts)}]"


def backward(r: Rewriter, statement: ast.stmt, loss: str) -> str | None:
    """`loss.backward()` as a call that adds to `grad` of each weight; None where these are not known."""
    call = statement.value  # type: ignore[attr-defined]
    given = next((k.value for k in call.keywords if k.arg == "gradient"), call.args[0] if call.args else None)
    known = {"gradient", "retain_graph", "create_graph"}
    weights = listed(r.fact(call).extra.get("leaves"), r)
    if weights is None or not {k.arg for k in call.keywords} <= known:
        return None
    more = f", {r.text(given)}" if given is not None else ""
    return r.target.spell("backward(", r) + f"tape, {loss}, {weights}{more})"


# -- gradients that are asked for by hand


def _listed(node: ast.AST | None) -> list[ast.AST]:
    return list(node.elts) if isinstance(node, (ast.List, ast.Tuple)) else [] if node is None else [node]


def _given(call: ast.Call, name: str, place: int) -> ast.expr | None:
    found = next((k.value for k in call.keywords if k.arg == name), None)
    return found if found is not None else call.args[place] if len(call.args) > place else None


def _inputs(call: ast.Call) -> ast.expr | None:
    return _given(call, "inputs", 1)


def planned(r: Rewriter, places: dict[int, list[ast.stmt]]) -> tuple[list[Tape], dict[int, str]]:
    """The tapes of all calls of `torch.autograd.grad` in a file, and the tape of each call."""
    tapes: list[Tape] = []
    names: dict[int, str] = {}
    for node in ast.walk(r.file.tree):
        if not isinstance(node, ast.Call) or TAKEN not in callees(r, node):
            continue
        outputs, inputs = _given(node, "outputs", 0), _inputs(node)
        statement = r.around(node, ast.stmt)
        body = places.get(id(statement))
        if body is None or not isinstance(outputs, ast.Name) or inputs is None:
            continue
        first = _begins(r, body, body.index(statement), outputs, inputs)
        if first is None:
            continue
        name = f"{outputs.id}_tape"
        last = body[body.index(statement) - 1]
        same = next((one for one in tapes if one.name == name and one.first is body[first]), None)
        watches = tuple(r.text(one) for one in _listed(inputs) if _is_plain(r, one))
        if same is not None:
            same.persistent = True
            same.watched += tuple(one for one in watches if one not in same.watched)
        else:
            tapes.append(Tape(body[first], last, name, watched=watches))
        names[id(node)] = name
    return tapes, names


def _is_plain(r: Rewriter, node: ast.AST) -> bool:
    """Whether an input is a tensor that a tape does not watch by itself."""
    return r.fact(node).kinds == ["tensor"] and (watched(r, node) or not r.fact(node).extra.get("leaf"))


def _begins(r: Rewriter, body: list[ast.stmt], end: int, outputs: ast.Name, inputs: ast.AST) -> int | None:
    """The first statement that computes outputs of inputs."""
    wanted, stop = {outputs.id}, words(inputs, ast.Load)
    found = None
    for place in range(end - 1, -1, -1):
        one = body[place]
        made = gives(one)
        if made & wanted:
            if made & stop:
                break
            if isinstance(one, (ast.FunctionDef, ast.ClassDef)):
                continue
            wanted |= words(one, ast.Load)
            if any(r.fact(two).extra.get("grown") for two in ast.walk(one)):
                found = place
        elif made & stop:
            break
    return found


def taken(r: Rewriter, node: ast.Call, names: dict[int, str], single: bool) -> str | None:
    """`torch.autograd.grad(outputs, inputs, grad_outputs)` asked of the tape; None where no tape watches.

    `single` says that of what it gives only the first is wanted.
    """
    name, outputs, inputs = names.get(id(node)), _given(node, "outputs", 0), _inputs(node)
    idle = {"outputs", "inputs", "grad_outputs", "retain_graph", "create_graph", "only_inputs", "allow_unused"}
    if name is None or outputs is None or inputs is None or not {k.arg for k in node.keywords} <= idle:
        return None
    weights = _given(node, "grad_outputs", 2)
    options = "" if weights is None or r.constant(weights) is None else f", output_gradients={r.text(weights)}"
    one = _listed(inputs)
    tensor = isinstance(inputs, (ast.List, ast.Tuple)) or r.fact(inputs).kinds == ["tensor"]
    if single and len(one) == 1 and tensor:
        return f"{name}.gradient({r.text(outputs)}, {r.text(one[0])}{options})"
    text = r.text(inputs)
    if r.fact(inputs).kinds == ["tensor"]:
        text = f"[{text}]"
    return f"{name}.gradient({r.text(outputs)}, {text}{options})"
