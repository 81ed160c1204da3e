"""The page itself: templates, style and script put together into one file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from crossfade.report.plots import WATERFALL_HEIGHT
from crossfade.report.scatter import HEIGHT as SCATTER_HEIGHT
from crossfade.report.sections.causes import cause_names
from crossfade.report.text import FILTERS
from crossfade.report.view import Page

_STYLES = ("report.css", "sections.css", "media.css")  # the last has the last word


def draw(page: Page) -> str:
    """The HTML of a page. Equal pages give equal bytes: no date, no random name."""
    style, script = Markup("").join(map(_part, _STYLES)), _part("report.js")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            page=page,
            style=style,
            script=script,
            policy=_policy(style, script),
            waterfall_height=WATERFALL_HEIGHT,
            scatter_height=SCATTER_HEIGHT,
        )
    )


def _policy(style: str, script: str) -> str:
    """Nothing is fetched, and only this style and this script are applied, whatever a document's text may hold."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _part(name: str) -> Markup:
    """A file of this package that goes into the page as it stands."""
    return Markup(files("crossfade.report").joinpath("templates", name).read_text(encoding="utf-8"))  # noqa: S704 - ours


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("crossfade.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({**FILTERS, "cause_names": cause_names})
    return environment
