"""What the user asks for, understood: sources, inputs and weights. No framework is imported before it is needed."""
