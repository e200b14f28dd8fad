"""The dialect of TensorFlow Lite: its operators by their names."""

from netglot.dialects.dialect import Dialect

tflite = Dialect("tflite", "TensorFlow Lite")
"""What each operator means. A reader is given the operator at work and its inputs, absent ones as None."""
