"""Evaluation: data sets, runs, measures of one model, and the comparison of two."""
