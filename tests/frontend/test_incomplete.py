"""torchvision can be a source where its compiled operators do not load."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

pytest.importorskip("torch")

PROGRAM = """
import sys
from netglot.frontend.usercode import user_code
with user_code("importing torchvision"):
    import torchvision
assert torchvision.models.resnet18(weights=None) is not None
print("imported")
"""


def test_torchvision_is_imported_with_or_without_its_operators():
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "imported", done.stderr
