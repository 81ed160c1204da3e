"""Importing: a model as it comes -> a bundle."""

from crossfade.models.importing.importer import ImportOptions, import_model

__all__ = ["ImportOptions", "import_model"]
