"""Tests of migrating source files."""
