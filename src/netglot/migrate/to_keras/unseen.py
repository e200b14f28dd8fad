"""PyTorch's words for code that never ran, and what of it cannot be said in Keras without having seen it."""

from __future__ import annotations

import ast
import re
from typing import Any

from netglot.migrate.inference import NUMBERS, Words

_SAME = (
    "abs add addmm amax amin bmm ceil chunk clamp clip clone contiguous cos cpu cuda cumsum detach diagonal div divide "
    "dropout erf exp expand expand_as fill_ flatten flip floor gather index_select log log2 log_softmax logsumexp "
    "masked_fill masked_select matmul mm mul multiply narrow neg norm permute pow prod reciprocal relu repeat "
    "repeat_interleave requires_grad_ reshape roll round rsqrt scatter select sigmoid sign sin softmax split sqrt square "
    "squeeze std sub t tanh tile transpose tril triu unflatten unsqueeze var view view_as where zero_ mean sort topk "
    "add_ mul_ sub_ div_ clamp_ relu_ masked_fill_ bernoulli minimum maximum unbind swapaxes movedim"
)
METHODS = {
    **dict.fromkeys(_SAME.split(), "same"),
    **dict.fromkeys("eq ne lt le gt ge isnan isinf isfinite any all bool logical_not logical_and logical_or".split(), "bool"),
    **dict.fromkeys("argmax argmin argsort long multinomial nonzero".split(), "int64"),
    "float": "float32", "double": "float64", "half": "float16", "int": "int32", "sum": "whole", "max": ":pair?",
    "min": ":pair?", "item": ":number", "numpy": ":array", "tolist": ":list", "size": ":size", "dim": ":int",
    "numel": ":int", "backward": ":none", "to": "unknown", "type": "unknown", "type_as": "unknown",
}  # fmt: skip
"""What the methods of a tensor give: a dtype, that of the tensor, or something of Python's."""

OF_TENSORS = set(METHODS) - {"float", "split", "round", "index_select", "type", "where", "repeat", "std", "numpy"}
OF_MODULES = set(
    "parameters named_parameters state_dict load_state_dict train eval modules named_modules children named_children "
    "register_buffer register_parameter register_forward_hook add_module zero_grad step forward requires_grad_ half".split()
)

_F = "torch.nn.functional."
_LOSSES = (
    "cross_entropy nll_loss mse_loss l1_loss smooth_l1_loss huber_loss binary_cross_entropy kl_div "
    "binary_cross_entropy_with_logits triplet_margin_loss"
)
_ACTIVE = (
    "relu leaky_relu gelu silu elu softmax log_softmax sigmoid tanh dropout max_pool2d avg_pool2d adaptive_avg_pool2d "
    "interpolate pad normalize linear conv1d conv2d softplus layer_norm"
)
WORDS = Words(
    tensor="torch.Tensor.",
    methods=METHODS,
    functions={
        **{f"torch.{name}": gives for name, gives in METHODS.items() if not gives.startswith(":")},
        **{f"{_F}{name}": "float32" for name in _LOSSES.split()},
        **{f"{_F}{name}": "same" for name in _ACTIVE.split()},
        **dict.fromkeys(("torch.randn", "torch.rand"), "float32"), "torch.cat": "unknown", "torch.stack": "unknown",
        "torch.zeros": "unknown", "torch.ones": "unknown", "torch.tensor": "unknown", "torch.arange": "unknown",
        "torch.from_numpy": "unknown", "torch.max": ":pair?", "torch.einsum": "unknown", "torch.device": ":device",
        "torch.zeros_like": "same", "torch.ones_like": "same", "torch.randn_like": "same", "torch.rand_like": "same",
        "torch.full": "unknown", "torch.randint": "int64", "torch.where": "unknown", "torch.load": "",
        "torch.cuda.is_available": ":bool",
    },
    makes={
        "torch.nn.": "module:{}", "torch.optim.lr_scheduler.": "scheduler", "torch.optim.": "optimizer",
        "torch.utils.data.DataLoader": "loader",
    },
    objects={
        "module:torch.nn.Sequential": "torch.nn.Sequential.", "module:torch.nn.ModuleList": "torch.nn.ModuleList.",
        "module:torch.nn.ModuleDict": "torch.nn.ModuleDict.", "module:": "torch.nn.Module.",
        "optimizer": "torch.optim.Optimizer.", "scheduler": "torch.optim.lr_scheduler.LRScheduler.",
    },
    of_modules=frozenset(OF_MODULES | {"to", "cuda", "cpu", "apply", "append", "float", "double", "add_module", "type"}),
    guesses={
        **dict.fromkeys(
            "view permute unsqueeze squeeze argmax item detach backward float long size softmax chunk contiguous "
            "log_softmax masked_fill matmul bmm expand pow exp log rsqrt sin cos unbind narrow logsumexp add_ mul_ sub_ div_ zero_ fill_ clamp relu sigmoid tanh eq ne "
            "numel dim item argsort topk median type_as norm square sqrt abs".split(), "tensor"),
        **dict.fromkeys("parameters named_parameters eval modules children named_modules train state_dict load_state_dict".split(), "module:user:?"),
        "zero_grad": "optimizer",
    },
    attributes={"shape": "size", "ndim": "int", "T": "tensor", "mT": "tensor", "data": "tensor"},
)  # fmt: skip

