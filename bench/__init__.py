"""Benches: this project and its peers on the same input in the same run."""
