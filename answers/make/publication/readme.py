"""The README's block of verdicts: the primary prediction of each study and the chosen pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from answers.make.publication.index import Index, shown
from answers.make.publication.rows import NOT_RUN, Row
from litmus.claims.schema import keys, mapping, way_out, words
from litmus.legible import read_yaml
from litmus.report.render import rendered

FILE = "readme.yaml"
BEGIN, END = "<!-- verdicts:begin -->", "<!-- verdicts:end -->"
BLOCK = re.compile(f"(?<={re.escape(BEGIN)}\n).*?(?={re.escape(END)})", re.DOTALL)
MOST_LETTERS = 110


@dataclass(frozen=True)
class Choice:
    """A picture of a published study, by hand from readme.yaml; its words are the study's own."""

    path: str
    alt: str
    caption: str
    study: str


def read_choices(root: Path, index: Index) -> list[Choice]:
    """The chosen pictures of readme.yaml, `pictures: [{study, figure}]`; those of studies still to be run are left out.

    Raises:
        ValueError: for a picture that no study has.
    """
    path = root / FILE
    node = mapping(read_yaml(path) if path.is_file() else {}, path.name)
    keys(node, path.name, ["pictures"])
    found = [choice(one, root, index, f"{path.name} picture {n}") for n, one in enumerate(node.get("pictures", []), 1)]
    return [one for one in found if one is not None]


def choice(entry: Any, root: Path, index: Index, where: str) -> Choice | None:
    """One picture with its words; None when its study was not run yet."""
    node = mapping(entry, where)
    keys(node, where, ["study", "figure"], ["study", "figure"])
    name, figure = words(node["study"], f"{where}.study"), words(node["figure"], f"{where}.figure")
    found: dict[str, Mapping[str, str]] = {
        picture["name"]: picture for one in index.summaries if one.name == name for picture in one.pictures
    }
    if not found and any(plan.name == name for plan in index.unfinished):
        return None
    if figure not in found:
        known = found or [one.name for one in index.summaries]
        what = f"study {name} has no figure {figure!r}" if found else f"no study {name!r} is published"
        raise ValueError(f"{where}: {what}; {way_out(figure if found else name, list(known))}")
    path = f"answers/{root.name}/{name}/figures/{figure}.png"
    return Choice(path, found[figure]["alt"], found[figure]["caption"], name)


def readme_block(root: Path, index: Index) -> str:
    """What stands between the two markers."""
    primaries = [row for row in index.rows if row.primary and row.regime == "repaired" and row.verdict != NOT_RUN]
    return rendered(
        Path(__file__).with_name("readme.md.j2"),
        index=index,
        rows=primaries,
        choices=read_choices(root, index),
        docs=f"answers/{root.name}",
        claim=claim,
        verdict=shown,
    )


def claim(row: Row) -> str:
    """The claim, cut after some words."""
    if len(row.claim) <= MOST_LETTERS:
        return row.claim
    return row.claim[:MOST_LETTERS].rpartition(" ")[0].rstrip(",.;:") + " …"


def with_block(text: str, block: str, name: str) -> str:
    """The README with the block in its place.

    Raises:
        ValueError: when it lacks the markers.
    """
    if not BLOCK.search(text):
        raise ValueError(f"{name} has no lines {BEGIN} and {END}; put them where the verdicts belong")
    return BLOCK.sub(lambda _: block, text, count=1)
