"""How many seeds the comparisons of a study would need, from the spread that its trials have.

python scripts/seeds_needed.py STUDY.yaml RESULTS.csv     of a table of trials
python scripts/seeds_needed.py studies/NAME               of a study's directory

One row for each quantity with a sesoi and each arm against the baseline. docs/fewer_seeds.md says what to do about it.
"""

from litmus.paths import typed_path
from litmus.trial.arguments import Parser
from litmus.trial.command_line import answer


def main(given: list[str] | None = None) -> None:
    """Prints the table, and what of the spread is jitter where there are learning curves."""
    parser = Parser(description=__doc__)
    parser.add_argument("what", type=typed_path, help="a study file, or a study's directory")
    parser.add_argument("tables", type=typed_path, nargs="*", help="results of a study file, as CSV")
    asked = parser.parse_args(given)

    from litmus.report.needed import COLUMNS, rows
    from litmus.report.results_files import read_tables
    from litmus.report.study_directory import read_study_directory

    if asked.what.is_file() and not asked.tables:
        raise ValueError(f"{asked.what} needs a table of trials: scripts/seeds_needed.py {asked.what} RESULTS.csv")
    evidence = (
        read_tables(asked.what, asked.tables, asked.what.parent)
        if asked.what.is_file()
        else read_study_directory(asked.what)
    )
    table = [COLUMNS, *rows(evidence)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for told in evidence.jitters:
        print(told)


if __name__ == "__main__":
    answer(main)
