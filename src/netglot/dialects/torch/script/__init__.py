"""TorchScript programs as live modules: their code is walked, statement by statement, over PyTorch's own operators."""
