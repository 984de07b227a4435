"""What a job is told of itself so that W&B or MLflow can show it beside the others."""

from collections.abc import Iterable
from typing import Any

from omegaconf import DictConfig, OmegaConf

from litmus.sweeps.overrides import override


def watched(config: DictConfig, **entries: Any) -> list[str]:
    """Overrides of the loggers that ask who a run is; none where the configuration has no such logger."""
    told = {name: value for name, value in entries.items() if value is not None}
    asking = [logger for logger in ("wandb", "mlflow") if logger in (config.get("logger") or {})]
    return [override(f"logger.{logger}.{name}", value) for logger in asking for name, value in told.items()]


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
