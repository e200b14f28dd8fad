"""Which classes of the user are the networks, and what they are called with."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from typing import Any

from netglot.errors import RequestError, UserCodeError
from netglot.verify.process import Worker

BATCH = 2
CONTAINERS = ("Sequential", "Functional", "Model")
"""Classes of the framework that the user fills: networks of them are told apart by how they are made."""


@dataclass
class Network:
    """One network: an expression in a module, and the inputs of a call."""

    module: str
    class_name: str
    expression: str
    inputs: list[dict[str, Any]] = field(default_factory=list)
    parameters: int = 0
    assumed: str = ""
    """What was assumed about the inputs, where nothing said it."""
    setup: str = ""


def raised(error: dict[str, Any], doing: str) -> UserCodeError:
    """The user's own error, from what a worker told of it."""
    place = f" at {error['place']}" if error["place"] else ""
    first = error["message"].partition("\n")[0]
    return UserCodeError(
        f"{error['kind']}{place} while {doing}" + (f": {first}" if first else ""), trace=error["trace"]
    )


def given(worker: Worker, text: str, modules: dict[str, str]) -> Network:
    """The network that `--network file.py:Class(args)` names.

    Raises:
        RequestError: it names none.
    """
    where, _, expression = text.partition(":")
    module = next((m for path, m in modules.items() if path == where or path.endswith("/" + where)), None)
    if module is None or not expression:
        raise RequestError(f"--network {text} names no network of these files", advice="write file.py:Class(arguments)")
    if not expression.rstrip().endswith(")"):
        expression += "()"
    found = worker.request("attempt", module=module, expression=expression)
    if "error" in found:
        raise raised(found["error"], f"making {expression}")
    if not found["network"]:
        raise RequestError(f"{expression} is no network")
    return Network(module, found["class"], expression, parameters=found["parameters"])


def candidates(worker: Worker, module: str, notes: list[str]) -> tuple[list[Network], dict[str, list[str]]]:
    """The networks that a module can make without being told anything; and the arguments that others lack."""
    found = worker.request("candidates", module=module)
    lacking: dict[str, list[str]] = {}
    made: list[Network] = []
    expressions = [f"{name}()" for name, required in found["functions"] if not required and not _runs(name)]
    classes = [(n, req, inner) for n, req, inner in found["classes"]]
    outer = [(n, req) for n, req, inner in classes if not inner] or [(n, req) for n, req, _ in classes[-1:]]
    for name, required in reversed(outer):
        if required:
            lacking[name] = required
        else:
            expressions.append(f"{name}()")
    for expression in [*found["instances"], *expressions]:
        one = worker.request("attempt", module=module, expression=expression)
        if "error" in one:
            if expression.removesuffix("()") in {n for n, _ in outer} and not found["instances"]:
                raise raised(one["error"], f"making {expression}")
            notes.append(f"{expression} was left out: {one['error']['kind']}: {one['error']['message'][:200]}")
            continue
        if one["network"] and one["user"]:
            made.append(Network(module, one["class"], expression, parameters=one["parameters"]))
    names = {one.class_name for one in made}
    return made, {name: needs for name, needs in lacking.items() if name not in names}


def _runs(name: str) -> bool:
    return name.startswith(("test", "main", "train", "demo", "run", "evaluate", "parse", "get_args", "_"))


def smallest(networks: list[Network]) -> list[Network]:
    """The smallest network of each class."""
    best: dict[tuple[str, str], Network] = {}
    for one in networks:
        key = (one.module, one.class_name if one.class_name not in CONTAINERS else one.expression)
        if key not in best or one.parameters < best[key].parameters:
            best[key] = one
    return list(best.values())


