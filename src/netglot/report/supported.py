"""What netglot reads and writes, as tables for the README: from the registry of formats and the table of targets."""

from __future__ import annotations

from netglot.dialects.targets import TARGETS
from netglot.formats.registry import FORMATS

LIVE = (
    ("PyTorch", "modules as code (`net.py:Net`, `torchvision.models:resnet50`) or live; exported programs (`.pt2`)",
     "`.pt`, `.pth`, `.safetensors`, sharded or not"),
    ("TorchScript", "`.pt`, `.pth`, `.jit`, `.ts`, `.ptl`, or a part of one: `net.pt:encoder`", "in the file"),
    ("Keras 3, Keras 2",
     "models as code (`keras.applications:MobileNetV2`) or live; `.keras`, `.h5`, architecture `.json`",
     "in the file, or `.weights.h5`"),
    ("TensorFlow 2", "SavedModel folders, one signature at a time", "in the folder"),
)  # fmt: skip
"""What is read by running a framework: its name, what a source may be, and where the weights are."""


def reads() -> str:
    """The table of what is read."""
    rows = [*LIVE]
    for one in FORMATS.values():
        files = ", ".join(f"`{suffix}`" for suffix in one.suffixes)
        rows.append((one.title, files, one.weights or "in the file"))
    return _table(("from", "what", "weights"), rows)


def writes() -> str:
    """The table of what is written."""
    rows = [
        (one.title, f"`--to {one.name}`", ", ".join(f"`{name}`" for name in one.files[:-2])) for one in TARGETS.values()
    ]
    return _table(("to", "asked for with", "files, beside `report.json` and `README.md`"), rows)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)
