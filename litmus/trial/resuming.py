"""Which run `resume=DIR` means, and the command that goes on with a run."""

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from litmus.sweeps.overrides import override
from litmus.trial.command_line import MAY_CHANGE
from litmus.trial.place import refuse_sweeps
from litmus.trial.stored import strangers


def run_named(typed: str) -> Path:
    """The directory of a run as it was typed: as it stands, or as Hydra would read it.

    Raises:
        ValueError: if there is no run, or if there are many.
    """
    for path in readings(typed):
        if (path / ".hydra" / "config.yaml").is_file():
            return path.resolve()
    for path in readings(typed):
        refuse_sweeps(path)
    raise ValueError(f"resume={typed}: expected a run's directory with .hydra/config.yaml in it, found none")


def readings(typed: str) -> Iterator[Path]:
    """What a directory's name may mean, as it was typed behind a knob."""
    texts = [typed]
    with suppress(HydraException, OmegaConfBaseException):
        (read,) = OverridesParser.create().parse_overrides([f"resume={typed}"])
        value = None if read.is_sweep_override() else OmegaConf.create({"resume": read.value()}).resume
        texts += [value] if isinstance(value, str) else []
    for text in texts:
        yield Path(text)
        with suppress(RuntimeError):  # nobody of this name has a home
            yield Path(text).expanduser()


def trusted(arguments: Sequence[str]) -> bool:
    """Whether `trust=true` is among the arguments.

    Raises:
        ValueError: if it is neither true nor false.
    """
    said = [argument.partition("=")[2].lower() for argument in arguments if argument.startswith("trust=")]
    if said and said[-1] not in ("true", "false"):
        raise ValueError(f"trust must be true or false, got {said[-1]}")
    return said[-1:] == ["true"]


def goes_on(directory: Path, config: Mapping[str, Any]) -> str:
    """The command that goes on with a run, to be pasted into a shell."""
    script = sys.argv[0] if Path(sys.argv[0]).name == "train.py" else "train.py"
    trust = ["trust=true"] if strangers(config) else []
    return shlex.join(["python", script, f"resume={directory}", *_changed(directory, config), *trust])


def _changed(directory: Path, config: Mapping[str, Any]) -> Iterator[str]:
    """What a resumed run has of its own, and its stored configuration has not."""
    file = directory / ".hydra" / "config.yaml"
    if not file.is_file():
        return
    stored = OmegaConf.load(file)
    for knob in MAY_CHANGE:
        value: Any = config
        for name in knob.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        with suppress(OmegaConfBaseException):  # it refers to what only the first command had
            if value is not None and value != OmegaConf.select(stored, knob):
                yield override(knob, value)
