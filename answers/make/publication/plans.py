"""What the study files ask for and answers/studies does not hold yet: missing trials, changed questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from answers.make.publication.rows import Row, planned_rows
from answers.make.publication.tables import RESULTS
from litmus.claims.notation import listing, text
from litmus.claims.study import Study, read_study
from litmus.claims.study_file import HOW_TO_RUN, read_study_file
from litmus.legible import read_yaml
from litmus.sweeps.asked import RUNNING
from litmus.tables import read_mappings
from litmus.words import count

# Parts of a question whose change asks for no other trials: more seeds are counted as trials.
UNCOUNTED = ("seeds", "note", *HOW_TO_RUN)


@dataclass(frozen=True)
class Plan:
    """A study file against what is published of it; `changed` are the keys that differ from what was run."""

    name: str
    study: Study
    trials: int
    tuning_trials: int
    published_seeds: int | None = None
    changed: tuple[str, ...] = ()
    published_tuned: bool = True
    tuning_seeds: int = 1

    @property
    def command(self) -> str:
        """What runs, or goes on with, the study."""
        return f"python train.py -m study={self.name}"

    @property
    def complete(self) -> bool:
        """Whether what the file asks is what is published."""
        return not self.trials and not self.tuning_trials and not self.changed

    @property
    def missing(self) -> str:
        """90 trials, 18 tuning trials × 3 seeds; what has changed."""
        found = [count(self.trials, "trial")] if self.trials else []
        seeds = f" × {self.tuning_seeds} seeds" if self.tuning_seeds > 1 else ""
        found += [count(self.tuning_trials, "tuning trial") + seeds] if self.tuning_trials else []
        found += [f"asked otherwise since: {listing(self.changed)}"] if self.changed else []
        return "; ".join(found)

    @property
    def label(self) -> str:
        """What to know of the published verdicts."""
        asked = len(self.study.seeds)
        if "nuisance" in self.changed and self.published_seeds is not None and not self.published_tuned:
            return "one shared rate: not tuned as the study file now asks"
        if self.published_seeds is None or self.published_seeds >= asked:
            return "the study file has changed since" if self.changed and self.published_seeds is not None else ""
        return f"{self.published_seeds} of {asked} seeds"

    @property
    def rows(self) -> list[Row]:
        """The predictions of a study of which nothing is published."""
        return planned_rows(self.name, self.study) if self.published_seeds is None else []


def read_plans(nodes: Mapping[str, Mapping[str, Any]], root: Path) -> list[Plan]:
    """A plan for each study file, from its resolved `study:` node, beside what is published under `root`.

    Raises:
        ValueError: for a node that is no study, with the study's name.
    """
    return [read_plan(name, node, root / name) for name, node in sorted(nodes.items())]


def read_plan(name: str, node: Mapping[str, Any], place: Path) -> Plan:
    """One study file and its published directory, which need not exist."""
    seeds = int(node.get("tuning_seeds", RUNNING["tuning_seeds"]))
    node = {key: value for key, value in node.items() if key not in HOW_TO_RUN}
    try:
        study = read_study(node)
    except ValueError as problem:
        raise ValueError(f"configs/study/{name}.yaml: {problem}") from problem
    tuning = len(study.arms) * max((one.trials for one in study.nuisance.values()), default=0)
    if any(one.per == "seed" for one in study.nuisance.values()):
        tuning *= len(study.seeds)
    asked = {(arm, seed) for arm in study.arms for seed in study.seeds}
    if not (place / "study.yaml").is_file():
        return Plan(name, study, len(asked), tuning, tuning_seeds=seeds)
    published = read_study_file(place / "study.yaml")
    stored = read_yaml(place / "study.yaml")
    changed = differing(node, stored.get("study", stored))
    kept = published.arms.keys() if "nuisance" not in changed else ()
    return Plan(
        name,
        study,
        trials=len(asked - settled(place / RESULTS)),
        tuning_trials=tuning // len(study.arms) * len(study.arms.keys() - kept),
        published_seeds=len(published.seeds),
        changed=changed,
        published_tuned=bool(published.nuisance),
        tuning_seeds=seeds,
    )


def differing(asked: Mapping[str, Any], published: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys of a study's node that are not what they were when it was run."""
    names = [name for name in {**asked, **published} if name not in UNCOUNTED]
    return tuple(name for name in names if canonical(asked.get(name)) != canonical(published.get(name)))


def canonical(value: Any) -> Any:
    """The value with numbers as text writes them, so that 1e-3 is 0.001; an empty mapping is none."""
    if isinstance(value, Mapping):
        return {str(key): canonical(entry) for key, entry in value.items()} or None
    if isinstance(value, list | tuple):
        return [canonical(entry) for entry in value]
    return None if value is None else text(value)


def settled(table: Path) -> set[tuple[str, int]]:
    """The trials of a table of results that the same command would not run again: completed ones and diverged ones."""
    return {
        (row["arm"], int(row["seed"]))
        for row in read_mappings(table)
        if not row["error"] or row["error"].startswith("FloatingPointError")
    }
