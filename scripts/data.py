"""Data before they are trained on: head, shapes, ranges, classes, and a picture of samples.

python scripts/data.py data=fashion_mnist
python scripts/data.py data=table data.path=customers.csv data.target=segment -o customers.png

What follows is typed as for train.py: the data are what a run of it would learn from.
"""

from pathlib import Path

from litmus.paths import typed_path
from litmus.project import ROOT
from litmus.trial.arguments import Parser
from litmus.trial.command_line import answer
from litmus.trial.hydra_versions import BASE


def main(given: list[str] | None = None) -> None:
    """Composes the configuration and looks at its data."""
    parser = Parser(prog="scripts/data.py", description=__doc__)
    parser.add_argument("-o", "--output", type=typed_path, default=Path("data.png"), help="the picture's file")
    parser.add_argument("knobs", metavar="KNOB=VALUE", nargs="*", help="as for train.py")
    asked = parser.parse_intermixed_args(given)
    from hydra import compose, initialize_config_dir
    from rich.console import Console

    from litmus.trial.arguments import readable_arguments
    from litmus.trial.command_line import imports, register_resolvers

    register_resolvers()
    with initialize_config_dir(str(ROOT / "configs"), **BASE):
        config = compose("train", overrides=readable_arguments(asked.knobs))
    with imports():
        from litmus.trial.look import look
    look(config, asked.output, Console())


if __name__ == "__main__":
    answer(main)
