"""Benches of the measures and the paired tests."""
