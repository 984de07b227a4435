"""What the command says of a job: which knobs tell it apart, and which files it chose."""

from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from litmus.claims.factors import is_factor


def typed() -> dict[str, Any]:
    """Knob → value as text: in a sweep of Hydra's own what it varies, elsewhere all that was typed; never the seed."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    hydra = HydraConfig.get()
    pairs = (str(entry).partition("=") for entry in hydra.overrides.task)
    own = {knob.lstrip("+~"): value for knob, _, value in pairs}
    told = {knob: value for knob, value in own.items() if is_factor(knob)}
    # Hydra writes down the command before it starts the first job, whichever process runs it.
    command = Path(hydra.runtime.cwd) / hydra.sweep.dir / "multirun.yaml"
    if hydra.mode != RunMode.MULTIRUN or not command.is_file():
        return told
    swept = _swept(OmegaConf.load(command).hydra.overrides.task)
    return {knob: value for knob, value in told.items() if knob in swept}


def choice(group: str) -> str | None:
    """The file chosen for a group of the configuration; None where the command did not compose it."""
    from hydra.core.hydra_config import HydraConfig

    chosen = HydraConfig.get().runtime.choices.get(group)
    return None if chosen is None else str(chosen)


def _swept(overrides: Any) -> set[str]:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_overrides([str(entry) for entry in overrides])
    return {one.key_or_group for one in parsed if one.is_sweep_override()}


def typed_knobs() -> list[tuple[str, str]]:
    """What was typed for this job, and the knob that each is of; nothing where no command composed it."""
    from hydra.core.hydra_config import HydraConfig

    typed = HydraConfig.get().overrides.task if HydraConfig.initialized() else ()
    return [(str(one), str(one).partition("=")[0].lstrip("+~")) for one in typed if not str(one).startswith("~")]
