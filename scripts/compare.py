"""Compare runs, wherever they lie: a page to explore them in, or tables and curves on the terminal.

python scripts/compare.py DIR [DIR …]                     writes DIR/compare.html, which needs no network
python scripts/compare.py DIR --terminal --metric val/loss --by updates

A DIR is a run, a multirun, a search, a study's directory, or a folder of any of them.
"""

import argparse

from litmus.legible import legible
from litmus.paths import typed_path
from litmus.trial.arguments import Parser
from litmus.trial.command_line import answer


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """What was typed."""
    parser = Parser(prog="scripts/compare.py", description=__doc__)
    parser.add_argument("directories", metavar="DIR", type=typed_path, nargs="+", help="where runs lie")
    parser.add_argument(
        "-o", "--output", type=typed_path, help="the page's file; by default compare.html in the first DIR"
    )
    parser.add_argument("--terminal", action="store_true", help="tables and curves here instead of a page")
    parser.add_argument(
        "--metric", help="whose curves the terminal shows; by default that which ranks, or the first there is"
    )
    parser.add_argument("--by", choices=("epoch", "updates", "samples", "seconds"), help="the curves' clock")
    parser.add_argument("--runs", type=int, default=0, help="so many runs are listed on the terminal, best first")
    return parser.parse_args(given)


def main(given: list[str] | None = None) -> None:
    """Reads the directories and shows them."""
    asked = arguments(given)
    if asked.terminal and asked.output:
        raise ValueError("--terminal writes no file; leave out --output, or --terminal")
    if asked.runs < 0:
        raise ValueError(f"--runs must be 0 or more, got {asked.runs}")
    for option in ("metric", "by"):
        if not asked.terminal and getattr(asked, option):
            raise ValueError(f"--{option} is for --terminal; the page lets you choose")
    from litmus.compare.comparison import compare

    comparison = compare(asked.directories)
    if asked.terminal:
        from litmus.compare.terminal import print_comparison

        print_comparison(comparison, asked.metric, asked.by or "epoch", asked.runs)
        return
    from litmus.compare.rendering import write_page

    output = asked.output or asked.directories[0] / "compare.html"
    write_page(comparison, output, ["python", "scripts/compare.py", *map(str, asked.directories)])
    print(f"{comparison.lead}\n{legible(output)}")


if __name__ == "__main__":
    answer(main)