ATTRIBUTES = {"T", "mT", "H", "data", "grad", "is_cuda", "device", "requires_grad", "is_leaf", "grad_fn"}
PROMOTES = {
    f"torch.{name}"
    for name in "add sub mul div pow maximum minimum where lerp multiply divide subtract true_divide".split()
}
"""Functions of two tensors whose dtypes PyTorch makes one, and TensorFlow does not."""

PLAIN = re.compile(
    r"(^|_)(n|i|j|k|m|b|c|d|h|w|num|epochs?|steps?|iters?|lr|rate|size|sizes|width|height|dims?|depth|counts?|total|seconds?|"
    r"minutes?|hours?|time|start|end|elapsed|idx|index|factor|gamma|decay|divisor|channels?|planes|features|stride|kernel|"
    r"padding|groups|ratio|min|max|value|args?|config|cfg|opts?|name|path|line|text|words?|len|length|batch_idx|acc|best|"
    r"patience|warmup|momentum|eps|power|base|level|layers?|heads?|hidden_size|seed|version|year|key)(_|$|s$)"
)
"""Names that people give to plain numbers and text."""


_TENSORS = re.compile(
    r"(x|y|z|h|a|out|outputs?|inputs?|inp|logits?|preds?|predictions?|targets?|labels?|imgs?|images?|feats?|mask|embs?|"
    r"embeddings?|q|v|attn|scores?|probs?|loss|y_true|y_pred|tensor|batch|data)\d*"
)
"""Names that people give to tensors."""


def doubtful(r: Any, node: ast.AST) -> bool:
    """Whether an expression that never ran may mean something else in Keras than what is written for it."""
    rule = _RULES.get(type(node))
    return bool(rule and not _hint(r, node) and rule(r, node))


