"""The store on disk: what a write costs, when it is found, what upkeep costs those who search."""
