"""From a document to its two texts: one page without network, one Markdown file."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from litmus.report.blocks import Document
from litmus.report.effects import SYMBOLS
from litmus.report.figures.picture import inline

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
SPECIAL = re.compile(r"([\\`*|<>\[\]]|(?<!\w)_|_(?!\w))")


def html(document: Document) -> str:
    """The whole page: style and pictures are inside it."""
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    return _environment().get_template("report.html.j2").render(document=document, style=style, symbols=SYMBOLS)


def markdown(document: Document, pictures: str = "png") -> str:
    """The same content for repositories and terminals; pictures of this kind are linked in figures/."""
    return _environment().get_template("report.md.j2").render(document=document, symbols=SYMBOLS, pictures=pictures)


def rendered(template: Path, **values: Any) -> str:
    """A template of one's own, filled; it has what the report's have."""
    return _environment(template.parent).get_template(template.name).render(**values)


@cache
def _environment(folder: Path = TEMPLATES) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=lambda name: bool(name) and "html" in str(name),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["inline"] = lambda picture: Markup(inline(picture))
    environment.filters["plain"] = escaped
    environment.filters["breakable"] = breakable
    return environment


def escaped(value: Any) -> str:
    """Text that Markdown shows as it is, in one line."""
    return SPECIAL.sub(r"\\\1", " ".join(str(value).split()))


def breakable(value: Any) -> Any:
    """Long names may wrap after their commas and slashes."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"([,/])(?=[^\W\d])", r"\1<wbr>", str(escape(value))))
