"""Writes the example into README.md: `make docs`. The network is `net.py`, the rest is what netglot makes of it."""

from pathlib import Path

import netglot

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- example: made by `make docs` -->", "<!-- /example -->"


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
    """The README with the example between its marks."""
    head, _, rest = readme.partition(BEGIN)
    return f"{head}{BEGIN}\n\n{example()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(updated(path.read_text("utf-8")), encoding="utf-8")
