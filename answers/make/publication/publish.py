"""A finished study's directory → DOCS/NAME: its page, figures, results, verdicts, question and summary."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

from answers.make.publication.page import page, write_pictures
from answers.make.publication.paths import without_paths
from answers.make.publication.summary import FILE, summary_json, summary_of
from answers.make.publication.tables import CURVES, RESULTS, TRIALS, curves_csv, shortened, trials_csv, zipped
from litmus.claims.judgement import CLOCK, clock_json, verdicts_json
from litmus.records.looks_file import FILE as LOOKS
from litmus.records.looks_file import record_look
from litmus.records.tuning import TABLE, tuning_csv
from litmus.report.evidence import SMOKE, Evidence
from litmus.report.study_directory import read_study_directory
from litmus.report.write import AUTHOR, author_words, results_csv, write
from litmus.words import count


def publish(directory: Path, root: Path) -> Path:
    """Publishes a study and gives its new directory; whole or not at all, and what its author wrote there stays.

    Raises:
        FileNotFoundError: when the directory holds no study.
        ValueError: for a smoke run or a study that lacks trials: a verdict of a part would be made up.
    """
    evidence = read_study_directory(directory)
    refuse_unfinished(directory, evidence)
    place = root / directory.resolve().name
    record_look(directory, evidence.judgement)
    evidence = replace(evidence, words={**evidence.words, **author_words(place)})
    root.mkdir(parents=True, exist_ok=True)
    for left in root.glob(f".{place.name}.*"):  # of a publication that was killed
        shutil.rmtree(left)
    part, old = (place.with_name(f".{place.name}.{os.getpid()}.{word}") for word in ("part", "old"))
    try:
        fill(part, place.name, evidence, (directory / "study.yaml").read_text(encoding="utf-8"))
        if evidence.judgement.looks.corrected:  # without them its table would be judged as one look
            shutil.copyfile(directory / LOOKS, part / LOOKS)
        if place.exists():
            if (place / AUTHOR).is_file():
                shutil.copyfile(place / AUTHOR, part / AUTHOR)
            place.replace(old)
        part.replace(place)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if old.exists() and not place.exists():
            old.replace(place)
        shutil.rmtree(old, ignore_errors=True)
    return place


def refuse_unfinished(directory: Path, evidence: Evidence) -> None:
    """Only a study whose every trial ended has verdicts to publish."""
    if SMOKE in evidence.judgement.lint:
        raise ValueError(f"{directory} is a smoke run, whose numbers say nothing; publish the study itself")
    missing = evidence.missing
    if missing:
        asked = len(evidence.study.arms) * len(evidence.asked)
        arm, seed = missing[0]
        raise ValueError(
            f"{directory} lacks {count(len(missing), 'trial')} of {asked} (the first: {arm} seed {seed}), and a part "
            f"has no verdict; finish it: {evidence.command}"
        )


def fill(directory: Path, name: str, evidence: Evidence, study: str) -> None:
    """Writes all files of a published study."""
    shown = page(evidence, name)
    texts = {
        "report.md": write_pictures(shown, directory / "figures").replace(" results.csv;", f" {RESULTS};"),
        "verdicts.json": verdicts_json(evidence.judgement),
        "study.yaml": study,
        FILE: summary_json(summary_of(name, evidence)),
    }
    clock = clock_json(evidence.judgement)
    texts |= {CLOCK: clock} if clock else {}
    for file, text in texts.items():
        write(directory / file, without_paths(text))
    tables = {RESULTS: results_csv(evidence), TRIALS: trials_csv(evidence), CURVES: curves_csv(evidence)}
    if evidence.results.tuning:
        tables[f"{TABLE}.gz"] = shortened(tuning_csv(evidence.results.tuning, evidence.study, evidence.mixed))
    for file, table in tables.items():
        write(directory / file, zipped(without_paths(table)))
