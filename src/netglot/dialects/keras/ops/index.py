"""Slicing, gathering and scattering."""
