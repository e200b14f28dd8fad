"""PyTorch's calls in Keras and TensorFlow: the tables, the helpers that emitted files may need, and the target."""
