"""What makes tensors in PyTorch, and what changes their dtype, as operations of Keras."""

from __future__ import annotations

import ast

from netglot.migrate.declare import MISSING, Bound, Table, Unbound
from netglot.migrate.to_keras.functions import shape_text
from netglot.migrate.to_keras.names import constant

table = Table()
declare, rule, mark = table.declare, table.rule, table.mark


def _both(name: str, rest: str, write: str, **options) -> None:
    """A function that is also a method of tensors."""
    declare(f"torch.{name}|torch.Tensor.{name}({rest}", write, **options)


# -- creation

for _torch, _write in {
    "zeros": "ops.zeros({shape}{dtype})", "ones": "ops.ones({shape}{dtype})", "empty": "ops.zeros({shape}{dtype})",
    "randn": "keras.random.normal({shape}{dtype})", "rand": "keras.random.uniform({shape}{dtype})",
}.items():  # fmt: skip

    def _creates(c: Bound, write: str = _write) -> str:
        if not c.given.get("size") and c.has("size"):
            raise Unbound("its shape is not known")
        dtype = f", dtype={c.text('dtype')}" if c.has("dtype") else ""
        if c.has("generator") and write.startswith("keras.random"):
            dtype += f", seed={c.text('generator')}"
        head, tail = write.split("{shape}")
        shape = (
            shape_text(c, "size")
            if isinstance(c.given.get("size"), list)
            else c.text("size")
            if c.has("size")
            else "()"
        )
        return c.filled(head) + shape + tail.replace("{dtype}", dtype)

    rule(f"torch.{_torch}(*size, dtype=None, generator=None)")(_creates)
    rule(f"torch.{_torch}(size, *, dtype=None, generator=None)")(_creates)

for _torch, _write in {
    "zeros_like": "ops.zeros_like({x}<, dtype={dtype}>)", "ones_like": "ops.ones_like({x}<, dtype={dtype}>)",
    "full_like": "ops.full_like({x}, {fill_value}<, dtype={dtype}>)",
    "randn_like": "keras.random.normal(ops.shape({x})<, dtype={dtype}>)",
    "rand_like": "keras.random.uniform(ops.shape({x})<, dtype={dtype}>)",
    "empty_like": "ops.zeros_like({x}<, dtype={dtype}>)",
}.items():  # fmt: skip
    _fill = ", fill_value" if "full" in _torch else ""
    declare(f"torch.{_torch}(x{_fill}, dtype=None)", _write)


@rule("torch.full(size, fill_value, dtype=None)")
def _full(c: Bound) -> str:
    """PyTorch takes the dtype of the value, Keras its own default."""
    dtypes = c.rewriter.fact(c.node).dtypes
    own = f', dtype="{dtypes[0]}"' if not c.has("dtype") and len(dtypes) == 1 and dtypes != ["float32"] else ""
    if not c.has("dtype") and not dtypes and isinstance(c.literal("fill_value"), int):
        own = f', dtype="{"bool" if isinstance(c.literal("fill_value"), bool) else "int64"}"'
    return c.filled("ops.full({size}, {fill_value}<, dtype={dtype}>" + own + ")")


declare("torch.eye(n, m=None, dtype=None)", "ops.eye({n}<, {m}><, dtype={dtype}>)")
declare("torch.linspace(start, end, steps, dtype=None)", "ops.linspace({start}, {end}, {steps}<, dtype={dtype}>)")
declare("torch.logspace(start, end, steps, dtype=None)", "ops.logspace({start}, {end}, {steps}<, dtype={dtype}>)")


@rule("torch.arange(end, *, dtype=None)")
@rule("torch.arange(start, end, step=1, dtype=None)")
def _arange(c: Bound) -> str:
    """Whole numbers of Python have 64 bits in PyTorch."""
    own = ', dtype="int64"' if not c.has("dtype") and c.rewriter.fact(c.node).dtypes == ["int64"] else ""
    start = "{start}, {end}<, {step}>" if c.has("start") else "{end}"
    return c.filled(f"ops.arange({start}<, dtype={{dtype}}>{own})")