def doubtful_statement(r: Any, node: ast.stmt) -> bool:
    """Whether a statement changes what may be a tensor."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign) else []
    for one in targets:
        if isinstance(one, ast.Subscript) and not _known(r, one.value):
            places = isinstance(one.slice, (ast.Tuple, ast.Slice, ast.Compare))
            if places or "tensor" in r.fact(one.slice).kinds:
                return True
        if isinstance(one, ast.Attribute) and one.attr in ("requires_grad", "data", "grad"):
            return True
    if isinstance(node, ast.AugAssign) and not isinstance(node.target, ast.Subscript):
        return not (_number(r, node.target) and _number(r, node.value)) and not _typed(r, node.target, node.value)
    return False


def _hint(r: Any, node: ast.AST) -> bool:
    """Whether an expression is part of a hint or a decorator."""
    child, parent = node, r.parent(node)
    while parent is not None and not isinstance(child, ast.stmt):
        if isinstance(parent, ast.arg) or (isinstance(parent, ast.AnnAssign) and parent.annotation is child):
            return True
        child, parent = parent, r.parent(parent)
    return False


def _known(r: Any, node: ast.AST) -> bool:
    fact = r.fact(node)
    return bool(fact.kinds) and not fact.extra.get("guessed")


def _call(r: Any, node: ast.Call) -> bool:
    function = node.func
    dotted = r.dotted(function)
    if dotted is not None:
        return dotted in PROMOTES and not _typed(r, *node.args)
    if r.fact(node).extra.get("guessed"):
        return True
    if isinstance(function, ast.Attribute):
        owner = function.value
        if isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "super":
            return False
        kinds = r.fact(owner).kinds
        if kinds == ["tensor"]:
            return function.attr not in METHODS
        if not kinds:
            return function.attr in OF_TENSORS or function.attr in OF_MODULES
    return _calls_network(r, node)


def _calls_network(r: Any, node: ast.Call) -> bool:
    """Whether a network may be called from outside of networks, where it must be told whether it trains."""
    fact = r.fact(node.func)
    modules = any(kind.startswith("module:user") for kind in fact.kinds)
    if r._state.get("module"):
        return False
    if modules:
        return not r.fact(node).modes
    if fact.kinds or not isinstance(node.func, ast.Name) or not node.args:
        return False
    known = node.func.id in r.file.classes or node.func.id in _made(r)
    return not known and node.func.id not in dir(__import__("builtins"))


def _made(r: Any) -> set[str]:
    """The functions and classes of a file, and what it imports."""
    if "made" not in r._state:
        defined = {one.name for one in ast.walk(r.file.tree) if isinstance(one, (ast.FunctionDef, ast.ClassDef))}
        imported = {
            (a.asname or a.name).partition(".")[0] for one in ast.walk(r.file.tree)
            if isinstance(one, (ast.Import, ast.ImportFrom)) for a in one.names
        }  # fmt: skip
        r._state["made"] = defined | imported
    return r._state["made"]


def _typed(r: Any, *nodes: ast.AST) -> bool:
    """Whether each is a number of Python, or a tensor whose dtype is known."""
    return all(_number(r, one) or (_known(r, one) and len(r.fact(one).dtypes) == 1) for one in nodes)


def _number(r: Any, node: ast.AST) -> bool:
    """Whether an expression is surely no tensor, or looks like a plain number."""
    kinds = r.inferred.fact(node).kinds
    if kinds:
        return "tensor" not in kinds
    if isinstance(node, ast.Name):
        return bool(PLAIN.search(node.id.lower())) or node.id in _made(r)
    if isinstance(node, ast.Attribute):
        return r.dotted(node) is not None or bool(PLAIN.search(node.attr.lower()))
    if isinstance(node, ast.BinOp):
        return _number(r, node.left) and _number(r, node.right)
    if isinstance(node, ast.UnaryOp):
        return _number(r, node.operand)
    if isinstance(node, ast.IfExp):
        return _number(r, node.body) and _number(r, node.orelse)
    if isinstance(node, ast.Subscript):
        return _number(r, node.value) or isinstance(r.constant(node.slice), str)
    if isinstance(node, ast.Call):
        dotted = r.dotted(node.func)
        if dotted is not None:
            return not dotted.startswith(r.target.prefixes)
        if isinstance(node.func, ast.Attribute):
            return node.func.attr not in OF_TENSORS or _number(r, node.func.value)
        return isinstance(node.func, ast.Name) and node.func.id in _made(r)
    return isinstance(node, (ast.Constant, ast.JoinedStr, ast.List, ast.ListComp, ast.Dict))


def _binary(r: Any, node: ast.BinOp) -> bool:
    if r.inferred.fact(node.left).kinds == ["str"]:
        return False
    if _number(r, node.left) and _number(r, node.right):
        return False
    return not _typed(r, node.left, node.right)


def _compare(r: Any, node: ast.Compare) -> bool:
    """A tensor of what is true or false equals no number in TensorFlow."""
    if not isinstance(node.ops[0], (ast.Eq, ast.NotEq)) or r.constant(node.comparators[0]) not in (0, 1):
        return False
    return not _number(r, node.left) and not _typed(r, node.left)


def _subscript(r: Any, node: ast.Subscript) -> bool:
    if not isinstance(node.ctx, ast.Load):
        return False
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if "tensor" in r.fact(node.value).kinds:
        open_ = [one for one in parts if not isinstance(one, (ast.Slice, ast.Constant, ast.UnaryOp))]
        return any(not _known(r, one) and not _number(r, one) for one in open_)
    if r.fact(node.value).kinds or _number(r, node.value):
        return False
    if isinstance(node.value, ast.Name) and _TENSORS.fullmatch(node.value.id):
        return any(not isinstance(one, (ast.Slice, ast.Constant)) and not _known(r, one) for one in parts)
    unknown = [one for one in parts if not isinstance(one, (ast.Slice, ast.Constant)) and not _number(r, one)]
    return bool(unknown) and isinstance(node.value, ast.Name)


def _attribute(r: Any, node: ast.Attribute) -> bool:
    if node.attr not in ATTRIBUTES or r.dotted(node) is not None:
        return False
    kinds = r.fact(node.value).kinds
    if node.attr in ("grad", "requires_grad") or "tensor" in kinds:
        return node.attr not in ("T", "mT", "data") or not _known(r, node.value)
    plain = isinstance(node.value, ast.Name) and node.value.id in ("self", "args", "config", "cfg", "opt")
    return not kinds and not plain and not (node.attr in ("data", "device") and _number(r, node.value))


_RULES = {
    ast.Call: _call, ast.BinOp: _binary, ast.Compare: _compare, ast.Subscript: _subscript, ast.Attribute: _attribute,
}  # fmt: skip
__all__ = ["NUMBERS", "WORDS", "doubtful", "doubtful_statement"]
