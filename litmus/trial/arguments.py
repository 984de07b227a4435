"""The command line as it was typed: where its paths begin, a leading ~, and the options of W&B's agents."""

import argparse
import os
import re
from pathlib import Path
from typing import Any, NoReturn

# Lightning hands the directory to the processes that it starts between quotes, whatever signs are in it.
LIGHTNINGS = re.compile(r'hydra\.run\.dir="(.*)"', re.DOTALL)


class Parser(argparse.ArgumentParser):
    """A script's own options, told by the first line of its help in whatever way it is laid out."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**{"formatter_class": argparse.RawDescriptionHelpFormatter, **more})

    def error(self, message: str) -> NoReturn:
        """Says a mistake in one sentence.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"{self.prog}: {message}; --help tells what it takes")


def refuse_no_option(arguments: list[str]) -> None:
    """Refuses options that Hydra has not, and values that its own do not take, which it answers with its whole usage.

    Raises:
        ValueError: naming the option.
    """
    if not any(argument.startswith("-") for argument in arguments):
        return
    from hydra._internal.utils import get_args_parser

    hydras = get_args_parser()

    def refused(message: str) -> NoReturn:
        raise ValueError(
            f"{message}; a knob is typed as KNOB=VALUE, and python train.py --hydra-help tells the options"
        )

    hydras.error = refused  # type: ignore[method-assign]
    options, knobs = options_and_knobs(arguments)
    hydras.parse_args([*options, *knobs])  # which stand on one side of them alone


def readable_arguments(arguments: list[str]) -> list[str]:
    """The arguments with the home directory for a leading ~/, which shells leave behind a =, quotes mended, -m first.

    Raises:
        ValueError: for a value without a knob.
    """
    for argument in arguments:
        if not argument.partition("=")[0].strip("+~ "):
            raise ValueError(f"{argument or repr(argument)}: expected KNOB=VALUE, found no knob; name it before the =")
    # Argparse knows knobs on one side of an option alone.
    arguments = sorted(arguments, key=lambda argument: argument not in ("-m", "--multirun"))
    started_by_lightning = any(argument.startswith("hydra.job.name=train_ddp_process_") for argument in arguments)
    return [_quoted_again(argument) if started_by_lightning else _at_home(argument) for argument in arguments]


def _at_home(argument: str) -> str:
    knob, sign, value = argument.partition("=")
    if not sign or not (value == "~" or value.startswith("~/")):
        return argument
    from litmus.sweeps.overrides import BARE, written

    home = str(Path.home())
    # What follows may be more than a name, as in ~/a,~/b; only a home with signs of its own has to be quoted.
    if BARE.fullmatch(home):
        return f"{knob}={home}{value[1:]}"
    return f"{knob}={written(home + value[1:])}"


def _quoted_again(argument: str) -> str:
    found = LIGHTNINGS.fullmatch(argument)
    if found is None:
        return argument
    from litmus.sweeps.overrides import override

    return override("hydra.run.dir", found[1])


def options_and_knobs(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Hydra's options, each with its value behind it, and the rest of the arguments."""
    if not any(argument.startswith("-") for argument in arguments):
        return [], list(arguments)
    from hydra._internal.utils import get_args_parser

    own = get_args_parser()._option_string_actions
    options: list[str] = []
    knobs: list[str] = []
    left = list(arguments)
    while left:
        argument = left.pop(0)
        (options if argument.startswith("-") else knobs).append(argument)
        meant = [name for name in own if name == argument or (argument[:2] == "--" and name.startswith(argument))]
        takes = {own[name].nargs for name in meant}
        if left and (None in takes or ("?" in takes and left[0][:1] != "-" and "=" not in left[0])):
            options.append(left.pop(0))
    return options, knobs


# Set by `wandb agent` for every command that it runs.
AGENT = "WANDB_SWEEP_ID"


def without_hyphens(arguments: list[str]) -> list[str]:
    """The arguments, where an agent of a sweep at W&B typed them as it does unless told otherwise, as knobs.

    Raises:
        ValueError: for what is neither an option nor, under an agent, a knob with a value; and for -m under an agent,
            whose command is one run.
    """
    if AGENT in os.environ and {"-m", "--multirun"} & set(arguments):
        raise ValueError("wandb agent makes one run of each command, got -m; a sweep of this project needs no agent")
    if not any(argument.startswith("--") for argument in arguments):
        return arguments
    return [_as_knob(argument) if _is_knob(argument) else argument for argument in arguments]


def _is_knob(argument: str) -> bool:
    from hydra._internal.utils import get_args_parser

    name = argument.partition("=")[0]
    if len(name) < 3 or not name.startswith("--"):
        return False
    own = get_args_parser()._option_string_actions
    return not any(option.startswith(name) for option in own)  # a part of an option's name is that option


def _as_knob(argument: str) -> str:
    knob, sign, value = argument.removeprefix("--").partition("=")
    if not sign or AGENT not in os.environ:
        raise ValueError(
            f"{argument}: a knob has no hyphens, expected {knob}={value or 'VALUE'}; in the command of a sweep at W&B "
            "${args_no_hyphens} stands for them"
        )
    return f"{knob}={'null' if value == 'None' else value}"


COPIES = "hydra.output_subdir"
PLACES = ("hydra.run.dir", "hydra.sweep.dir")


def refuse_no_place(arguments: list[str]) -> None:
    """Refuses a directory that is to be gone on with and has no name, and one in which nothing can be written.

    So it does Hydra's own copies of a configuration, written before anybody knows whose the directory is.

    Raises:
        ValueError: naming what stands there.
    """
    for argument in arguments:
        knob, sign, value = argument.partition("=")
        if knob == "resume" and sign and not value:
            raise ValueError(
                "resume=: expected the directory of an interrupted run, found nothing, as of a variable that is not "
                "set; leave it out for a new run"
            )
        place = knob.lstrip("+")
        if place == COPIES and value.strip("'\" ") != "null":
            raise ValueError(f"{argument}: a run writes .hydra itself, once the directory is its own; leave it out")
        if place not in PLACES or not sign or "${" in value:
            continue
        if value.strip("'\" ") in ("", "null"):
            raise ValueError(
                f"{argument}: expected a directory, found nothing, as of a variable that is not set; name one, or "
                "leave it out"
            )
        there = Path(value.strip("'\"")).absolute()
        while not os.path.lexists(there):
            there = there.parent
        if not there.is_dir():
            raise ValueError(f"{argument}: expected a directory, or a place to make one, found the file {there}")
        if not os.access(there, os.W_OK | os.X_OK):
            raise ValueError(f"{argument}: expected a place that can be written, {there} cannot; name another")
