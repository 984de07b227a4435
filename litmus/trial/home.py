"""Arguments with paths that Hydra's grammar cannot read, as it can."""

import re
from pathlib import Path

# Lightning hands the directory to the processes that it starts between quotes, whatever signs are in it.
LIGHTNINGS = re.compile(r'hydra\.run\.dir="(.*)"', re.DOTALL)


def readable_arguments(arguments: list[str]) -> list[str]:
    """The arguments with the home directory for a leading ~/, which shells leave behind a =, and quotes mended."""
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
