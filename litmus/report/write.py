"""Writing a report: the page, the Markdown file, the trials, the verdicts, the figures; each whole or not at all."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import yaml

from litmus.atomic import replacing
from litmus.claims.judgement import CLOCK, clock_json, verdicts_json
from litmus.claims.results import COUNTERS, counter_column
from litmus.claims.results_table import RAN, told_of
from litmus.legible import read_yaml, yaml_fault
from litmus.records.tuning import TABLE, tuning_csv
from litmus.report.blocks import Document
from litmus.report.document import document
from litmus.report.evidence import Evidence
from litmus.report.render import html, markdown
from litmus.tables import table_text

AUTHOR = "author.yaml"
# Each picture of a page, which has its name before the identifiers inside it.
SHOWN = re.compile(r'id="([^"]+)-figure_1"')


def write_report(evidence: Evidence, directory: Path) -> Document:
    """report.html, report.md, results.csv, verdicts.json, where needed wall_clock.json and tuning.csv, and figures/."""
    shown = document(evidence)
    write(directory / "results.csv", results_csv(evidence))
    if evidence.results.tuning:
        write(directory / TABLE, tuning_csv(evidence.results.tuning, evidence.study, evidence.mixed))
    write(directory / "verdicts.json", verdicts_json(evidence.judgement))
    clock = clock_json(evidence.judgement)
    if clock:
        write(directory / CLOCK, clock)
    else:
        (directory / CLOCK).unlink(missing_ok=True)
    write_document(shown, directory)
    return shown


def write_document(shown: Document, directory: Path) -> None:
    """The page, the Markdown file and the figures; figures of the report that is there which this one lacks go."""
    figures, earlier = directory / "figures", shown_in(directory / "report.html")
    files = [picture.file for picture in shown.pictures if not picture.page_only]
    for picture in files:
        write(figures / f"{picture.name}.svg", picture.svg)
        write(figures / f"{picture.name}.png", picture.png)
    for name in earlier - {picture.name for picture in files}:
        for kind in ("svg", "png"):
            (figures / f"{name}.{kind}").unlink(missing_ok=True)
    write(directory / "report.md", markdown(shown))
    write(directory / "report.html", html(shown))


def shown_in(page: Path) -> set[str]:
    """The names of the pictures in a report's page: of these alone an earlier report wrote the files."""
    text = page.read_text(encoding="utf-8", errors="replace") if page.is_file() else ""
    return {name for name in SHOWN.findall(text) if Path(name).name == name}


def write(path: Path, content: str | bytes) -> None:
    """A whole file."""
    with replacing(path) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


def author_words(directory: Path) -> dict[str, str]:
    """What the author wrote into author.yaml beside the report, by slot: the one file here that is typed by hand.

    Raises:
        ValueError: when it is no mapping of names to texts.
    """
    path = directory / AUTHOR
    if not path.is_file():
        return {}
    try:
        node = read_yaml(path) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not valid YAML: {yaml_fault(error)}") from error
    if not isinstance(node, dict) or not all(isinstance(value, str) for value in node.values()):
        raise ValueError(f"{path}: expected a mapping of slots to texts, as in 'why: because …', got {node!r}")
    return {str(name): text for name, text in node.items()}


def results_csv(evidence: Evidence) -> str:
    """One row per trial that ended: arm, its settings, seed, quantities, counters, error; it can be judged as it is.

    Where trials differ in the code, the numerics or the data that they ran with and lint says so, it is told of each.
    """
    study = evidence.study
    quantities = list(study.quantities)
    known = (name for name in COUNTERS if any(name in trial.counters for trial in evidence.results.trials))
    counters = {name: column for name in known if (column := counter_column(study, name)) not in quantities}
    ran = [name for name in RAN if evidence.mixed and len({told_of(t, name) for t in evidence.results.trials}) > 1]
    # Seconds of a shared machine are not judged, here or again.
    timed = any(quantity.timed for quantity in study.quantities.values())
    loads = ["load"] if timed and any(trial.load is not None for trial in evidence.results.trials) else []
    own = ("arm", "seed", "error", *quantities, *counters.values(), *ran, *loads)
    varied = [key for key in study.varied if key not in own]
    rows = []
    order = {arm: place for place, arm in enumerate(study.arms)}
    ended = (trial for trial in evidence.results.trials if not trial.pending)
    for trial in sorted(ended, key=lambda trial: (order[trial.arm], trial.seed)):
        settings = [study.arms[trial.arm].get(key, "") for key in varied]
        measured = [cell(trial.values.get(name)) for name in quantities]
        spent = [cell(trial.counters.get(name)) for name in counters]
        by = [told_of(trial, name) for name in ran]
        busy = [cell(trial.load)] * len(loads)
        error = evidence.errors.get((trial.arm, trial.seed), "")
        rows.append([trial.arm, *settings, trial.seed, *measured, *spent, *by, *busy, error])
    return table_text(["arm", *varied, "seed", *quantities, *counters.values(), *ran, *loads, "error"], rows)


def cell(value: float | None) -> Any:
    """A number at full precision, whole numbers without a point, an empty cell for what was not measured."""
    if value is None:
        return ""
    return int(value) if math.isfinite(value) and value == int(value) and abs(value) < 1e15 else repr(float(value))
