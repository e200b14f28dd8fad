"""Writes into README.md what can be generated: `make docs`.

The example's network is `net.py`, the rest is what netglot makes of it; what is supported follows from the
declarations.
"""

from pathlib import Path

import netglot
from netglot.report import supported

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ("<!-- example: made by `make docs` -->", "<!-- /example -->")
SUPPORTED = ("<!-- supported: made by `make docs` -->", "<!-- /supported -->")


def example() -> str:
    """The README's example: classes in PyTorch, classes in Keras."""
    conversion = netglot.convert(
        f"{ROOT / 'examples' / 'net.py'}:Net", to="keras", inputs=["1,3,224,224"], verify=False
    )
    ours = _classes((ROOT / "examples" / "net.py").read_text("utf-8"))
    theirs = _classes(conversion.source)
    return f"From\n\n```python\n{ours}\n```\n\nit makes\n\n```python\n{theirs}\n```"


def _classes(text: str) -> str:
    """A module from its first class up to its first function."""
    return text[text.index("class ") :].partition("\n\n\ndef ")[0].strip()


def updated(readme: str) -> str:
    """The README with what is generated between its marks."""
    tables = f"{supported.reads()}\n\n{supported.writes()}"
    for (begin, end), text in ((EXAMPLE, example()), (SUPPORTED, tables)):
        head, _, rest = readme.partition(begin)
        readme = f"{head}{begin}\n\n{text}\n\n{end}{rest.partition(end)[2]}"
    return readme


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(updated(path.read_text("utf-8")), encoding="utf-8")
