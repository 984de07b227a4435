"""Publish finished studies: their pages, the index of every claim, the hyperparameter report of document 001.

python answers/make/publish.py studies/NAME …            a finished study's page, figures and tables
python answers/make/publish.py --redraw NAME …           published studies whose runs are gone, as reports are today
python answers/make/publish.py --index                   every claim in one table, its primaries first
python answers/make/publish.py --tuning-report           document 001's hyperparameter report, from what is published
python answers/make/publish.py DIR --tuning-report -o DIR      the same of the published studies in another directory
"""

import argparse
from pathlib import Path

from litmus.paths import typed_path
from litmus.project import ROOT
from litmus.trial.arguments import Parser
from litmus.trial.command_line import answer

PUBLISHED = ROOT / "answers" / "studies"


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """What was typed."""
    parser = Parser(prog="answers/make/publish.py", description=__doc__)
    parser.add_argument("studies", type=typed_path, nargs="*", help="directories of finished studies")
    into = parser.add_mutually_exclusive_group()
    into.add_argument("--redraw", action="store_true", help="draw published studies again, from their tables")
    into.add_argument("--index", action="store_true", help="write the index of what is published")
    into.add_argument("--tuning-report", action="store_true", help="write tuning_report.md from the published studies")
    parser.add_argument("-o", "--output", type=typed_path, default=PUBLISHED, help="where pages go; answers/studies")
    return parser.parse_args(given)


def main(given: list[str] | None = None) -> None:
    """Does the one thing that the arguments ask for."""
    asked = arguments(given)
    if asked.tuning_report and len(asked.studies) == 1:
        write_tuning_report(asked.output, asked.studies[0])
        return
    if asked.index or asked.tuning_report:
        if asked.studies:
            raise ValueError(f"{asked.studies[0]} is not asked for: this page is made from what is published")
        write_index(asked.output) if asked.index else write_tuning_report(asked.output)
        return
    if not asked.studies:
        raise ValueError("say what to publish: directories of finished studies, --index or --tuning-report")
    if asked.redraw:
        redraw_studies([asked.output / path for path in asked.studies])
        return
    for path in asked.studies:
        if not path.exists():
            raise FileNotFoundError(f"{path}: expected the directory of a finished study, found nothing; name another")
    publish_studies(asked.studies, asked.output)


def publish_studies(directories: list[Path], root: Path) -> None:
    """The page of each study; those that cannot be published are told at the end."""
    from answers.make.publication.publish import publish

    refused = []
    for directory in directories:
        try:
            print(publish(directory, root))
        except (ValueError, FileNotFoundError) as problem:
            refused.append(str(problem))
    if refused:
        raise ValueError("not published: " + " | ".join(refused))


def redraw_studies(places: list[Path]) -> None:
    """The pages of published studies, from what was kept of them."""
    from answers.make.publication.redraw import redraw

    for place in places:
        print(redraw(place))


def write_index(root: Path) -> None:
    """README.md and verdicts.csv of the published studies."""
    from answers.make.publication.index import index_csv, index_markdown
    from answers.make.publication.read import read_index
    from answers.make.publication.replication import PAGE, replication_markdown
    from answers.make.publication.study_nodes import study_nodes
    from litmus.report.write import write

    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such directory; publish a study there first")
    index = read_index(root, study_nodes())
    texts = {root / "README.md": index_markdown(index), root / "verdicts.csv": index_csv(index)}
    replication = replication_markdown(root)
    if replication:
        texts[root / PAGE] = replication
    for path, text in texts.items():
        write(path, text)
        print(path)


def write_tuning_report(root: Path, published: Path = PUBLISHED) -> None:
    """The hyperparameter report from the published studies."""
    from answers.make.tuning_report.write import write_tuning_report as write_report_into

    print(write_report_into(published, root))


if __name__ == "__main__":
    answer(main)
