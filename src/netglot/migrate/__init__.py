"""Source-code migration: the user's own files, in the other framework, proven by running both.

A file is parsed once. Its expressions are numbered, run under observation in a worker, and rewritten where they stand;
what no rule speaks of is kept to the letter.
"""