def with_inputs(worker: Worker, network: Network, specs: list[str]) -> Network:
    """Finds inputs on which a network runs: those given, those seen, or those that its first layers ask for.

    Raises:
        RequestError, UserCodeError: none does.
    """
    found = worker.request("attempt", module=network.module, expression=network.expression)
    if "error" in found:
        raise raised(found["error"], f"making {network.expression}")
    if specs:
        network.inputs = [parsed_input(one) for one in specs]
        return _checked(worker, network)
    if not network.inputs and all("unknown" not in leaf for one in found["seen"] for leaf in one.get("items", [one])):
        network.inputs = found["seen"]
    if network.inputs:
        network.inputs = _batched(worker, network.inputs)
        return _checked(worker, network)
    takes = found["takes"]
    last: dict[str, Any] | None = None
    for tried, inputs in enumerate(itertools.islice(_guesses(found["firsts"], takes), 300), start=1):
        answer = worker.request("example", inputs=inputs)
        if "error" not in answer:
            network.inputs = inputs
            leaves = [leaf for one in inputs for leaf in one.get("items", [one])]
            shapes = " and ".join("x".join(map(str, one["shape"])) + f" {one['dtype']}" for one in leaves)
            network.assumed = f"no input was given: {shapes} was found to run"
            return network
        last = last or answer["error"]
        if answer["error"]["kind"] in ("NameError", "AttributeError", "ImportError") and tried > 3:
            break
    if last is None:
        raise RequestError(f"{network.expression} takes {', '.join(takes) or 'nothing'}: no input was found for it")
    error = raised(last, f"calling {network.expression} on inputs that its layers ask for")
    error.advice = "give its inputs: --input SHAPE, once for each"
    raise error


