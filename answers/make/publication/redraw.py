"""A published study whose runs are gone, told and drawn as reports are today, from the tables that were kept."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from answers.make.publication.page import page
from answers.make.publication.paths import without_paths
from answers.make.publication.rows import judged_rows
from answers.make.publication.small_png import smaller
from answers.make.publication.summary import FILE, means, read_summary, summary_json
from answers.make.publication.tables import read_runs
from litmus.claims.judgement import CLOCK, clock_json, verdicts_json
from litmus.report.render import markdown
from litmus.report.results_files import read_tables
from litmus.report.write import write

# What a table does not tell stays as it was published: the settings, curves, tuning, code and machine of the runs.
KEPT = ("Curves", "Treatment", "Sensitivity", "Reproducibility")
EARLIER = {"Dynamics": "Curves"}
NEXT = {"Curves": "Cost", "Treatment": "Reproducibility", "Sensitivity": "Reproducibility"}
LINT = "**Lint:"
FINDING = re.compile(r"^\| (?:error|warning) \| (\w+) \|.*\n", re.MULTILINE)
CURVE = re.compile(r"^!\[[^\n]*\]\(figures/curves-val[^\n]*\n\n\*[^\n]*\*\n\n", re.MULTILINE)
# The best of many joined over arms of unequal budgets: it says nothing, and no report draws it any more.
ISOLATION = re.compile(r"^!\[[^\n]*\]\(figures/isolation[^\n]*\n\n\*[^\n]*\*\n\n", re.MULTILINE)
DRAWN_THEN = "Drawn when the study was published, from what its runs recorded."
AGAIN = "Judged and drawn again, from the published table"
# Curves of so few epochs are a line through a few points.
FEW_EPOCHS = 5


def redraw(place: Path) -> Path:
    """Judges a published study's table again and writes its page, pictures, verdicts and summary anew.

    Raises:
        FileNotFoundError: where nothing is published.
        ValueError: for a published file that cannot be understood.
    """
    summary = read_summary(place)
    evidence = read_tables(place / "study.yaml", [place / "results.csv"], place)
    evidence = replace(evidence, runs=[run for run in read_runs(place) if run.arm in evidence.study.arms])
    shown = page(evidence, place.name)
    published = (place / "report.md").read_text(encoding="utf-8")
    curves = any(evidence.counter("epochs", arm) > FEW_EPOCHS for arm in evidence.study.arms)
    text = merged(markdown(shown), published, curves, f"python answers/make/publish.py --redraw {place.name}")
    figures = place / "figures"
    for picture in shown.pictures:
        if not picture.page_only:
            write(figures / f"{picture.file.name}.png", smaller(picture.file.png))
    linked = "".join(page.read_text(encoding="utf-8") for page in place.parent.glob("*.md"))
    for path in figures.glob("*.png"):
        if f"](figures/{path.name})" not in text and f"]({place.name}/figures/{path.name})" not in linked:
            path.unlink()
    own = replace(
        summary,
        rows=tuple(judged_rows(place.name, evidence)),
        arms={arm: {**summary.arms.get(arm, {}), **means(evidence, arm)} for arm in evidence.study.arms},
        pictures=tuple({"name": one.name, "alt": one.alt, "caption": one.caption} for one in shown.pictures),
    )
    texts = {"report.md": text, "verdicts.json": verdicts_json(evidence.judgement), FILE: summary_json(own)}
    clock = clock_json(evidence.judgement)
    texts |= {CLOCK: clock} if clock else {}
    for name, content in texts.items():
        write(place / name, without_paths(content))
    return place


def merged(new: str, published: str, curves: bool, command: str) -> str:
    """The new page with those sections of the published one that say what the table does not."""
    fresh, known = sections(new), {EARLIER.get(title, title): body for title, body in sections(published).items()}
    picture = next(iter(CURVE.findall(known.get("Curves", ""))), "")
    folded = f"\n<details><summary>{DRAWN_THEN}</summary>\n\n{picture}</details>\n\n"
    known["Curves"] = folded if picture and curves else ""
    for title in KEPT:
        if known.get(title, "").strip() and "](figures/" not in fresh.get(title, ""):
            fresh[title] = ISOLATION.sub("", known[title])
    fresh["Design"] = designed(fresh.get("Design", ""), known.get("Design", ""))
    if AGAIN not in fresh["Reproducibility"]:
        fresh["Reproducibility"] += f"\n{AGAIN}: `{command}`.\n"
    order = [title for title in fresh if title not in NEXT]
    for title in (title for title in NEXT if title in fresh):
        order.insert(order.index(NEXT[title]) if NEXT[title] in order else len(order), title)
    head, *titles = order
    return head + "".join(f"## {title}\n{fresh[title]}" for title in titles)


def designed(new: str, published: str) -> str:
    """The settings and data as published, with today's findings, and those of then that a table cannot show."""
    settings, _, before = published.partition(LINT)
    _, _, now = new.partition(LINT)
    if not settings.strip() or not now:
        return new
    codes = {one[1] for one in FINDING.finditer(now)}
    more = "".join(one[0] for one in FINDING.finditer(before) if one[1] not in codes)
    kept = f"**Found in the runs' records then**\n\n| level | code | finding | concerns |\n|---|---|---|---|\n{more}\n"
    return settings + LINT + now + (kept if more else "")


def sections(text: str) -> dict[str, str]:
    """The head, and then title → what stands under it, up to the next title."""
    head, *parts = re.split(r"^## ", text, flags=re.MULTILINE)
    split = [part.partition("\n") for part in parts]
    return {head: ""} | {title: body for title, _, body in split}
