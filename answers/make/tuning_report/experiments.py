"""The finished studies that the hyperparameter report is written from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from answers.make.publication.rows import AS_REPORTED
from answers.make.tuning_report.experiment import REGIMES, Experiment
from src.legible import read_object
from src.studies.report.study_directory import is_study_directory, read_study_directory

STUDIES = ("epochs", "units", "batch_size", "depth", "lr", "optimizer", "lr_by_batch", "units_by_depth")
# Studies of other documents that have something to say where the report asks for suggestions.
BESIDE = ("lr_decay", "search", "cnn_norm", "cnn_ultimate")


@dataclass(frozen=True)
class Experiments:
    """All finished studies by name; `root` is where the report goes, `words` are the author's."""

    finished: Mapping[str, Experiment]
    words: Mapping[str, str]
    root: Path

    def get(self, name: str) -> Experiment | None:
        """A study; None when it was not run, or not to its end."""
        return self.finished.get(name)

    def regimes(self, name: str) -> list[Experiment]:
        """A study in both regimes, as far as they are there."""
        return [one for suffix in REGIMES if (one := self.get(name + suffix)) is not None]

    @property
    def all(self) -> list[Experiment]:
        """Every study of document 001 that is there."""
        return [experiment for name in STUDIES for experiment in self.regimes(name)]

    @property
    def full(self) -> list[Experiment]:
        """Those of full passes."""
        return [one for one in self.all if not one.name.endswith(AS_REPORTED)]


def command(name: str) -> str:
    """What runs a study."""
    return f"python train.py -m study={name}"


def read_experiments(studies: Path, root: Path, words: Mapping[str, str]) -> Experiments:
    """The finished studies among the directories of `studies`; smoke runs and unfinished ones count as not run.

    Raises:
        FileNotFoundError: when there is no such directory.
    """
    if not studies.is_dir():
        raise FileNotFoundError(f"{studies}: expected the directory that holds the studies' directories, found none")
    found = {}
    for name in (*(name + suffix for name in STUDIES for suffix in REGIMES), *BESIDE):
        place = studies / name
        if not is_study_directory(place) or read_object(place / "command.json").get("smoke"):
            continue
        evidence = read_study_directory(place)
        if not evidence.missing:
            found[name] = Experiment(name, evidence)
    return Experiments(found, words, root)
