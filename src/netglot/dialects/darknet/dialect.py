"""The Darknet dialect: the sections of its `.cfg` files by their type."""

from netglot.dialects.dialect import Dialect

darknet = Dialect("darknet", "Darknet")
"""What each of Darknet's sections means. A reader is given the section at work, and the result before it."""
