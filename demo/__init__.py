"""The demo: a data set made from the Python interpreter that runs it, and the main job done on it."""
