"""Writing the hyperparameter report from what is published: the page, its four figures, the table of all trials."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from answers.make.publication.paths import without_paths
from answers.make.publication.small import small_png
from answers.make.publication.tables import compact, zipped
from answers.make.tuning_report import queries
from answers.make.tuning_report.experiment import (
    REGIMES,
    THRESHOLD,
    Experiment,
    UnpublishedError,
    read_experiment,
    share,
)
from answers.make.tuning_report.figures import figures, row
from litmus.claims.notation import listing, text
from litmus.project import ROOT
from litmus.report.render import escaped, rendered
from litmus.report.write import author_words, write
from litmus.tables import table_text
from litmus.words import count, plain, plus_minus

STUDIES = ("epochs", "units", "batch_size", "depth", "lr", "optimizer", "lr_by_batch", "units_by_depth")
# Studies of other documents that have something to say where the report asks for suggestions.
BESIDE = ("lr_decay", "search", "cnn_norm", "cnn_ultimate", "best_configuration", "sharp_minima")
NAMES_OF_DATA = {"fashion_mnist": "Fashion-MNIST", "mnist1d": "MNIST-1D", "social_network_ads": "Social_Network_Ads"}
PAGE, FOLDER = "tuning_report.md", "tuning_report"
MISSING = "not published:"
KINDS = ("heatmap", "lines")
Say = Callable[..., str]


@dataclass(frozen=True)
class Report:
    """What the template asks: sentences about one study or several, each a line of a list; and the author's slots."""

    published: Path
    root: Path
    found: Mapping[str, Experiment]
    words: Mapping[str, str]

    @property
    def all(self) -> list[Experiment]:
        """Every published study of document 001."""
        return [self.found[name + regime] for name in STUDIES for regime in REGIMES if name + regime in self.found]

    @property
    def full(self) -> list[Experiment]:
        """Those of full passes, if there are any."""
        return [e for e in self.all if e.regime == REGIMES[""]] or self.all

    def each(self, name: str, caller: Say) -> str:
        """What is said of a study in either regime."""
        return self.lines({name + regime: f"{words}: " for regime, words in REGIMES.items()}, caller)

    def first(self, name: str, caller: Say) -> str:
        """What is said of a study, of full passes if they are published."""
        return self.lines({next((own for r in REGIMES if (own := name + r) in self.found), name): ""}, caller)

    def every(self, names: Iterable[str], caller: Say) -> str:
        """What is said of each of these studies."""
        return self.lines({name: f"{name}: " for name in names}, caller)

    def lines(self, heads: Mapping[str, str], say: Say) -> str:
        """A list of what is said of studies, after their heads; what is not known is told at the end."""
        found: list[str] = []
        lacking: dict[str, list[str]] = {}
        for name, head in heads.items():
            try:
                if name not in self.found:
                    raise UnpublishedError(name)
                told = say(self.found[name]).strip()
                found += [head + told] if told else []
            except UnpublishedError as lack:
                lacking.setdefault(lack.what, []).append(name)
        for what, names in lacking.items():
            found.append(f"Of {listing(names, 20)}, {UnpublishedError(names[0] if len(names) == 1 else 'NAME', what)}")
        return "".join(f"  - {escaped(line)}\n" for line in found)

    def links(self, name: str) -> list[tuple[str, str]]:
        """The heatmaps and lines on a study's page: (words, path from the report)."""
        places = {words: self.published / (name + regime) / "figures" for regime, words in REGIMES.items()}
        found = [(words, sorted(place.glob(f"{kind}-*.svg"))) for words, place in places.items() for kind in KINDS]
        return [(f"{words}, {path.stem}", self.to(path)) for words, paths in found for path in paths]

    def to(self, path: str | Path) -> str:
        """The way from the report to what is published."""
        return Path(os.path.relpath(self.published / path, self.root)).as_posix()

    def slot(self, name: str, question: str, would: str, caller: Say) -> str:
        """A question that these data leave open: the evidence, the author's words if there are any, else what would."""
        head = f"**Author's interpretation: these data alone do not answer this.** {question}"
        own = f'a line "{name}: …" in author.yaml beside this report says what the author makes of it'
        left = f"*What would: {would}; {own}.*"
        facts = [line.strip() for line in caller().splitlines() if line.strip()]
        told = [head, "", *facts, "", escaped(self.words[name]) if name in self.words else left]
        return "\n" + "".join(f"  > {line}".rstrip() + "\n" for line in told)


