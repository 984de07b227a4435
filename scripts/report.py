"""Judge and tabulate trials, wherever they were run; publish what came of them.

python scripts/report.py STUDY.yaml RESULTS.csv [MORE.csv …] -o DIR   lint, verdicts and report of a table of trials
python scripts/report.py studies/NAME                                 the same of a study's directory, written into it
python scripts/report.py multirun/DATE/TIME                           any plain multirun as a table

python scripts/report.py studies/NAME … --publish docs/studies        a finished study's page, figures and tables
python scripts/report.py --index docs/studies --readme README.md      every claim in one table, its head in the README
python scripts/report.py studies --tuning-report docs/studies         document 001's hyperparameter report, filled in
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from src.legible import legible
from src.trial.command_line import answer


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """What was typed."""
    parser = argparse.ArgumentParser(
        prog="scripts/report.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", type=Path, nargs="?", help="a study file, a study's directory, or a multirun's")
    parser.add_argument("tables", type=Path, nargs="*", help="results of a study file, one row per trial, as CSV")
    parser.add_argument("-o", "--output", type=Path, help="where the report goes; by default, into the directory")
    into = parser.add_mutually_exclusive_group()
    into.add_argument("--publish", type=Path, metavar="DOCS", help="write the pages of finished studies below DOCS")
    into.add_argument("--index", type=Path, metavar="DOCS", help="write the index of the studies published below DOCS")
    into.add_argument("--tuning-report", type=Path, metavar="DOCS", help="write DOCS/tuning_report.md")
    parser.add_argument("--readme", type=Path, help="with --index: fill the block of verdicts in this file")
    return parser.parse_args(given)


def main(given: list[str] | None = None) -> None:
    """Does the one thing that the arguments ask for."""
    asked = arguments(given)
    if asked.readme and not asked.index:
        raise ValueError(f"--readme {asked.readme} takes the index's head: add --index docs/studies")
    if asked.index:
        write_index(asked.index, asked.readme)
        return
    if asked.what is None:
        raise ValueError("say what to report: a study's directory, a study file with its tables, or a multirun's")
    for path in (asked.what, *asked.tables):
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such file or directory")
    if asked.publish:
        publish_studies([asked.what, *asked.tables], asked.publish)
    elif asked.tuning_report:
        write_tuning_report(asked.what, asked.tuning_report)
    elif asked.what.is_file():
        judge_tables(asked.what, asked.tables, asked.output)
    elif asked.tables:
        raise ValueError(f"{asked.what} is a directory, which holds its own results; leave out {asked.tables[0]}")
    else:
        report_directory(asked.what, asked.output or asked.what)


def publish_studies(directories: list[Path], root: Path) -> None:
    """The page of each study; those that cannot be published are told at the end."""
    from src.studies.report.publication.publish import publish

    refused = []
    for directory in directories:
        try:
            print(publish(directory, root))
        except (ValueError, FileNotFoundError) as problem:
            refused.append(str(problem))
    if refused:
        raise ValueError("not published: " + " | ".join(refused))


def write_index(root: Path, readme: Path | None) -> None:
    """README.md and verdicts.csv of the published studies, and the README's block."""
    from scripts.study_nodes import study_nodes
    from src.studies.report.publication.index import index_csv, index_markdown
    from src.studies.report.publication.read import read_index
    from src.studies.report.publication.readme import readme_block, with_block
    from src.studies.report.publication.replication import PAGE, replication_markdown
    from src.studies.report.write import write

    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such directory; publish a study there first")
    index = read_index(root, study_nodes())
    texts = {root / "README.md": index_markdown(index), root / "verdicts.csv": index_csv(index)}
    replication = replication_markdown(root)
    if replication:
        texts[root / PAGE] = replication
    if readme:
        texts[readme] = with_block(readme.read_text(encoding="utf-8"), readme_block(root, index), readme.name)
    for path, text in texts.items():
        write(path, text)
        print(path)


def write_tuning_report(studies: Path, root: Path) -> None:
    """The hyperparameter report from the directories of its studies."""
    from src.studies.report.tuning_report.write import write_tuning_report as write_report_into

    print(write_report_into(studies, root))


def judge_tables(study: Path, tables: list[Path], output: Path | None) -> None:
    """A study file and its tables of trials."""
    from src.studies.report.results_files import read_tables

    if not tables:
        raise ValueError(f"{study} needs a table of trials: scripts/report.py {study} RESULTS.csv -o DIR")
    if output is None:
        raise ValueError(f"say where the report goes: scripts/report.py {study} {tables[0]} -o DIR")
    finish(read_tables(study, tables, output), output)


def report_directory(directory: Path, output: Path) -> None:
    """A study's directory, or else a multirun's."""
    from src.studies.report.study_directory import is_study_directory, read_study_directory

    if is_study_directory(directory):
        finish(read_study_directory(directory), output)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from src.studies.report import multirun
    from src.studies.report.write import write_document

    found = multirun.read_multirun(directory)
    write_document(multirun.document(found), output)
    console = Console()
    head = multirun.headline(found)
    table = Table(title=f"{found.name}: mean ± sd over seeds", title_justify="left")
    for column in ("arm", "n", *head):
        table.add_column(column, justify="left" if column == "arm" else "right")
    for row in multirun.rows(found, head):
        table.add_row(*map(Text, row))
    console.print(table)
    for arm, seed, job, status, error in multirun.failures(found):
        console.print(Text.assemble((f"{status} ", "red"), f"job {job} ({arm}, seed {seed}): {error}"))
    for note in multirun.notes(found):
        console.print(Text(note, style="yellow"))
    console.print(Text(legible(output / "report.html")))


def finish(evidence: object, output: Path) -> None:
    """Writes the report and ends with the verdicts."""
    from rich.console import Console
    from rich.text import Text

    from src.studies.report.evidence import Evidence
    from src.studies.report.terminal import print_verdicts
    from src.studies.report.write import write_report

    assert isinstance(evidence, Evidence)
    write_report(evidence, output)
    console = Console()
    print_verdicts(evidence.judgement, console, evidence.name)
    console.print(Text(legible(output / "report.html")))


if __name__ == "__main__":
    answer(main)
