"""TorchScript archives: the objects, the tensors and the code that they hold, without running any of it.

An archive is a zip of stored files: `data.pkl` and `constants.pkl` (pickles whose globals are the classes of the
program), tensors as raw bytes, and the program itself as text, which Python's own parser reads. The pickles are read
by a machine that makes records and calls nothing.
"""

from __future__ import annotations

import ast
import io
import pickle
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from netglot.errors import InputError
from netglot.formats.mapped import LARGEST
from netglot.pivot.dims import product
from netglot.pivot.op import numpy_dtype

_STORAGES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
}  # fmt: skip
_CODE_LIMIT = 1 << 26
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, pickle.UnpicklingError, ValueError, LookupError, TypeError, AttributeError,
    EOFError, ArithmeticError, RecursionError, MemoryError, NotImplementedError, RuntimeError, SyntaxError,
    struct.error,
)  # fmt: skip
_PROGRAM = "__torch__"


@dataclass(eq=False)
class Stored:
    """A tensor of the archive."""

    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    data: bytes
    trainable: bool
    key: str = ""

    @property
    def place(self) -> tuple:
        """What tells a tensor from any other: tied ones have one place."""
        return self.key, self.offset, self.shape, self.stride

    def array(self) -> np.ndarray:
        """The elements, as a copy of their own.

        Raises:
            InputError: they lie outside of what is stored.
        """
        flat = np.frombuffer(self.data, numpy_dtype(self.dtype))
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.stride, strict=True))
        if 0 in self.shape:
            return np.zeros(self.shape, flat.dtype)
        if not 0 <= self.offset <= last < len(flat) or min(self.stride, default=0) < 0:
            raise InputError(f"a tensor of shape {list(self.shape)} lies outside of what is stored")
        steps = tuple(s * flat.itemsize for s in self.stride)
        return np.lib.stride_tricks.as_strided(flat[self.offset :], self.shape, steps).copy()


@dataclass(eq=False)
class Instance:
    """An object of one of the program's classes, and its attributes."""

    kind: str
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Archive:
    """A program: its object, its constants, and its classes and functions by their whole names."""

    path: str
    root: Instance
    constants: tuple
    classes: dict[str, ast.ClassDef]
    functions: dict[str, ast.FunctionDef]


def is_archive(path: Path) -> bool:
    """Whether a file is a TorchScript archive: a zip that holds code."""
    try:
        with open(path, "rb") as file:
            if file.read(2) != b"PK":
                return False
        with zipfile.ZipFile(path) as held:
            names = held.namelist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return False
    return any("/code/" in f"/{name}" for name in names) and any(name.endswith("data.pkl") for name in names)


def read_archive(path: Path) -> Archive:
    """The program in an archive.

    Raises:
        InputError: the file is missing, damaged or something else.
    """
    try:
        with zipfile.ZipFile(path) as held:
            return _Reader(held, path).archive()
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except _DAMAGE as error:
        detail = str(error).partition("\n")[0][:80] or type(error).__name__
        raise InputError(f"{path} is no TorchScript archive: {detail}", advice="is the file complete?") from error


class _Reader:
    def __init__(self, held: zipfile.ZipFile, path: Path):
        self.held, self.path = held, path
        names = held.namelist()
        roots = sorted((name for name in names if name.endswith("/data.pkl") or name == "data.pkl"), key=len)
        if not roots:
            raise InputError(f"{path} is no TorchScript archive: it has no data.pkl")
        self.base = roots[0].removesuffix("data.pkl")
        self.size = path.stat().st_size

    def archive(self) -> Archive:
        classes: dict[str, ast.ClassDef] = {}
        functions: dict[str, ast.FunctionDef] = {}
        start = f"{self.base}code/"
        for name in self.held.namelist():
            if name.startswith(start) and name.endswith(".py"):
                module = name.removeprefix(start).removesuffix(".py").replace("/", ".")
                for one in ast.parse(self.bytes(name).decode("utf-8")).body:
                    if isinstance(one, ast.ClassDef):
                        classes[f"{module}.{one.name}"] = one
                    elif isinstance(one, ast.FunctionDef):
                        functions[f"{module}.{one.name}"] = one
        root = self.pickled("data")
        if not isinstance(root, Instance):
            raise InputError(f"{self.path} holds no module")
        constants = f"{self.base}constants.pkl"
        held = self.pickled("constants") if constants in self.held.namelist() else ()
        return Archive(str(self.path), root, tuple(held), classes, functions)

    def bytes(self, name: str) -> bytes:
        """A file of the archive, no larger than the archive itself unless it is short."""
        info = self.held.getinfo(name)
        if info.file_size > max(self.size, _CODE_LIMIT):
            raise InputError(f"{self.path}: {name} says that it is {info.file_size} bytes long")
        return self.held.read(name)

    def pickled(self, name: str) -> Any:
        """A pickle of the archive, whose tensors lie in a folder of its name."""
        data = self.bytes(f"{self.base}{name}.pkl")
        return _Machine(io.BytesIO(data), lambda key: self.bytes(f"{self.base}{name}/{key}")).load()


