"""Scripts that run a written file in its own framework, in that framework's own interpreter.

They import nothing of netglot and keep to the syntax of Python 3.6, because a retired framework needs an old
interpreter. `serving` is their side of the pipe; `run_<framework>.py` what they do.
"""
