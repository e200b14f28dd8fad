"""What netglot does, shown: a trained digit network with its weights from PyTorch to Keras, then ResNet-50."""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = Path("out")


def step(title: str, *command: str, may_differ: bool = False) -> str:
    """Runs one command, shown as a person would type it, and returns what it printed.

    The demonstration ends where one fails; what it wrote to standard error is shown then, unless it was on a terminal.
    """
    print(f"\n# {title}\n$ {shlex.join(command)}", flush=True)
    program = [sys.executable] if command[0] == "python" else [str(Path(sys.executable).parent / command[0])]
    told = []
    with tempfile.TemporaryFile("w+") as errors:
        quiet = command[0] == "python"  # TensorFlow greets on standard error
        running = subprocess.Popen(
            [*program, *command[1:]],
            cwd=ROOT,
            env={"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"} | dict(os.environ),
            stdout=subprocess.PIPE,
            stderr=errors if quiet else None,
            text=True,
        )
        assert running.stdout is not None
        for line in running.stdout:
            print(line, end="", flush=True)
            told.append(line)
        code = running.wait()
        if code and not (may_differ and code == 1):
            errors.seek(0)
            sys.exit(errors.read() + f"\n{command[0]} ended with code {code}")
    return "".join(told)


def verdict(folder: Path) -> str:
    """What the report in a converted network's folder says, in one line."""
    record = json.loads((ROOT / folder / "report.json").read_text("utf-8"))
    return f"{record['verdict']}, largest difference in float64 {record['float64']['max_abs']:.1e}"


def accuracy(told: str) -> str:
    """The last line that a script printed."""
    return told.strip().splitlines()[-1]


def main() -> None:
    """Trains, converts, compares."""
    (ROOT / OUT).mkdir(exist_ok=True)
    weights, digits, resnet = OUT / "digits.pt", OUT / "digits", OUT / "resnet50"
    ours = step(
        "Train a small network on handwritten digits, in PyTorch", "python", "examples/digits/train.py", f"{weights}"
    )
    step(
        "Convert it to Keras with its weights",
        *("netglot", "convert", "examples/digits/model.py:DigitNet", "--weights", f"{weights}"),
        *("--input", "1,1,8,8", "--to", "keras", "-o", f"{digits}"),
    )
    theirs = step("Run what came out on the same digits, in Keras", "python", "examples/digits/check.py", f"{digits}")
    step(
        "Convert ResNet-50",
        *("netglot", "convert", "torchvision.models:resnet50", "--input", "1,3,224,224", "--to", "keras"),
        *("-o", f"{resnet}"),
        may_differ=True,
    )
    print(f"\n{accuracy(ours)}\n{accuracy(theirs)}\nDigitNet {verdict(digits)}\nResNet50 {verdict(resnet)}")
    print(f"\nRead {digits}/model.py and {resnet}/model.py.")
    sys.exit(0 if verdict(resnet).startswith("equivalent") else 1)


if __name__ == "__main__":
    main()
