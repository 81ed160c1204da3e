"""Approximate search: building a graph, searching it, searching it with a filter."""
