"""Reading a study's directory as the sweeper leaves it: study.yaml, arms.json, trials/ARM/seed=K/, tuning/ARM/…/."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

from litmus.claims.finding import warning
from litmus.claims.notation import listing
from litmus.claims.registration import read_registrations
from litmus.claims.results import Results
from litmus.claims.runs import results_from_runs
from litmus.claims.study import Study
from litmus.claims.study_file import COMMAND, is_smoke, read_study_file
from litmus.legible import legible, read_json, read_object
from litmus.records.facts import other_rows
from litmus.records.looks_file import read_looks, refuse_lost_looks
from litmus.records.record import Record
from litmus.records.trials import read_trials, run_of
from litmus.records.tuning import read_tuning, trials_of
from litmus.report.evidence import SMOKE, UNSETTLED, Evidence, evidence_of
from litmus.report.write import author_words

LOST = f"{COMMAND}, which says how the study was started, is missing or damaged; the same command writes it anew."
# What a smoke run alone evaluates, see sweeps/smoke.py: the last mark of one whose files an earlier version wrote.
EVALUATED = ("trainer.limit_val_batches", "trainer.limit_test_batches")


def is_study_directory(directory: Path) -> bool:
    """Whether a directory is one that a study was run in."""
    return (directory / "study.yaml").is_file()


def read_study_directory(directory: Path) -> Evidence:
    """The study with its trials, measured and judged.

    Raises:
        FileNotFoundError: when the directory holds no study, or a table in the place of its trials.
        ValueError: when study.yaml or arms.json cannot be understood.
    """
    if not is_study_directory(directory):
        raise FileNotFoundError(f"{directory}: expected a study's directory with study.yaml in it, found none")
    if (directory / "trials").is_dir():
        refuse_lost_looks(directory)
    elif tables := sorted(directory.glob("results*.csv*")):  # a copied study, say, whose verdicts would be withdrawn
        raise FileNotFoundError(
            f"{directory}: expected the trials of its study in trials/, found {tables[0].name} alone; judge that, as "
            f"python scripts/report.py {directory / 'study.yaml'} {tables[0]} -o DIR"
        )
    study = read_study_file(directory / "study.yaml")
    configs = read_configs(directory / "arms.json", study)
    records, found = read_trials(directory / "trials", study, configs)
    runs = [run_of(arm, seed, record, study) for (arm, seed), record in records.items()]
    results = results_from_runs(study, runs)
    found += other_rows(study, records)
    tuning, known = read_tuning(directory / "tuning", study)
    asked = read_object(directory / COMMAND)
    if not asked:
        found.append(warning("lost_note", LOST))
    if asked.get("smoke") or is_smoke(directory / "study.yaml") or (not asked and evaluated_as_smoke(configs)):
        found.append(SMOKE)
    name = legible(asked.get("study") or directory.resolve().name)
    return evidence_of(
        name,
        study,
        Results(results.trials, (*found, *results.findings), tuple(tuning) if known else ()),
        runs=runs,
        configs=configs,
        records=records,
        tuning=trials_of(tuning, study),
        command=str(asked.get("command") or f"python train.py -m study={name}"),
        words=author_words(directory),
        registered=read_registrations(directory),
        ended=ended(study, records),
        looked=read_looks(directory),
    )


def evaluated_as_smoke(configs: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether every arm validates and tests on a single batch."""
    return bool(configs) and all(
        isinstance(one.get(knob), int) and one[knob] == 1 for one in configs.values() for knob in EVALUATED
    )


def ended(study: Study, records: Mapping[tuple[str, int], Record]) -> list[int]:
    """The seeds, in their order and up to the first gap, whose trials have all ended, well or not.

    In their order, however they were typed: else the first five could be chosen when all are known.
    """

    def whole(seed: int) -> bool:
        own = [records.get((arm, seed)) for arm in study.arms]
        return all(record is not None and not record.pending and record.status not in UNSETTLED for record in own)

    return list(takewhile(whole, sorted(study.seeds)))


def read_configs(path: Path, study: Study) -> dict[str, dict[str, Any]]:
    """Each arm's resolved flat settings; none when there is no file."""
    if not path.is_file():
        return {}
    try:
        found = read_json(path)
    except ValueError as problem:
        raise ValueError(f"{path} is not valid JSON: {problem}; run the study again to write it") from problem
    if not isinstance(found, dict) or set(found) != set(study.arms):
        lacking = [arm for arm in study.arms if arm not in found] if isinstance(found, dict) else list(study.arms)
        told = f"it lacks {listing(lacking)}" if lacking else "it has others"
        raise ValueError(f"{path} must hold the settings of the arms of study.yaml, but {told}; run the study again")
    return found
