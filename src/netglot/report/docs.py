"""Writes the generated pages: `python -m netglot.report.docs docs`. A test compares them with what is committed."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

from netglot.dialects.dialect import all_ops
from netglot.pivot.op import Op
from netglot.report.matrix import Cell, Row, all_dialects, counts, family_of, matrix

HEADER = "<!-- Generated from the declarations by `make docs`. Do not edit. -->\n\n"


def pages() -> dict[str, str]:
    """The generated pages by their path below `docs/`."""
    rows = matrix()
    families = dict.fromkeys(row.family for row in rows)
    texts = {f"ops/{family}.md": _family(family, [row for row in rows if row.family == family]) for family in families}
    return {"matrix.md": _matrix(rows)} | texts


def _matrix(rows: list[Row]) -> str:
    dialects = all_dialects()
    lines = [
        "# Ops and dialects",
        "",
        "*read* and *mapped*: the framework has it. *lowered*: written with other ops. *refused*: not carried over,",
        "and the page of the op says why. A dialect that writes has an answer for each op. Of one that is only read,",
        "*unread* says that none of its operations stands for the op: it writes it with others.",
        "",
    ]
    for name, line in counts(rows).items():
        said = ", ".join(f"{number} {status}" for status, number in sorted(line.items()))
        lines.append(f"* {dialects[name].title}: {said} of {len(rows)} ops")
    lines += ["", f"| op | {' | '.join(d.title for d in dialects.values())} |", "| --- |" + " --- |" * len(dialects)]
    for row in rows:
        cells = " | ".join(_short(row.cells[name]) for name in dialects)
        lines.append(f"| [{row.op}](ops/{row.family}.md#{row.op.lower()}) | {cells} |")
    return HEADER + "\n".join(lines) + "\n"


def _short(cell: Cell) -> str:
    if cell.status == "refused":
        return f"refused ({(cell.reason or '').partition(':')[0]})"
    names = ", ".join(f"`{name}`" for name in cell.spellings[:2])
    return f"{cell.status} {names}".rstrip() + (", ..." if len(cell.spellings) > 2 else "")


def _family(family: str, rows: list[Row]) -> str:
    kinds = {name: kind for name, kind in all_ops().items() if family_of(kind) == family}
    about = (inspect.getdoc(sys.modules[next(iter(kinds.values())).__module__]) or "").strip()
    sections = [f"# {family.capitalize()}", about, *(_op(kinds[row.op], row) for row in rows)]
    return HEADER + "\n\n".join(section for section in sections if section) + "\n"


def _op(kind: type[Op], row: Row) -> str:
    lines = [f"## {row.op}", "", inspect.getdoc(kind) or "", "", f"    {signature(kind)}", ""]
    for name, dialect in all_dialects().items():
        lines.append(f"* {dialect.title}: {_long(row.cells[name])}")
    return "\n".join(lines)


def signature(kind: type[Op]) -> str:
    """The fields of an op: operands as `name`, `name?` and `*name`, attributes as `name: type`."""
    marks = {"one": "{}", "optional": "{}?", "many": "*{}"}
    parts = [
        marks[f.operand].format(f.name) if f.operand else f"{f.name}: {_type_name(f.annotation)}" for f in kind.fields()
    ]
    return f"{kind.__name__}({', '.join(parts)}) -> {', '.join(kind.results)}"


def _type_name(annotation: object) -> str:
    from netglot.pivot import op

    for name in ("Axis", "Axes", "PerAxis", "Shape"):
        if annotation == getattr(op, name):
            return name.lower() if name != "PerAxis" else "per axis"
    text = (
        annotation.__name__ if isinstance(annotation, type) and not hasattr(annotation, "__args__") else str(annotation)
    )
    return text.replace("typing.", "").replace("netglot.pivot.dims.", "")


def _long(cell: Cell) -> str:
    if cell.reason:
        return f"{cell.status}, {cell.reason}"
    names = ", ".join(f"`{name}`" for name in cell.spellings)
    return f"{cell.status}" + (f" {names}" if names else "")


def write(folder: Path) -> list[Path]:
    """Writes the pages and removes those that nothing declares any more."""
    texts = pages()
    (folder / "ops").mkdir(parents=True, exist_ok=True)
    for stale in (folder / "ops").glob("*.md"):
        if f"ops/{stale.name}" not in texts:
            stale.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