declare(
    "torch.randint(low, high, size, dtype=None, generator=None)",
    'keras.random.randint({size}, {low}, {high}, dtype="int64"<, seed={generator}>)',
)
declare(
    "torch.randint(high, size, *, dtype=None, generator=None)",
    'keras.random.randint({size}, 0, {high}, dtype="int64"<, seed={generator}>)',
)
declare("torch.randperm(n, generator=None)", "keras.random.shuffle(ops.arange({n})<, seed={generator}>)")


@rule("torch.tensor|torch.as_tensor(data, dtype=None)")
def _tensor(c: Bound) -> str:
    """Whole numbers of Python have 64 bits in PyTorch."""
    plain = {*c.rewriter.fact(c.given["data"]).kinds} <= {"int", "list", "tuple"}
    if not c.has("dtype") and plain and c.rewriter.fact(c.node).dtypes == ["int64"]:
        return c.filled('ops.convert_to_tensor({data}, dtype="int64")')
    return c.filled("ops.convert_to_tensor({data}<, dtype={dtype}>)")


declare("torch.autograd.Variable(data, requires_grad=False, volatile=False)", "{data}", infers="requires_grad volatile")


@rule("torch.Tensor.fill_diagonal(x, fill_value)")
def _diagonal(c: Bound) -> str:
    value = str(bool(c.literal("fill_value"))) if c.fact("x").dtypes == ["bool"] else "{fill_value}"
    return c.filled('ops.where(ops.eye({x:p}.shape[0], dtype="bool"), ' + f"{value}, {{x}})")


_both("fill", "x, value)", "ops.full_like({x}, {value})")
declare("torch.Tensor.zero(x)", "ops.zeros_like({x})")
declare(
    "torch.Tensor.uniform_(x, low=0.0, high=1.0)",
    "keras.random.uniform(ops.shape({x}), {low}, {high}, dtype={x:p}.dtype)",
)
declare(
    "torch.Tensor.normal_(x, mean=0.0, std=1.0)",
    "keras.random.normal(ops.shape({x}), {mean}, {std}, dtype={x:p}.dtype)",
)
declare("torch.Tensor.bernoulli_(x, p=0.5)", "keras.random.binomial(ops.shape({x}), 1, {p}, dtype={x:p}.dtype)")


@rule("torch.Tensor.copy_(x, src, non_blocking=False)", infers="non_blocking")
def _copied(c: Bound) -> str:
    mine, his = c.fact("x"), c.fact("src")
    text = "{src}" if mine.dtypes == his.dtypes else "ops.cast({src}, {x:p}.dtype)"
    same = mine.shapes == his.shapes and (len(mine.shapes) == 1 or mine.extra.get("leaf"))  # a variable looks itself
    return c.filled(text if same else f"ops.broadcast_to({text}, ops.shape({{x}}))")


declare("torch.Tensor.new_zeros(x, *size)", "ops.zeros({size:s}, dtype={x:p}.dtype)")
declare("torch.Tensor.new_ones(x, *size)", "ops.ones({size:s}, dtype={x:p}.dtype)")
declare("torch.Tensor.new_tensor(x, data)", "ops.convert_to_tensor({data}, dtype={x:p}.dtype)")
declare("torch.Tensor.new_full(x, size, fill_value)", "ops.full({size}, {fill_value}, dtype={x:p}.dtype)")
declare(
    "torch.multinomial|torch.Tensor.multinomial(x, num_samples, replacement=False)",
    "multinomial({x}, {num_samples}<, replacement={replacement}>)",
)
declare("torch.from_numpy(data)", "ops.convert_to_tensor({data})")
for _name, _dtype in {"FloatTensor": "float32", "Tensor": "float32", "LongTensor": "int64", "cuda.FloatTensor": "float32",
                      "cuda.LongTensor": "int64", "DoubleTensor": "float64", "IntTensor": "int32",
                      "BoolTensor": "bool"}.items():  # fmt: skip

    def _old_tensor(c: Bound, dtype: str = _dtype) -> str | None:
        given = c.given.get("data", [])
        if len(given) == 1 and c.rewriter.fact(given[0]).kinds and "int" not in c.rewriter.fact(given[0]).kinds:
            return c.filled("ops.convert_to_tensor(") + c.rewriter.text(given[0]) + f', dtype="{dtype}")'
        kinds = [c.rewriter.fact(one).kinds for one in given]
        if kinds and all(one in (["int"], []) for one in kinds) and (len(given) > 1 or kinds[0]):
            return c.filled("ops.zeros((") + c.rewriter.arguments(c.node) + f',), dtype="{dtype}")'
        if len(given) == 1 and isinstance(given[0], (ast.List, ast.ListComp)):
            return c.filled("ops.convert_to_tensor(") + c.rewriter.text(given[0]) + f', dtype="{dtype}")'
        return None

    rule(f"torch.{_name}(*data)")(_old_tensor)
    declare(
        f"torch.{_name}(*data)",
        {"float32": "float_tensor({data})", "int64": "long_tensor({data})"}.get(_dtype, "float_tensor({data})"),
        when={} if _dtype in ("float32", "int64") else {"data": "none of this kind"},
    )
