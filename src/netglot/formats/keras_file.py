"""Models and weights that Keras saved: `.keras` archives, HDF5 of Keras 2 and 3, and architecture in JSON.

Loading never runs code that a file carries. What is wrong with a file is said in one line.
"""

from __future__ import annotations

import contextlib
import json
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from netglot.errors import InputError, NetglotError, WeightsError
from netglot.formats import keras2
from netglot.formats.keras_config import check_config, seen_by_code, supplied_by

ARCHIVE = ("config.json", "metadata.json", "model.weights.h5")
"""What a `.keras` archive holds."""


def sniff(path: str | Path) -> str | None:
    """What a file is: "keras", "h5" (a whole model), "weights" or "json"; None where it is something else."""
    path = Path(path)
    if path.is_dir():
        return None
    with contextlib.suppress(OSError):
        with path.open("rb") as file:
            head = file.read(8)
        if path.suffix == ".keras" or (head[:2] == b"PK" and _is_archive(path)):
            return "keras"
        if head == b"\x89HDF\r\n\x1a\n":
            return "h5" if _has_model(path) else "weights"
        if path.suffix in (".h5", ".hdf5"):
            return "weights" if path.name.endswith(".weights.h5") else "h5"
        if path.suffix == ".json":
            return "json"
    return None


def _is_archive(path: Path) -> bool:
    with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        return "config.json" in archive.namelist()
    return False


def _has_model(path: Path) -> bool:
    import h5py

    try:
        with h5py.File(path) as file:
            return "model_config" in file.attrs
    except OSError:
        return True  # a damaged file is told of when it is loaded


def load(
    path: str | Path, *, weights: str | Path | None = None, trust: bool = False, modules: Sequence[Any] = ()
) -> Any:
    """The live model of a file.

    Args:
        weights: a file of weights, for an architecture without them.
        trust: whether code that the file carries may run.
        modules: the user's own modules, which define classes that the file names.

    Raises:
        InputError: the file is missing, damaged, of an unknown kind, or names a class that nobody supplied.
        UnsupportedOps: it holds code and is not trusted.
        WeightsError: the weights do not fit the architecture.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file")
    supplied = supplied_by(modules)
    names = {name: one for module in modules for name, one in vars(module).items()}
    with seen_by_code(names) if trust else contextlib.nullcontext():
        model = _loaded(path, supplied, trust)
    if weights is not None:
        load_weights(model, weights)
    return model


def _loaded(path: Path, supplied: dict, trust: bool) -> Any:
    """The live model of a file of any kind."""
    from netglot.dialects.keras.construction import watching

    with watching():
        return _made(path, supplied, trust)


def _made(path: Path, supplied: dict, trust: bool) -> Any:
    match sniff(path):
        case "keras":
            return _load_archive(path, supplied, trust)
        case "h5":
            return _load_hdf5(path, supplied, trust)
        case "json":
            return _load_json(path, supplied, trust)
        case "weights":
            raise InputError(
                f"{path} holds weights and no architecture",
                advice=f"give the architecture and the weights: model.json --weights {path}",
            )
        case _:
            raise InputError(
                f"{path} is no Keras file", advice="a .keras archive, HDF5 (.h5), or an architecture in JSON"
            )


def _load_archive(path: Path, supplied: dict, trust: bool) -> Any:
    import keras

    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            config = json.loads(archive.read("config.json"))
            damaged = archive.testzip()
            told = json.loads(archive.read("metadata.json")) if "metadata.json" in names else {}
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise InputError(f"{path} cannot be read as a .keras archive: {error}", advice="is it truncated?") from error
    except KeyError as error:
        raise InputError(f"{path} has no config.json, so it is no .keras archive") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: its config.json is damaged: {error}") from error
    missing = [name for name in ARCHIVE if name not in names]
    if damaged or missing:
        what = f"{damaged} is damaged" if damaged else f"it lacks {', '.join(missing)}"
        raise InputError(f"{path}: {what}", advice="is it truncated?")
    check_config(config, supplied=supplied, trust=trust, path=str(path))
    if isinstance(told, dict) and keras2.is_old(told.get("keras_version", "3")):
        model = _old(path, config, supplied, trust)
        with _told(path, "weights"), zipfile.ZipFile(path) as archive, archive.open(ARCHIVE[2]) as weights:
            keras2.load_archived_weights(model, weights)
        return model
    with _told(path):
        return keras.saving.load_model(path, custom_objects=supplied, compile=False, safe_mode=not trust)


def _load_hdf5(path: Path, supplied: dict, trust: bool) -> Any:
    import h5py
    import keras

    try:
        with h5py.File(path) as file:
            text, version = file.attrs.get("model_config"), file.attrs.get("keras_version")
    except OSError as error:
        raise InputError(f"{path} cannot be read as HDF5: {_first(error)}", advice="is it truncated?") from error
    if text is None:
        raise InputError(
            f"{path} holds weights and no architecture",
            advice=f"give the architecture and the weights: model.json --weights {path}",
        )
    config = json.loads(text)
    check_config(config, supplied=supplied, trust=trust, path=str(path))
    if keras2.is_old(version):
        model = _old(path, config, supplied, trust)
        with _told(path, "weights"):
            _load_legacy_weights(model, path)
        return model
    with _told(path):
        return keras.models.load_model(path, custom_objects=supplied, compile=False, safe_mode=not trust)


def _load_json(path: Path, supplied: dict, trust: bool) -> Any:
    import keras

    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not JSON: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("class_name"), str) or "config" not in config:
        raise InputError(f"{path} is JSON, and not the architecture of a Keras model")
    check_config(config, supplied=supplied, trust=trust, path=str(path))
    if keras2.is_old(config.get("keras_version")) and "module" not in config:
        return _old(path, config, supplied, trust)
    with _told(path), keras.saving.custom_object_scope(supplied):
        return keras.saving.deserialize_keras_object(config, custom_objects=supplied, safe_mode=not trust)


def _old(path: Path, config: dict, supplied: dict, trust: bool) -> Any:
    """The model of an architecture of Keras 2."""
    import keras

    known = supplied | keras2.custom_objects()
    with _told(path), keras.saving.custom_object_scope(known):
        config = keras2.translated(config, supplied)
        return keras.saving.deserialize_keras_object(config, custom_objects=known, safe_mode=not trust)


def load_weights(model: Any, path: str | Path) -> None:
    """Fills a live model from a file of weights, of Keras 3 (`.weights.h5`) or Keras 2 (`.h5`).

    Raises:
        InputError: the file is missing or damaged.
        WeightsError: the weights do not fit.
    """
    import h5py

    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file")
    try:
        with h5py.File(path) as file:
            inside = "model_weights" in file
    except OSError as error:
        raise InputError(f"{path} cannot be read as HDF5: {_first(error)}", advice="is it truncated?") from error
    try:
        model.load_weights(str(path)) if not inside else _load_legacy_weights(model, path)
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path} does not fit {model.name}: {_first(error)}") from error


def _load_legacy_weights(model: Any, path: Path) -> None:
    """The weights of a whole model saved by Keras 2."""
    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    with h5py.File(path) as file:
        legacy_h5_format.load_weights_from_hdf5_group(file["model_weights"], model)


@contextlib.contextmanager
def _told(path: Path, what: str = "architecture") -> Iterator[None]:
    """Says what Keras could not load in one line."""
    try:
        yield
    except NetglotError:
        raise
    except Exception as error:
        reason = _first(error)
        if what == "weights" or any(word in str(error).lower() for word in ("mismatch", "expected shape", "weights")):
            raise WeightsError(f"{path}: the weights do not fit: {reason}") from error
        if isinstance(error, KeyError | TypeError | AttributeError | IndexError) and not _says_where(error):
            raise InputError(
                f"{path}: its configuration is damaged: {type(error).__name__}: {reason}",
                advice="save the model anew with this Keras",
            ) from error
        raise InputError(f"{path} cannot be loaded: {reason}", advice=_way_out(path, reason)) from error


def _says_where(error: Exception) -> bool:
    """Whether an error is Keras's own account of a layer that could not be made."""
    return len(str(error)) > 100


