"""A published study whose runs are gone, told and drawn as reports are today, from the tables that were kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from answers.make.publication.page import page, write_pictures
from answers.make.publication.paths import without_paths
from answers.make.publication.rows import judged_rows
from answers.make.publication.summary import FILE, means, read_summary, summary_json
from answers.make.publication.tables import RESULTS, counted_results, read_runs, zipped
from litmus.claims.finding import Finding, error
from litmus.claims.judgement import CLOCK, clock_json, verdicts_json
from litmus.claims.lint.active import EARLY, SAME, SHARED
from litmus.claims.study_file import read_study_file
from litmus.report.results_files import read_tables
from litmus.report.write import write

# What no table tells stays as it was published: the settings, code and machine of the runs, and of some their tuning.
KEPT = ("Treatment", "Sensitivity", "Reproducibility")
NEXT = {"Treatment": "Reproducibility", "Sensitivity": "Reproducibility"}
LINT = re.compile(r"^(?:\*\*Lint:|Lint found nothing)", re.MULTILINE)
DATA = re.compile(r"^\| \S+ \| (\w+) \| [\d,]+ \| (.*) \| .* \|\n", re.MULTILINE)
LOOKED, BELOW = re.compile(r"^Looked for: .*$", re.MULTILINE), "arms below the constant predictor"
POINT = re.compile(r"^- .*$", re.MULTILINE)
FINDING = re.compile(r"^\| (?:error|warning) \| (\w+) \|.*\n", re.MULTILINE)
CAPPING = re.compile(r"^\| error \| (\w+) \| (.*) \| (.*) \|\n", re.MULTILINE)
# What is found in the course of the runs, of which no table tells, and what it says of a verdict.
OF_THE_COURSE = {"same_run": SAME, "early_judgement": EARLY, "shared_machine": SHARED}
FIGURE = re.compile(r"\]\(figures/([^)]+)\)")
CURVES = "(figures/curves-"  # of a metric that curves.csv.gz does not have
AGAIN = "Judged and drawn again, from the published table"


def redraw(place: Path) -> Path:
    """Judges a published study's table again and writes its page, pictures, verdicts and summary anew.

    Raises:
        FileNotFoundError: where nothing is published.
        ValueError: for a published file that cannot be understood.
    """
    summary = read_summary(place)
    published = (place / "report.md").read_text(encoding="utf-8")
    if table := counted_results(place, read_study_file(place / "study.yaml")):
        write(place / RESULTS, zipped(table))
    evidence = read_tables(place / "study.yaml", [place / RESULTS], place, capping(published))
    runs = [run for run in read_runs(place) if run.arm in evidence.study.arms]
    evidence = replace(evidence, runs=runs, guessing=guessing(published))
    shown = page(evidence, place.name)
    text = merged(
        write_pictures(shown, place / "figures"),
        published,
        kept=KEPT if not evidence.tuning else [title for title in KEPT if title != "Sensitivity"],
        command=f"python answers/make/publish.py --redraw {place.name}",
    )
    names = set(FIGURE.findall(text))
    for path in (place / "figures").iterdir():
        if path.name not in names:
            path.unlink()
    own = replace(
        summary,
        rows=tuple(judged_rows(place.name, evidence)),
        arms={arm: {**summary.arms.get(arm, {}), **means(evidence, arm)} for arm in evidence.study.arms},
    )
    texts = {"report.md": text, "verdicts.json": verdicts_json(evidence.judgement), FILE: summary_json(own)}
    clock = clock_json(evidence.judgement)
    texts |= {CLOCK: clock} if clock else {}
    for name, content in texts.items():
        write(place / name, without_paths(content))
    return place


def capping(published: str) -> list[Finding]:
    """What was found in the course of the runs that caps verdicts, as the published page tells it."""
    found = []
    for code, message, concerned in CAPPING.findall(sections(published).get("Design", "")):
        if code in OF_THE_COURSE:
            if concerned.endswith(" more"):
                raise ValueError(f"the published page does not name all predictions that {code} caps; publish it anew")
            message = re.sub(r"\\(.)", r"\1", message)
            names = re.sub(r"\\(.)", r"\1", concerned).split(", ")
            found.append(error(code, message, names, OF_THE_COURSE[code]))
    return found


def guessing(published: str) -> dict[str, float]:
    """What always saying the commonest class scores on each split, where the published page tells one number for it."""
    told: dict[str, set[str]] = {}
    for split, score in DATA.findall(sections(published).get("Design", "")):
        told.setdefault(split, set()).add(score)
    numbers = {split: next(iter(scores)) for split, scores in told.items() if len(scores) == 1}
    return {split: float(score) for split, score in numbers.items() if re.fullmatch(r"[\d.]+", score)}


def merged(new: str, published: str, kept: Sequence[str], command: str) -> str:
    """The new page with those sections of the published one that say what the tables do not."""
    fresh, known = sections(new), sections(published)
    undrawn = [title for title in known if CURVES in known[title] and CURVES not in fresh.get(title, "")]
    fresh |= {title: known[title] for title in [*kept, *undrawn] if known.get(title, "").strip()}
    fresh["Design"] = designed(fresh.get("Design", ""), known.get("Design", ""))
    fresh["Surprises"] = surprising(fresh.get("Surprises", ""), known.get("Surprises", ""))
    if AGAIN not in fresh["Reproducibility"]:
        fresh["Reproducibility"] += f"\n{AGAIN}: `{command}`.\n"
    order = [title for title in fresh if title not in NEXT]
    for title in (title for title in NEXT if title in fresh):
        order.insert(order.index(NEXT[title]) if NEXT[title] in order else len(order), title)
    head, *titles = order
    return head + "".join(f"## {title}\n{fresh[title]}" for title in titles)


def designed(new: str, published: str) -> str:
    """The settings and data as published, with today's findings, and those of then that a table cannot show."""
    then, now_at = LINT.search(published), LINT.search(new)
    if then is None or now_at is None:
        return new
    settings, before, now = published[: then.start()], published[then.start() :], new[now_at.start() :]
    codes = {one[1] for one in FINDING.finditer(now)}
    more = "".join(one[0] for one in FINDING.finditer(before) if one[1] not in codes)
    kept = f"**Found in the runs' records then**\n\n| level | code | finding | concerns |\n|---|---|---|---|\n{more}\n"
    return settings + now + (kept if more else "")


def surprising(new: str, published: str) -> str:
    """Today's surprises, and of then the arms below a constant predictor whose score differs from run to run."""
    then, now = LOOKED.search(published), LOOKED.search(new)
    if then is None or now is None or BELOW not in then[0] or BELOW in now[0].partition(" Not looked for")[0]:
        return new
    of_then = [point for point in POINT.findall(published) if point.startswith("- Not above the constant predictor")]
    told = "\n".join([*POINT.findall(new), *of_then]) or "Nothing of the kind was found."
    return f"\n{then[0]}\n\n{told}\n\n"


def sections(text: str) -> dict[str, str]:
    """The head, and then title → what stands under it, up to the next title."""
    head, *parts = re.split(r"^## ", text, flags=re.MULTILINE)
    split = [part.partition("\n") for part in parts]
    return {head: ""} | {title: body for title, _, body in split}
