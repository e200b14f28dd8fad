"""Control flow with sub-graphs."""
