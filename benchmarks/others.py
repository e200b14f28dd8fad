"""Known converters, each in an environment of its own that sees the packages of this one behind its own."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from typing import Any

from benchmarks.measure import ROOT, fresh

FOLDER = ROOT / "build" / "benchmarks"
PACKAGES = {
    "nobuco": ["tensorflow-cpu==2.15.1", "numpy<2", "nobuco==0.17.0", "sty"],  # it needs Keras 2
    "onnx2torch": ["--no-deps", "onnx2torch==1.5.15"],
    "tf2onnx": ["--no-deps", "onnx2torch==1.5.15", "tf2onnx==1.17.0"],
    "onnx2tf": [
        "--no-deps", "onnx2tf==1.29.24", "onnx==1.19.1", "onnxruntime", "onnxscript", "onnx-ir", "onnx-graphsurgeon",
        "onnxsim", "onnxoptimizer", "simple-onnx-processing-tools", "sne4onnx", "sng4onnx", "ai-edge-litert", "tf-keras",  # noqa: E501
        "psutil", "opencv-python-headless", "coloredlogs",
    ],
}  # fmt: skip
RUNS = [("nobuco", "resnet50"), ("nobuco", "vit_b_16"), ("onnx2tf", "resnet18")]
"""onnx2tf takes minutes already for ResNet-18."""
INSTALLING, CONVERTING = 600.0, 1200.0


def python_of(converter: str) -> str:
    """The interpreter of a converter's environment, made where it is not there.

    Raises:
        RuntimeError: it does not install.
    """
    home = FOLDER / converter
    python, ready = home / "bin" / "python", home / ".ready"
    if ready.exists():
        return str(python)
    steps = [
        [sys.executable, "-m", "venv", "--clear", str(home)],
        [str(python), "-m", "pip", "install", "--quiet", *PACKAGES[converter]],
    ]
    try:
        subprocess.run(steps[0], check=True, capture_output=True, timeout=INSTALLING)
        own = next((home / "lib").glob("python*")) / "site-packages"
        (own / "behind.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
        subprocess.run(steps[1], check=True, capture_output=True, text=True, timeout=INSTALLING)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"did not install within {INSTALLING / 60:.0f} minutes") from None
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"did not install: {error.stderr.strip().splitlines()[-1]}") from None
    ready.touch()
    return str(python)


def measure(converter: str, name: str) -> dict[str, Any]:
    """What one converter did with one network, or `{"failed": why}`."""
    try:
        python = sys.executable if converter == "netglot" else python_of(converter)
        return fresh("benchmarks.converter", converter, name, python=python, limit=CONVERTING)
    except RuntimeError as error:
        return {"failed": str(error)}
