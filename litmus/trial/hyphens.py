"""Knobs typed as options, as the agents of W&B's sweeps type them: --lr=0.003 for lr=0.003."""

import os

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
