"""What a job is told of itself so that W&B can show it beside the others."""

from collections.abc import Iterable
from typing import Any

from omegaconf import DictConfig, OmegaConf

from litmus.sweeps.overrides import override


def watched(config: DictConfig, **entries: Any) -> list[str]:
    """Overrides of the W&B logger; none where the configuration has no such logger."""
    if "wandb" not in (config.get("logger") or {}):
        return []
    return [override(f"logger.wandb.{name}", value) for name, value in entries.items() if value is not None]


def factors_of(config: DictConfig, knobs: Iterable[str]) -> dict[str, Any]:
    """Knob → value in a composed configuration, where it has one; of a group the file that was chosen."""
    found = {}
    for knob in (knob.lstrip("+~") for knob in knobs):
        value = OmegaConf.select(config, knob)
        if isinstance(value, DictConfig) or value is None:
            value = config.hydra.runtime.choices.get(knob)
        if value is not None:
            found[knob] = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
    return found
