"""The PaddlePaddle dialect: operators by the names that version 3 (PIR) gives them."""

from netglot.dialects.dialect import Dialect

paddle = Dialect("paddle", "PaddlePaddle")
"""What each operator means. A reader is given the operator at work and its inputs in order."""