def _way_out(path: Path, reason: str) -> str | None:
    """What helps where Keras cannot load a file."""
    if missing := re.search(r"name '(\w+)' is not defined", reason):
        return f"code in the file uses {missing[1]}: give a Python file that defines it, --import names.py"
    if "truncated" in reason:
        return "is it truncated?"
    wrote, here = _version_of(path), _version_here()
    if wrote and here < wrote:
        return f"Keras {'.'.join(map(str, wrote))} wrote it and this is Keras {'.'.join(map(str, here))}"
    if wrote and wrote < (3,):
        return "Keras 2 wrote it: load it with tf-keras (pip install tf-keras) and export it as a SavedModel"
    return None


def _version_here() -> tuple[int, ...]:
    import keras

    return _version(keras.__version__)


def _version_of(path: Path) -> tuple[int, ...]:
    """The version of Keras that wrote a file; empty where the file does not say."""
    with contextlib.suppress(Exception):
        if sniff(path) == "keras":
            with zipfile.ZipFile(path) as archive:
                return _version(json.loads(archive.read("metadata.json"))["keras_version"])
        if sniff(path) == "json":
            return _version(json.loads(path.read_text(encoding="utf-8"))["keras_version"])
        import h5py

        with h5py.File(path) as file:
            return _version(str(file.attrs["keras_version"]))
    return ()


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_CAUSES = (
    re.compile(r"Exception encountered when calling (.+?)\.call\(\)\.\s*(.+)"),
    re.compile(r"(?s).*Exception encountered: (.+)"),
    re.compile(r"(?s)A total of \d+ objects could not be loaded\. Example error message for object <(.+?)>:\s*(.+)"),
)
"""What Keras says around the reason that it has; the last group is the reason."""


def _first(error: BaseException) -> str:
    """The first line of what an error says, or of the reason within it."""
    text = _COLOURS.sub("", str(error)).strip() or type(error).__name__
    for pattern in reversed(_CAUSES):
        if found := pattern.match(text):
            text = ": ".join(found.groups())
    text = text.partition("\n")[0]
    return text if len(text) < 200 else f"{text[:200]}..."