class _Machine(pickle.Unpickler):
    """Reads a pickle into records: its classes are the program's, and nothing is called that it names."""

    def __init__(self, file: io.BytesIO, fetch: Any):
        super().__init__(file)
        self.fetch = fetch
        self.fetched: dict[str, bytes] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == _PROGRAM or module.startswith(f"{_PROGRAM}."):
            return _record(f"{module}.{name}")
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        found = _KNOWN.get((module, name))
        if name in ("_rebuild_qtensor", "_rebuild_sparse_tensor") or "quantized" in f"{module}.{name}":
            kind = "sparse" if "sparse" in name else "quantised"
            raise InputError(f"the archive holds {kind} weights", advice="save the network as it was before")
        if found is None:
            raise InputError(f"the archive names {module}.{name}, which is none of its classes")
        return found

    def persistent_load(self, pid: Any) -> Any:
        kind, dtype, key, _, count = pid
        if kind != "storage" or dtype not in _STORAGES.values() or not 0 <= count <= LARGEST:
            raise InputError("the archive holds a tensor of an unknown kind")
        if key not in self.fetched:
            self.fetched[key] = self.fetch(key)
        if len(self.fetched[key]) < count * numpy_dtype(dtype).itemsize:
            raise InputError(f"the tensor {key} of the archive ends too early")
        return dtype, self.fetched[key], str(key)


def _record(kind: str) -> type:
    """A class whose instances only remember their attributes."""

    def new(cls: type, *args: Any) -> Instance:
        found = object.__new__(_Restoring)
        found.kind, found.attributes = kind, {}
        return found

    return type("Record", (), {"__new__": new})


class _Restoring(Instance):
    """An instance that a pickle fills."""

    def __setstate__(self, state: Any) -> None:
        self.attributes = dict(state) if isinstance(state, dict) else {"": state}


def _tensor(storage: Any, offset: int, shape: Any, stride: Any, trainable: bool, *rest: Any) -> Stored:
    dtype, data, key = storage
    shape, stride = tuple(int(n) for n in shape), tuple(int(n) for n in stride)
    if len(shape) != len(stride) or any(n < 0 for n in shape) or product(shape) > LARGEST:
        raise InputError(f"the archive holds a tensor of shape {list(shape)}")
    if product(shape) * numpy_dtype(dtype).itemsize > max(len(data), 64):
        raise InputError(f"the archive holds a tensor of shape {list(shape)} in {len(data)} bytes")
    return Stored(dtype, shape, stride, int(offset), data, bool(trainable), key)


def _parameter(tensor: Stored, trainable: bool, *rest: Any) -> Stored:
    tensor.trainable = bool(trainable)
    return tensor


def _listed(held: Any) -> list:
    return list(held)


_KNOWN: dict[tuple[str, str], Any] = {
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("collections", "OrderedDict"): dict,
    ("torch.jit._pickle", "build_intlist"): _listed,
    ("torch.jit._pickle", "build_doublelist"): _listed,
    ("torch.jit._pickle", "build_boollist"): _listed,
    ("torch.jit._pickle", "build_tensorlist"): _listed,
    ("torch.jit._pickle", "restore_type_tag"): lambda held, tag: held,
}
"""What a pickle may name beside the program's classes, and what stands for it here."""
