"""Judgments of several judges: read, held against each other, merged into a split, and what is still to judge."""
