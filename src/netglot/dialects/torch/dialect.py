"""The PyTorch dialect: the object with which the files in `ops/` register."""

from netglot.dialects.dialect import Dialect

torch = Dialect("torch", "PyTorch")