def over(things: Iterable[Any], caller: Say) -> str:
    """The same of several things in one sentence."""
    told = (caller(*one) if isinstance(one, tuple) else caller(one) for one in things)
    return "; ".join(" ".join(one.split()) for one in told)


def groups(e: Experiment, caller: Say) -> str:
    """The same sentence for the arms that spent as much as the baseline, by what they spent."""
    found = {counter: e.sharing(counter) for counter in ("samples", "updates")}
    return " ".join(f"With as many {name} for all, {caller(arms).strip()}." for name, arms in found.items() if arms)


def write_tuning_report(published: Path, root: Path) -> Path:
    """Writes root/tuning_report.md and root/tuning_report/ from the published studies; gives the page.

    Raises:
        ValueError: when none of the report's studies is published, or when the page there answers more.
    """
    names = [*(name + regime for name in STUDIES for regime in REGIMES), *BESIDE]
    found = {name: read_experiment(published / name) for name in names if (published / name / "study.yaml").is_file()}
    report = Report(published, root, found, author_words(root))
    if not report.all:
        raise ValueError(f"{published} holds no study of the report; begin with python train.py -m study={STUDIES[0]}")
    rows = [row(e, trial) for e in report.all for trial in e.results.trials]
    drawn = figures(found, rows)
    page = rendered(
        Path(__file__).with_name("tuning_report.md.j2"),
        **{name: getattr(report, name) for name in ("each", "first", "every", "slot", "links", "to", "all", "full")},
        **{"ask": queries, "over": over, "groups": groups, "pairwise": pairwise, "text": text, "found": found},
        **{"number": plain, "share": share, "plus_minus": plus_minus, "REGIMES": REGIMES, "THRESHOLD": THRESHOLD},
        surprises=[*queries.surprises(report.all), "", "", ""],
        trials=len(rows),
        data=data_of(report.all),
        drawn=drawn,
        place=place,
    )
    refuse_fewer_answers(root / PAGE, page)
    for name, picture in drawn.items():
        write(root / place(name), small_png(picture.png))
    cells = [[compact(one, 6) if isinstance(one, float) else one for one in own.values()] for own in rows]
    write(root / FOLDER / "experiment_summary.csv.gz", zipped(without_paths(table_text(list(rows[0]), cells))))
    write(root / PAGE, without_paths(page))
    return root / PAGE


def data_of(experiments: Sequence[Experiment]) -> dict[str, Any]:
    """Name of the data that the studies share, by their configuration files, and the samples of a full pass.

    Raises:
        ValueError: for studies of several data sets, which one report would mix.
    """
    names = {e.name: data_named(e.name) for e in experiments}
    if len(set(names.values())) > 1:
        raise ValueError(f"expected studies of one data set, found {listing(sorted(map(str, set(names.values()))))}")
    passes = [
        e.counter("samples", arm) / e.counter("epochs", arm)
        for e in experiments
        for arm in e.arms
        if e.regime == REGIMES[""] and math.isfinite(e.counter("samples", arm))
    ]
    name = next(iter(names.values())) or "the data of these studies"
    return {"name": NAMES_OF_DATA.get(name, name), "rows": round(max(passes)) if passes else "all"}


def data_named(study: str) -> str | None:
    """The choice of data in a study's file, or in the one that it goes on from; None without a file."""
    for path in places_of(study):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8")).get("defaults", []):
            if isinstance(entry, dict) and "override /data" in entry:
                return str(entry["override /data"])
            if isinstance(entry, str) and entry != "_self_" and (found := data_named(entry)):
                return found
    return None


def places_of(study: str) -> list[Path]:
    """Where the study's file is: among the project's own, or these answers'."""
    folders = [ROOT / "configs" / "study", ROOT / "answers" / "configs" / "study"]
    return [path for folder in folders if (path := folder / f"{study}.yaml").is_file()]


def refuse_fewer_answers(path: Path, page: str) -> None:
    """A page that was made while more was published stays."""
    lost = page.count(MISSING) - path.read_text(encoding="utf-8").count(MISSING) if path.is_file() else 0
    if lost > 0:
        raise ValueError(
            f"{path} was made when more was known, and answers {count(lost, 'sentence')} more than what is published "
            "can; publish the studies once they ran again, or write the page elsewhere with -o DIRECTORY"
        )


def place(name: str) -> str:
    """Where a figure lies, from the page."""
    return f"{FOLDER}/visualizations/{name}.png"
