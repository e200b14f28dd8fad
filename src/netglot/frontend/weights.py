"""Weights from files: `.pt` and `.pth` state dicts, `.safetensors`, and sharded checkpoints with an index.

Nothing here runs code from a file: a pickle is read with PyTorch's restricted reader, and one that needs more is
refused. Tensors are memory-mapped where the format allows it, so that reading costs no memory until a value is used.
"""

from __future__ import annotations

import difflib
import json
import os
import pickle
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netglot.errors import InputError, NetglotError, WeightsError
from netglot.frontend.frameworks import require

NESTS = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "params", "ema", "model_ema")
"""The keys under which training programs keep a state dict inside a checkpoint, most trusted first."""

PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
"""What wrappers put in front of every key: DataParallel, torch.compile, Lightning and the like."""

SHOWN = 8
"""How many keys of each kind an error lists."""

_SAFE_DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "C64": "complex64", "C128": "complex128",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One tensor of a file. `load` reads it, as a `torch.Tensor`, when it is called and not before."""

    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], Any]


@dataclass
class Weights(Mapping[str, Entry]):
    """The tensors of a checkpoint by key. `notes` says what was taken off them: a nest, a prefix."""

    path: str
    entries: dict[str, Entry]
    notes: list[str] = field(default_factory=list)

    def __getitem__(self, key: str) -> Entry:
        return self.entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def read_weights(path: str | Path) -> Weights:
    """Opens a file of weights; its kind is told by its first bytes.

    Raises:
        InputError: the file is missing, truncated, corrupt, of an unknown kind, or a pickle that runs code.
        WeightsError: it holds no state dict.
    """
    path = Path(path)
    if os.path.isdir(path):
        path = _index_in(path)
    if not os.path.isfile(path):
        near = difflib.get_close_matches(path.name, _names_beside(path), n=1)
        raise InputError(f"{path}: no such file", advice=f"did you mean {path.parent / near[0]}?" if near else None)
    if path.name.endswith(".index.json"):
        return _read_index(path)
    return _READERS[_kind(path)](path)


def _names_beside(path: Path) -> list[str]:
    return [one.name for one in path.parent.iterdir()] if os.path.isdir(path.parent) else []


def _index_in(folder: Path) -> Path:
    """The weights in a folder of a model hub: the index of its shards, or its one file."""
    for pattern in ("*.safetensors.index.json", "*.bin.index.json", "*.safetensors", "*.bin", "*.pt", "*.pth"):
        if found := sorted(folder.glob(pattern)):
            if len(found) > 1:
                names = ", ".join(one.name for one in found[:SHOWN])
                raise InputError(f"{folder} holds several weight files: {names}", advice="name one of them")
            return found[0]
    raise InputError(f"{folder} holds no weights", advice="expected .safetensors, .pt, .pth or an index of shards")


def _kind(path: Path) -> str:
    """ "pickle", "safetensors", by the first bytes; the suffix decides where they do not."""
    head = _head(path)
    if not head:
        raise InputError(f"{path} is empty")
    if head[:2] == b"PK" or head[:1] == b"\x80":
        return "pickle"
    if head[8:9] == b"{":
        return "safetensors"
    if path.suffix == ".safetensors":
        return "safetensors"
    if path.suffix in (".pt", ".pth", ".bin", ".ckpt"):
        return "pickle"
    raise InputError(
        f"{path} is not a file of weights that netglot reads",
        advice="give .pt, .pth, .safetensors or an index of shards",
    )


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(9)


def _read_pickle(path: Path) -> Weights:
    require("torch", f"reading {path.name}")
    held = _unpickled(path)
    notes: list[str] = []
    state = _state_dict(held, path, notes)
    return Weights(str(path), {key: _held_entry(tensor) for key, tensor in state.items()}, notes)


def _unpickled(path: Path) -> Any:
    import torch

    mapped = _head(path)[:2] == b"PK"
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise _refused_pickle(path, str(error)) from error
    except Exception as error:  # the reader of a damaged file raises whatever it stumbles over
        if "TorchScript" in str(error):
            raise _torchscript(path) from error
        raise _damaged(path, error) from error


def _refused_pickle(path: Path, text: str) -> InputError:
    """Tells a pickle that would run code from one that is damaged."""
    if "TorchScript" in text:
        return _torchscript(path)
    for mark in ("Unsupported global: GLOBAL ", "Unsupported class ", "Can only build "):
        if mark in text:
            what = text.partition(mark)[2].split()[0].strip(".,")
            return InputError(
                f"{path} is a pickle that needs {what} to be read, and reading it would run code",
                advice="save the weights alone: torch.save(model.state_dict(), 'weights.pt'), or as safetensors",
            )
    return _damaged(path, text)


def _torchscript(path: Path) -> InputError:
    advice = "save the weights alone: torch.save(torch.jit.load(path).state_dict(), 'weights.pt')"
    return InputError(f"{path} is a TorchScript archive, which is a program and not a file of weights", advice=advice)


def _damaged(path: Path, error: Any) -> InputError:
    detail = str(error).strip().partition("\n")[0].strip(" .") or type(error).__name__
    return InputError(f"{path} is truncated or corrupt: {detail}")


def _state_dict(held: Any, path: Path, notes: list[str]) -> dict[str, Any]:
    """The state dict in a checkpoint, which may lie under a key of its own."""
    if _is_state_dict(held):
        return _tensors(held)
    if isinstance(held, Mapping):
        nests = {key: held[key] for key in held if _is_state_dict(held[key])}
        chosen = next((key for key in NESTS if key in nests), None)
        if chosen is None and len(nests) == 1:
            chosen = next(iter(nests))
        if chosen is not None:
            notes.append(f"the weights were read from the checkpoint's entry {chosen!r}")
            return _tensors(nests[chosen])
        keys = ", ".join(str(key) for key in list(held)[:SHOWN])
        raise WeightsError(f"{path} holds no state dict; its entries are {keys or 'none'}")
    raise WeightsError(f"{path} holds a {type(held).__name__} and no state dict")


def _is_state_dict(held: Any) -> bool:
    """Whether a mapping is of names to tensors (and some numbers, as optimisers' counters)."""
    if not isinstance(held, Mapping) or not held:
        return False
    tensors = [_is_tensor(one) for one in held.values()]
    nested = any(isinstance(one, Mapping | list | tuple) for one in held.values())
    return any(tensors) and not nested and all(isinstance(key, str) for key in held)


def _is_tensor(one: Any) -> bool:
    return hasattr(one, "shape") and hasattr(one, "dtype")


def _tensors(held: Mapping) -> dict[str, Any]:
    return {key: one for key, one in held.items() if _is_tensor(one)}


def _held_entry(tensor: Any) -> Entry:
    return Entry(tuple(tensor.shape), str(tensor.dtype).rpartition(".")[2], lambda: tensor)


def _read_safetensors(path: Path) -> Weights:
    require("torch", f"reading {path.name}")
    from safetensors import safe_open

    try:
        file = safe_open(path, framework="pt", device="cpu")
        entries = {}
        for key in file.keys():  # noqa: SIM118  (the handle is no mapping)
            part = file.get_slice(key)
            dtype = str(part.get_dtype())
            dtype = _SAFE_DTYPES.get(dtype, dtype.lower())
            entries[key] = Entry(tuple(part.get_shape()), dtype, _reader(file, key))
    except Exception as error:  # as above
        raise _damaged(path, error) from error
    return Weights(str(path), entries)


def _reader(file: Any, key: str) -> Callable[[], Any]:
    return lambda: file.get_tensor(key)


def _read_index(path: Path) -> Weights:
    """A checkpoint in shards: the index names the file of each key."""
    try:
        table = json.loads(path.read_text("utf-8"))["weight_map"]
        assert isinstance(table, dict) and all(isinstance(name, str) for name in table.values())
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise InputError(
            f"{path} is not an index of shards", advice='it must hold {"weight_map": {key: file}}'
        ) from error
    shards = {}
    for name in dict.fromkeys(table.values()):
        if Path(name).name != name:
            raise InputError(f"{path} points outside its folder: {name}")
        if not (path.parent / name).is_file():
            raise InputError(f"{path.parent / name}: no such file, and {path.name} names it")
        shards[name] = read_weights(path.parent / name)
    absent = [key for key, name in table.items() if key not in shards[name]]
    if absent:
        raise InputError(f"{path} names {absent[0]} in {table[absent[0]]}, which does not hold it")
    return Weights(str(path), {key: shards[name][key] for key, name in table.items()})


_READERS: dict[str, Callable[[Path], Weights]] = {"pickle": _read_pickle, "safetensors": _read_safetensors}


@dataclass(frozen=True)
class Slot:
    """One place for a tensor in a network."""

    shape: tuple[int, ...]
    dtype: str
    optional: bool = False
    ties: tuple[str, ...] = ()
    """The other names under which the network knows the same tensor."""


def match_weights(weights: Weights, slots: Mapping[str, Slot]) -> dict[str, Entry]:
    """The entry for each slot, wrappers' prefixes taken off.

    Raises:
        WeightsError: entries are missing, unexpected or wrongly shaped; all of them are told, with the nearest names.
    """
    entries = _without_prefix(weights, slots)
    missing = [
        key
        for key, slot in slots.items()
        if not (key in entries or slot.optional or any(t in entries for t in slot.ties))
    ]
    unexpected = [key for key in entries if key not in slots and not key.endswith("_extra_state")]
    shapes = [key for key, slot in slots.items() if key in entries and entries[key].shape != slot.shape]
    if missing or unexpected or shapes:
        raise WeightsError(_mismatch(weights.path, entries, slots, missing, unexpected, shapes))
    return {key: entries[key] for key in slots if key in entries}


def _without_prefix(weights: Weights, slots: Mapping[str, Slot]) -> dict[str, Entry]:
    """The entries under the network's own names: a prefix that every key has comes off where more keys fit then."""
    entries, fitting = dict(weights), sum(key in slots for key in weights)
    stripped, taken = dict(weights), ""
    while prefix := next((p for p in PREFIXES if stripped and all(key.startswith(p) for key in stripped)), None):
        stripped = {key.removeprefix(prefix): entry for key, entry in stripped.items()}
        taken += prefix
        if sum(key in slots for key in stripped) > fitting:
            entries, fitting = stripped, sum(key in slots for key in stripped)
            weights.notes.append(f"the prefix {taken!r} was taken off every key of the checkpoint")
    return entries


def _mismatch(
    path: str,
    entries: Mapping[str, Entry],
    slots: Mapping[str, Slot],
    missing: list[str],
    unexpected: list[str],
    shapes: list[str],
) -> str:
    counts = [(missing, "missing"), (unexpected, "unexpected"), (shapes, "of another shape")]
    said = ", ".join(f"{len(keys)} {word}" for keys, word in counts if keys)
    lines = [f"{path} does not fit the network: {said}"]
    lines += _listed("missing", missing, lambda key: _near(key, unexpected, "the file has"))
    lines += _listed("unexpected", unexpected, lambda key: _near(key, missing, "the network has"))
    lines += _listed(
        "shape", shapes, lambda key: f"file {_size(entries[key].shape)}, network {_size(slots[key].shape)}"
    )
    return "\n".join(lines)


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _listed(word: str, keys: list[str], note: Callable[[str], str]) -> list[str]:
    lines = [f"  {word:<10}  {key}  {note(key)}".rstrip() for key in keys[:SHOWN]]
    return [*lines, f"  {'':<10}  and {len(keys) - SHOWN} more"] if len(keys) > SHOWN else lines


def _near(key: str, others: list[str], owner: str) -> str:
    near = difflib.get_close_matches(key, others, n=1, cutoff=0.6)
    return f"({owner} {near[0]})" if near else ""


def slots_of(module: Any) -> dict[str, Slot]:
    """The slots of a `torch.nn.Module`: the keys of its state dict, tied tensors known by all their names."""
    state = module.state_dict(keep_vars=True)
    state = {key: tensor for key, tensor in state.items() if _is_tensor(tensor)}
    names: dict[int, list[str]] = {}
    for key, tensor in state.items():
        names.setdefault(id(tensor), []).append(key)
    return {
        key: Slot(
            tuple(tensor.shape),
            str(tensor.dtype).rpartition(".")[2],
            optional=key.endswith("num_batches_tracked"),  # absent from checkpoints before PyTorch 0.4.1
            ties=tuple(other for other in names[id(tensor)] if other != key),
        )
        for key, tensor in state.items()
    }


def load_into(module: Any, path: str | Path | Weights | Mapping[str, Any]) -> list[str]:
    """Puts weights into a `torch.nn.Module` and returns what the report must say of it.

    Tensors of the network's own dtype are taken as they lie in the file, memory-mapped; others are converted.
    Tied tensors stay tied.

    Raises:
        InputError, WeightsError: as `read_weights` and `match_weights`.
    """
    weights = _as_weights(path)
    slots = slots_of(module)
    entries = match_weights(weights, slots)
    import torch

    state, converted = {}, set()
    for key, entry in entries.items():
        try:
            tensor = entry.load()
        except Exception as error:  # a lazily read tensor of a damaged file
            raise _damaged(Path(weights.path), error) from error
        if entry.dtype != slots[key].dtype:
            converted.add((entry.dtype, slots[key].dtype))
            tensor = tensor.to(getattr(torch, slots[key].dtype))
        state[key] = tensor.detach()
    for key, slot in slots.items():
        for other in (other for other in slot.ties if key in state and other not in state):
            state[other] = state[key]
    ties = {id(p): p for p in module.parameters()}
    owners = [(name, id(p)) for name, p in module.named_parameters(remove_duplicate=False)]
    _assign(module, state, weights.path)
    _retie(module, [group for one in ties if len(group := [n for n, i in owners if i == one]) > 1])
    notes = list(weights.notes)
    notes += [f"weights of dtype {was} were converted to the network's {now}" for was, now in sorted(converted)]
    return notes


def _as_weights(path: Any) -> Weights:
    if isinstance(path, Weights):
        return path
    if isinstance(path, Mapping):
        if not _is_state_dict(path):
            raise WeightsError("the mapping given as weights is no state dict of names to tensors")
        return Weights("the state dict", {key: _held_entry(_as_tensor(one)) for key, one in _tensors(path).items()})
    return read_weights(path)


def _as_tensor(one: Any) -> Any:
    import torch

    return one if isinstance(one, torch.Tensor) else torch.from_numpy(one)


def _assign(module: Any, state: dict[str, Any], path: str) -> None:
    try:
        module.load_state_dict(state, strict=False, assign=True)
    except NetglotError:
        raise
    except RuntimeError as error:  # a module with a loader of its own may still disagree
        raise WeightsError(f"{path} does not fit the network: {str(error).strip()}") from error


def _retie(module: Any, groups: list[list[str]]) -> None:
    """Makes the parameters of each group one object again, which assigning them has parted."""
    for first, *others in groups:
        kept = module.get_parameter(first)
        for other in others:
            owner, _, name = other.rpartition(".")
            setattr(module.get_submodule(owner), name, kept)
