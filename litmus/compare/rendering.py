"""The page: one file with its style, its data and its script inside, which asks for nothing on any network."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files
from pathlib import Path

from litmus.atomic import replacing
from litmus.compare.comparison import Comparison
from litmus.compare.payload import as_script, payload
from litmus.compare.ranking import SMALL, ranking
from litmus.legible import legible
from litmus.report.render import TEMPLATES
from litmus.words import count, plain

PAGE = Path(__file__).parent / "page"
# In this order: each uses what stands before it.
SCRIPTS = ("data", "numbers", "filter", "state", "curves", "arms", "table", "parallel", "difference", "main")


def write_page(comparison: Comparison, path: Path, command: Sequence[str] = ()) -> None:
    """Writes the page whole or not at all.

    Raises:
        ValueError: when it cannot be written there.
    """
    content = page(comparison, legible(" ".join(command)))
    try:
        with replacing(path) as part:
            part.write_text(content, encoding="utf-8")
    except OSError as problem:
        raise ValueError(
            f"{path} cannot be written ({problem.strerror}); name another file with --output FILE"
        ) from problem


def page(comparison: Comparison, command: str) -> str:
    """The page's text."""
    content, blocks = payload(comparison), ranking(comparison)
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["plain"] = plain
    problems = [run for run in comparison.runs if run.record.status != "completed"]
    return environment.get_template("page.html.j2").render(
        title=f"Comparison of {comparison.title}",
        blocks=blocks,
        bands=list(dict.fromkeys(block.band for block in blocks if block.band)),
        small=SMALL,
        colours={arm["name"]: arm["colour"] for arm in content["arms"]},
        lead=comparison.lead,
        when=f"{datetime.now():%Y-%m-%d %H:%M}",
        command=command or "scripts/compare.py",
        notes=comparison.notes,
        problems=problems,
        told=f"{count(len(problems), 'directory').replace('directorys', 'directories')} without a completed run",
        example=_example(comparison),
        style=(TEMPLATES / "report.css").read_text(encoding="utf-8") + (PAGE / "page.css").read_text(encoding="utf-8"),
        data=as_script(content),
        plotly=(files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8"),
        script="\n".join((PAGE / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS),
    )


def _example(comparison: Comparison) -> str:
    """A filter that these runs can be asked."""
    arm = next(iter(comparison.arms)).name
    factor = next((name for name in comparison.factors if name == "lr"), None)
    shown = f'arm="{arm}"' if " " in arm else f"arm={arm}"
    return " ".join([*([f"{factor}>1e-3"] if factor else []), shown, "seed<5"])
