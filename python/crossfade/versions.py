"""What is installed, for records and `--version`. Never an error: a record is worth more than the version in it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed(*packages: str) -> dict[str, str]:
    """The version of each that is installed as a package, by name."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def own() -> str:
    """crossfade's version; "not installed" where it runs from a source tree."""
    return installed("crossfade").get("crossfade", "not installed")
