"""The TensorFlow dialect: the raw ops of a `GraphDef`, by their type."""

from netglot.dialects.dialect import Dialect

tensorflow = Dialect("tensorflow", "TensorFlow")
"""TensorFlow's raw ops, which `tf.function` and SavedModels hold."""
