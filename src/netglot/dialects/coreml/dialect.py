"""The Core ML dialect: layers of neural networks by the field that holds them in a specification."""

from netglot.dialects.dialect import Dialect

coreml = Dialect("coreml", "Core ML")
"""What each layer means. A reader is given the layer at work and its inputs: pictures, or vectors of rank 2."""
