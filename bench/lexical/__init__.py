"""Benches of text search."""