def _batched(worker: Worker, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Inputs with two samples where one was seen, if the network runs on them: one sample hides mistakes."""
    tensors = [one for one in inputs if "shape" in one]
    if not tensors or any(not one["shape"] for one in tensors):
        return inputs
    sizes = {one["shape"][0] for one in tensors}
    if len(sizes) != 1 or sizes <= {2, 3, 4}:
        return inputs
    wanted = [one | {"shape": [BATCH, *one["shape"][1:]]} if "shape" in one else one for one in inputs]
    return inputs if "error" in worker.request("example", inputs=wanted) else wanted


def _checked(worker: Worker, network: Network) -> Network:
    answer = worker.request("example", inputs=network.inputs)
    if "error" in answer:
        answer = worker.request("example", inputs=network.inputs, training=False)
    if "error" in answer:
        raise raised(answer["error"], f"calling {network.expression}")
    return network


_DTYPES = ("float64", "float32", "float16", "int64", "int32", "bool", "uint8")


def parsed_input(text: str) -> dict[str, Any]:
    """An `--input` such as `1,3,32,32`, `ids=int64 2,16@0:100`.

    Raises:
        RequestError: it cannot be read.
    """
    match = re.fullmatch(r"(?:(\w+)=)?\s*(?:(\w+)\s+)?([\w,\s]*?)(?:@(-?\d+):(-?\d+))?", text.strip())
    if not match or (match[2] and match[2] not in _DTYPES):
        raise RequestError(f"--input {text} cannot be read", advice="write [NAME=][DTYPE ]SHAPE[@low:high]")
    sizes = [int(s) if s.strip().isdigit() else BATCH for s in match[3].split(",") if s.strip()]
    dtype = match[2] or ("int64" if match[4] else "float32")
    low, high = int(match[4] or 0), int(match[5] or 2)
    return {"name": match[1], "shape": sizes, "dtype": dtype, "low": low, "high": high}


_SIZES = (32, 28, 64, 224, 96, 128, 16, 256, 48, 299, 8, 512)


def _guesses(firsts: list[dict[str, Any]], takes: list[str]) -> Any:
    """Inputs that the first layers ask for, likelier ones first."""
    count = max(1, len(takes))
    if firsts and all(one["kind"] == "shape" for one in firsts):
        told = any("int" in each["dtype"] for each in firsts)  # then the others are no whole numbers
        one = [
            _of_shape(each if not told else each | {"embeds": each["embeds"] if "int" in each["dtype"] else 0})
            for each in firsts
        ]
        yield one if len(one) == 1 else [{"name": None, "items": one}]
        return
    ways: list[list[dict[str, Any]]] = []
    for first in firsts:
        for one in _of_layer(first):
            if [one] not in ways and one not in [w[0] for w in ways]:
                ways.append([one])
        if len(ways) > 60:
            break
    singles = [way[0] for way in ways]
    if not singles:
        singles = [_float(BATCH, 8), _float(BATCH, 3, 32, 32), _float(BATCH, 1, 28, 28), _float(BATCH, 16)]
    if count == 1:
        yield from ([one] for one in singles)
        return
    for one in singles[:25]:
        yield [one] * count
    yield from (list(many) for many in itertools.islice(itertools.product(singles[:12], repeat=count), 250))


def _of_layer(first: dict[str, Any]) -> Any:
    kind, size = first["kind"], first.get("size")
    if kind == "shape":
        yield _of_shape(first)
    elif kind.endswith(" free"):
        yield from (_float(BATCH, *sizes) for sizes in ((8,), (10, 8), (16,), (784,), (28, 28)))
    elif kind.endswith(" channels last"):
        spatial = int(kind[0])
        yield from (_float(BATCH, *(s,) * spatial, c) for c in (3, 1) for s in (32, 28, 64, 16, 224, 96, 128))
    if kind in ("Conv2d", "ConvTranspose2d", "BatchNorm2d"):
        yield from (_float(BATCH, size, s, s) for s in _SIZES)
    elif kind in ("Conv1d", "ConvTranspose1d"):
        yield from (_float(BATCH, size, s) for s in (32, 100, 128, 16, 64, 28, 50, 20, 10))
        yield from (_float(BATCH, s, size) for s in (16, 10, 20))
    elif kind == "Conv3d":
        yield from (
            _float(BATCH, size, d, s, s)
            for d, s in ((16, 16), (8, 32), (16, 32), (16, 64), (16, 112), (32, 32), (8, 16), (8, 8))
        )
    elif kind == "Embedding":
        for length in (12, 16, 8, 32, 20, 50, 10, 64, 100):
            yield {"name": None, "shape": [BATCH, length], "dtype": "int64", "low": 0, "high": size}
        yield {"name": None, "shape": [BATCH], "dtype": "int64", "low": 0, "high": size}
    elif kind in ("LSTM", "GRU", "RNN", "MultiheadAttention"):
        yield from (_float(BATCH, length, size) for length in (8, 10, 16, 20, 28))
        yield _float(BATCH, size)
    elif kind == "Linear" or kind == "BatchNorm1d" or kind.endswith("Cell"):
        yield _float(BATCH, size)
        yield from (_float(BATCH, length, size) for length in (8, 10, 16))
        root = round(size**0.5)
        if root * root == size:
            yield _float(BATCH, 1, root, root)
        for channels in (1, 3):
            root = round((size / channels) ** 0.5)
            if root * root * channels == size:
                yield _float(BATCH, channels, root, root)


def _of_shape(first: dict[str, Any]) -> dict[str, Any]:
    """An input of the shape that an input layer declares; whole numbers where an embedding takes them."""
    shape = [BATCH if i == 0 else 12 if s is None else s for i, s in enumerate(first["shape"])]
    whole = "int" in first["dtype"] or (first["embeds"] and len(shape) == 2)
    dtype = (first["dtype"] if "int" in first["dtype"] else "int64") if whole else "float32"
    return {"name": None, "shape": shape, "dtype": dtype, "low": 0, "high": first["embeds"] or 4}


def _float(*shape: int) -> dict[str, Any]:
    return {"name": None, "shape": list(shape), "dtype": "float32", "low": 0, "high": 0}


def need_arguments(lacking: dict[str, list[str]], path: str) -> RequestError:
    """The error for networks that need arguments which nobody gave."""
    name, needs = next(iter(lacking.items()))
    return RequestError(
        f"{name} in {path} needs arguments: {', '.join(needs)}",
        advice=f"--network '{path}:{name}({', '.join(n + '=...' for n in needs)})'",
    )
