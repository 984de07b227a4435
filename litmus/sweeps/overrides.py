"""Overrides as Hydra's command line writes them, from values and back."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException

# Text that needs no quotes: it is read back as itself. Hydra's grammar knows no letters but these.
BARE = re.compile(r"/?[A-Za-z_][\w./-]*", re.ASCII)
INTERPOLATION = re.compile(r"\\*\$\{")
WORDS_THAT_ARE_VALUES = ("null", "true", "false", "nan", "inf")


def written(value: Any) -> str:
    """A value in Hydra's grammar, from which Hydra and then OmegaConf read the same value back."""
    return Override._get_value_element_as_str(_quoted(value))


def literal(text: str) -> str:
    """The text as OmegaConf reads it back, which takes ${lr} for the value of lr and \\${lr} for the text."""
    return INTERPOLATION.sub(lambda found: "\\" * (2 * len(found[0]) - 3) + "${", text)


def _quoted(value: Any) -> Any:
    if isinstance(value, str):
        bare = BARE.fullmatch(value) and value.lower() not in WORDS_THAT_ARE_VALUES
        return value if bare else QuotedString(literal(value), Quote.single)
    if isinstance(value, Mapping):
        return {str(key): _quoted(entry) for key, entry in value.items()}
    if isinstance(value, Sequence):
        return [_quoted(entry) for entry in value]
    return value


def override(knob: str, value: Any) -> str:
    """`knob=value`; a knob that begins with ~ takes something away and has no value."""
    return knob if knob.startswith("~") and value is None else f"{knob}={written(value)}"


def parsed(arguments: Sequence[str], loader: ConfigLoader) -> list[Override]:
    """The arguments as Hydra reads them."""
    found: list[Override] = OverridesParser.create(config_loader=loader).parse_overrides(list(arguments))
    return found


def is_sweep(argument: str) -> bool:
    """Whether it gives a knob several values, as 1,2 or range(3); what Hydra cannot read gives none."""
    try:
        return bool(OverridesParser.create().parse_override(argument).is_sweep_override())
    except HydraException:
        return False


def unreadable(arguments: Sequence[str]) -> str | None:
    """What is wrong with the first argument that Hydra's grammar cannot read, in one sentence; None if it reads all."""
    parser = OverridesParser.create()
    for argument in arguments:
        if argument.startswith("-"):
            continue
        knob, sign, value = argument.partition("=")
        try:
            parser.parse_override(argument)
        except HydraException:
            if not sign:
                return f"{argument}: expected KNOB=VALUE, found no =; give the knob its value, or leave it out"
            if len(knob.split()) > 1:
                return f"{argument}: expected KNOB=VALUE, found a knob of several words; leave the spaces out"
            if value.endswith(",") and value[0] not in "[{(":
                return f"{argument}: expected a value after the last comma, found none; leave that comma out"
            return (
                f"{argument}: expected a number, a word, a [list] or a {{mapping}}, found what is none of them; close "
                f"each bracket, or quote the text: '{knob}=\"{value}\"'"
            )
    return None


def without(arguments: Sequence[str], node: str) -> list[str]:
    """The arguments but those that set the sweeper's own node (study.seeds=10), which no trial reads."""
    return [argument for argument in arguments if not argument.lstrip("+~").startswith(f"{node}.")]
