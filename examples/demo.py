"""What netglot does, shown: a trained digit network with its weights from PyTorch to Keras, then ResNet-50."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "out"


def step(title: str, *command: str) -> None:
    """Runs one command, shown as a person would type it; the demonstration ends where one fails."""
    print(f"\n# {title}\n$ {shlex.join(_short(part) for part in command)}", flush=True)
    code = subprocess.run([_program(command[0]), *command[1:]], cwd=HERE.parent, env=_quiet()).returncode
    if code:
        sys.exit(code)


def _short(part: str) -> str:
    return os.path.relpath(part, HERE.parent) if os.path.isabs(part) else part


def _program(name: str) -> str:
    """`python` and `netglot` as they belong to the interpreter that runs this."""
    beside = Path(sys.executable).parent / name
    return sys.executable if name == "python" else str(beside)


def _quiet() -> dict[str, str]:
    return {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"} | dict(os.environ)


def main() -> None:
    """Trains, converts, compares."""
    OUT.mkdir(exist_ok=True)
    digits, weights = HERE / "digits", OUT / "digits.pt"
    step("Train a small network on handwritten digits, in PyTorch", "python", f"{digits}/train.py", str(weights))
    step(
        "Convert it to Keras with its weights",
        *("netglot", "convert", f"{digits}/model.py:DigitNet", "--weights", str(weights)),
        *("--input", "1,1,8,8", "--to", "keras", "-o", str(OUT / "digits")),
    )
    step("Run what came out on the same digits, in Keras", "python", f"{digits}/check.py", str(OUT / "digits"))
    step(
        "Convert ResNet-50",
        *("netglot", "convert", f"{HERE}/resnet50.py:resnet50", "--input", "1,3,224,224"),
        *("--to", "keras", "-o", str(OUT / "resnet50")),
    )
    print(f"\nRead {_short(str(OUT / 'digits' / 'model.py'))} and {_short(str(OUT / 'resnet50' / 'model.py'))}.")


if __name__ == "__main__":
    main()
