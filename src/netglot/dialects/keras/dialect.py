"""The Keras dialect: the object with which the files in `ops/` register."""

from netglot.dialects.dialect import Dialect

keras = Dialect("keras", "Keras")