declare(
    "torch.normal(mean, std, size, generator=None)", "keras.random.normal({size}, {mean}, {std}<, seed={generator}>)"
)
declare("torch.bernoulli|torch.Tensor.bernoulli(x)", "keras.random.binomial(ops.shape({x}), 1, {x})")
declare("torch.is_tensor(x)", "keras.ops.is_tensor({x})")
declare("torch.manual_seed|torch.random.manual_seed(seed)", "keras.utils.set_random_seed({seed})")
for _name in ("Categorical", "Bernoulli"):
    declare(
        f"torch.distributions.{_name}(probs=None, logits=None, validate_args=None)",
        f"{_name}(<{{probs}}><, logits={{logits}}>)",
        infers="validate_args",
    )
declare("torch.distributions.Normal(loc, scale, validate_args=None)", "Normal({loc}, {scale})", infers="validate_args")
declare("torch.finfo(dtype)", "np.finfo({dtype})")

# -- dtypes

for _method, _dtype in {
    "float": "float32", "double": "float64", "half": "float16", "bfloat16": "bfloat16", "long": "int64", "int": "int32",
    "bool": "bool", "short": "int16", "byte": "uint8",
}.items():  # fmt: skip
    declare(f"torch.Tensor.{_method}(x)", f'ops.cast({{x}}, "{_dtype}")')
declare("torch.Tensor.type_as(x, other)", "ops.cast({x}, {other:p}.dtype)")


_TENSORS = {
    f"torch.{place}{kind}Tensor": dtype
    for place in ("", "cuda.")
    for kind, dtype in {
        "": "float32", "Float": "float32", "Double": "float64", "Half": "float16", "Long": "int64", "Int": "int32",
        "Short": "int16", "Byte": "uint8", "Bool": "bool",
    }.items()
}  # fmt: skip
"""The classes of tensors, as they were named before dtypes were."""


@rule("torch.Tensor.to|torch.Tensor.type(x, target=None, dtype=None, copy=False)")
def _to(c: Bound) -> str | None:
    if c.has("dtype"):
        return c.filled("ops.cast({x}, {dtype})")
    fact = c.fact("target")
    if fact is None:
        return c.filled("{x}")
    kinds = set(fact.kinds)
    literal = c.literal("target")
    if not kinds and literal is MISSING:  # it never ran
        dotted = c.rewriter.dotted(c.given["target"]) or ""
        if constant(dotted) is not None or c.rewriter.source(c.given["target"]).endswith("dtype"):
            return c.filled("ops.cast({x}, {target})")
        if "device" not in c.rewriter.source(c.given["target"]):
            raise Unbound("it is not known whether this is a device or a dtype")
    if kinds == {"class"} and len(named := {_TENSORS.get(one) for one in fact.values}) == 1 and None not in named:
        return c.filled('ops.cast({x}, "' + named.pop() + '")')
    if kinds & {"name"}:
        return c.filled("ops.cast({x}, {target})")
    if "tensor" in kinds:
        return c.filled("ops.cast({x}, {target:p}.dtype)")
    if kinds <= {"device", "str", "int"} or isinstance(literal, str):
        return c.filled("{x}")
    return None


@rule("torch.Tensor.item(x)")
def _item(c: Bound) -> str:
    fact = c.rewriter.fact(c.given["x"])
    whole = fact.dtypes and all("int" in one for one in fact.dtypes)
    return c.filled(("int" if whole else "float") + ("(ops.squeeze({x}))" if any(fact.ranks) else "({x})"))


declare("torch.Tensor.numpy(x)", "ops.convert_to_numpy({x})")
declare("torch.Tensor.tolist(x)", "ops.convert_to_numpy({x}).tolist()")
