"""Evidence from tables of trials that were run elsewhere."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from litmus.claims.finding import Finding
from litmus.claims.results_table import read_results
from litmus.claims.study_file import is_smoke, read_study_file
from litmus.legible import legible
from litmus.records.looks_file import read_looks
from litmus.records.tuning import TABLE, read_table, table_beside, trials_of
from litmus.report.evidence import SMOKE, Evidence, evidence_of
from litmus.report.write import author_words

# A study's copy in its own directory, which is called as the study is.
STUDY = "study"


def read_tables(study_file: Path, tables: Sequence[Path], output: Path, findings: Sequence[Finding] = ()) -> Evidence:
    """The study of a file with the trials of one or more CSV files, judged.

    A tuning.csv beside a table says how its arms were tuned; `findings` are of the runs, which no table shows.

    Raises:
        FileNotFoundError: for a file that is not there.
        ValueError: for a study or a table that cannot be understood.
    """
    for path in (study_file, *tables):
        if not path.is_file():
            raise FileNotFoundError(f"{path}: expected a table of trials, found nothing; name another")
    study = read_study_file(study_file)
    try:
        results = read_results(study, *tables)
    except UnicodeDecodeError as error:
        raise ValueError(f"{', '.join(map(str, tables))}: expected CSV in UTF-8, got {error.reason}") from error
    folders = dict.fromkeys(path.parent for path in tables if study.nuisance)
    beside = [path for path in map(table_beside, folders) if path is not None]
    tuning = tuple(run for path in beside for run in read_table(path, study))
    names = [study_file.name, *(path.name for path in tables), "-o", output.name or "."]
    known = (*((SMOKE,) if is_smoke(study_file) else ()), *findings, *results.findings)
    return evidence_of(
        legible(study_file.stem if study_file.stem != STUDY else study_file.resolve().parent.name),
        study,
        replace(results, tuning=tuning, findings=known),
        tuning=trials_of(tuning, study),
        command=legible(f"python scripts/report.py {shlex.join(names)}"),
        sources={legible(path.name): digest(path) for path in (study_file, *tables, *beside)},
        words=author_words(output),
        # A directory's table is looked at as often as the directory itself, and a table that grows as its reports are.
        looked=read_looks(*(path.parent for path in (study_file, *tables)), output, study=study),
    )


def refuse_inputs(tables: Sequence[Path], output: Path) -> None:
    """Refuses a directory whose own tables are judged: the report would write others over or beside them.

    Raises:
        ValueError: with the way out.
    """
    beside = [path for path in map(table_beside, dict.fromkeys(path.parent for path in tables)) if path is not None]
    written = {(output / f"{name}{zipped}").resolve() for name in ("results.csv", TABLE) for zipped in ("", ".gz")}
    for path in (*tables, *beside):
        if path.resolve() in written:
            raise ValueError(
                f"{path} is judged, and a report in {output} has a {path.name.removesuffix('.gz')} of its own there, "
                f"with other columns; take another directory, as in -o {output / 'report'}"
            )


def refuse_other_study(study_file: Path, output: Path) -> None:
    """Refuses a directory of another study, or of a study's own trials, whose verdicts would be written over.

    Raises:
        ValueError: with the way out.
    """
    there = output / f"{STUDY}.yaml"
    if not there.is_file():
        return
    elsewhere = f"would be written over; take another directory, as in -o {output / 'report'}"
    if not study_file.is_file() or there.read_bytes() != study_file.read_bytes():
        raise ValueError(f"{there} is another study than is reported here, and its report in {output} {elsewhere}")
    if (output / "trials").is_dir():
        raise ValueError(f"{output} has trials of its own, and what is told of them there {elsewhere}")


def digest(path: Path) -> str:
    """The beginning of a file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
