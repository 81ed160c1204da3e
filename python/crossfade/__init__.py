"""crossfade: serve two embedding models, measure them on the same queries, and decide which one should ship."""
