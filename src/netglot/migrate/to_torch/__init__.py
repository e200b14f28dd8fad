"""TensorFlow's and Keras's calls in PyTorch: the tables, the helpers that emitted files may need, and the target."""
