"""Writing the hyperparameter report: the page, its four figures, the table of all trials."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from answers.make.publication.paths import without_paths
from answers.make.publication.small_png import smaller
from answers.make.tuning_report.answer import not_run
from answers.make.tuning_report.experiment import REGIMES, Experiment
from answers.make.tuning_report.experiments import STUDIES, Experiments, command, read_experiments
from answers.make.tuning_report.figures import figures
from answers.make.tuning_report.hypotheses import hypotheses
from answers.make.tuning_report.placeholders import PLACEHOLDERS
from answers.make.tuning_report.trials_table import trials, trials_csv
from src.studies.report.blocks import Picture
from src.studies.report.render import rendered
from src.studies.report.wording import plain
from src.studies.report.write import author_words, write

PAGE, FOLDER = "tuning_report.md", "tuning_report"
ALL = [name + suffix for name in STUDIES for suffix in REGIMES]
FIGURES = {
    "units_heatmap": "hidden units",
    "learning_rate_scatter": "learning rates of all experiments",
    "configuration_summary": "all tested values",
    "depth_distribution": "depths",
}


def write_tuning_report(studies: Path, root: Path) -> Path:
    """Writes root/tuning_report.md and root/tuning_report/ from the studies' directories; gives the page.

    Raises:
        FileNotFoundError: when there is no directory of studies.
        ValueError: when none of the report's studies is finished.
    """
    experiments = read_experiments(studies, root, author_words(root))
    if not experiments.all:
        raise ValueError(f"{studies} holds no finished study of the report; begin with {command(STUDIES[0])}")
    rows = trials(experiments)
    drawn = figures(experiments, rows)
    for name, picture in drawn.items():
        write(root / place(name), smaller(picture.png))
    write(root / FOLDER / "experiment_summary.csv", without_paths(trials_csv(rows)))
    write(root / PAGE, without_paths(page(experiments, drawn, len(rows))))
    return root / PAGE


def page(experiments: Experiments, drawn: Mapping[str, Picture], trials: int) -> str:
    """The text of the report; `drawn` are its figures by name."""
    return rendered(
        Path(__file__).with_name("tuning_report.md.j2"),
        answers={number: answer(experiments) for number, answer in PLACEHOLDERS.items()},
        figures=[figure(name, title, drawn.get(name)) for name, title in FIGURES.items()],
        experiments=experiments,
        missing=[name for name in ALL if experiments.get(name) is None],
        hypotheses=hypotheses(experiments),
        design=[design(e) for e in experiments.all],
        command=command,
        trials=trials,
    )


def figure(name: str, title: str, picture: Picture | None) -> dict[str, str]:
    """What the page shows of a figure."""
    if picture is None:
        return {"title": title, "path": "", "alt": "", "caption": f"Not drawn: {not_run('units')}"}
    return {"title": title, "path": place(name), "alt": picture.alt, "caption": picture.caption}


def place(name: str) -> str:
    """Where a figure lies, from the page."""
    return f"{FOLDER}/visualizations/{name}.png"


def design(e: Experiment) -> list[str]:
    """A study's row: arms, seeds, trials, updates and parameters."""
    study = e.evidence.study
    spans = [[e.cost(name, arm) for arm in e.arms] for name in ("updates", "params")]
    sizes = [plain(min(own)) if min(own) == max(own) else f"{plain(min(own))} to {plain(max(own))}" for own in spans]
    counts = [len(study.seeds), len(e.evidence.records), len(e.evidence.tuning)]
    lost = len(e.every) - len(e.arms)
    arms = f"{len(e.every)}, {lost} of them without a run that ended" if lost else str(len(e.every))
    return [e.name, arms, *(f"{number:,}" for number in counts), *sizes]
