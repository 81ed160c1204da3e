"""Benches of the kernels."""
