"""The MXNet dialect: operators by the names that its symbols give them."""

from netglot.dialects.dialect import Dialect

mxnet = Dialect("mxnet", "MXNet")
"""What each operator means. A reader is given the node at work and its inputs."""
