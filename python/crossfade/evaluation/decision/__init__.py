"""Whether a candidate may ship: declared before the figures are seen, concluded by one pure rule, recorded."""
