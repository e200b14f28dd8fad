"""Calls of ATen operators on which reading is compared with PyTorch itself: one file a family of ops.

Each file has a list `SAMPLES` of `call("aten.name.overload", *arguments, **options)`; arrays stand for tensors.
"""


def call(name, *arguments, **options):
    """One call: the full name of the operator, its arguments and its options."""
    return name, arguments, options
