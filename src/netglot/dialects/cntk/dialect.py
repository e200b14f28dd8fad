"""The CNTK dialect: operations by the names of their numbers."""

from netglot.dialects.dialect import Dialect

cntk = Dialect("cntk", "CNTK")
"""What each operation means. A reader is given the function at work and its operands as samples."""
