"""Products of matrices, linear layers and einsum."""
