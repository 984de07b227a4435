"""Evidence from tables of trials that were run elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from litmus.claims.results_table import read_results
from litmus.claims.study_file import read_study_file
from litmus.legible import legible
from litmus.records.looks_file import read_looks
from litmus.report.evidence import Evidence, evidence_of
from litmus.report.write import author_words


def read_tables(study_file: Path, tables: Sequence[Path], output: Path) -> Evidence:
    """The study of a file with the trials of one or more CSV files, judged.

    Raises:
        FileNotFoundError: for a file that is not there.
        ValueError: for a study or a table that cannot be understood.
    """
    for path in (study_file, *tables):
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file")
    study = read_study_file(study_file)
    try:
        results = read_results(study, *tables)
    except UnicodeDecodeError as error:
        raise ValueError(f"{', '.join(map(str, tables))}: expected CSV in UTF-8, got {error.reason}") from error
    names = " ".join(legible(path.name) for path in tables)
    return evidence_of(
        legible(study_file.stem),
        study,
        results,
        command=f"python scripts/report.py {legible(study_file.name)} {names} -o {legible(output.name) or '.'}",
        sources={
            legible(path.name): hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in (study_file, *tables)
        },
        words=author_words(output),
        # A directory's table is looked at as often as the directory itself.
        looked=read_looks(*(path.parent for path in (study_file, *tables))),
    )
