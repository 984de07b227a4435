"""From overrides to a resolved configuration and its hash, without running anything."""

import copy
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from litmus.sweeps.overrides import override
from litmus.sweeps.snapshot import SNAPSHOTS, frozen, frozen_loader
from litmus.trial import description
from litmus.trial.identity import NOT_IN_HASH, asked_hash
from litmus.trial.ranks import one_device


class Composition:
    """Composes the jobs of a sweep from a snapshot of the configuration files, kept in the sweep's directory."""

    def __init__(self, context: HydraContext, master: DictConfig, directory: Path) -> None:
        snapshots = directory / SNAPSHOTS
        self.loader: ConfigLoader = frozen_loader(context.config_loader, snapshots)
        if master.hydra.searchpath:
            found = [frozen(str(place), snapshots) for place in master.hydra.searchpath]
            master = holding(master, "hydra.searchpath", found)
        self.context = dataclasses.replace(context, config_loader=self.loader)
        self.master = master
        # What was found out about its configurations, by whoever found it.
        self.known: dict[Any, Any] = {}

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """The configuration of a job with these overrides."""
        return self.loader.load_sweep_config(self.master, list(overrides))

    def is_group(self, knob: str) -> bool:
        """Whether the knob chooses a file."""
        return bool(self.loader.get_group_options(knob.lstrip("+")))


def own_copy(master: DictConfig) -> DictConfig:
    """The command's configuration as the sweep's own, in which it may set what in Hydra's is read-only."""
    own = copy.deepcopy(master)
    OmegaConf.set_readonly(own.hydra, None)
    return own


def holding(master: DictConfig, knob: str, value: Any) -> DictConfig:
    """A copy with another value of one of Hydra's own knobs, there and in every job's, which Hydra composes anew."""
    own = own_copy(master)
    others = [entry for entry in own.hydra.overrides.hydra if entry.lstrip("+").partition("=")[0] != knob]
    OmegaConf.update(own, "hydra.overrides.hydra", [*others, override(knob, value)], merge=False)
    OmegaConf.update(own, knob, value)
    return own


def with_values(config: DictConfig, values: Mapping[str, Any]) -> DictConfig:
    """A copy with other values of knobs that choose no file; what refers to them follows."""
    changed = copy.deepcopy(config)
    for knob, value in values.items():
        OmegaConf.update(changed, knob, value, merge=False)
    return changed


def one_thread(typed: Sequence[str], config: DictConfig) -> tuple[tuple[str, ...], DictConfig]:
    """What is typed for a trial, and what it composes, with one thread where their number was left open.

    Left to a worker, it would follow from the launcher and from how many trials run at once, and so would the bits.
    """
    return _pinned(typed, config, "threads", 1) if config.threads is None else (tuple(typed), config)


def one_accelerator(typed: Sequence[str], config: DictConfig, kind: str | None) -> tuple[tuple[str, ...], DictConfig]:
    """The same with this kind of device where `auto` left it to each trial, which would decide by its own size."""
    left = kind is not None and left_open(config)
    return _pinned(typed, config, "trainer.accelerator", kind) if left else (tuple(typed), config)


def left_open(config: DictConfig) -> bool:
    """Whether a trial of this configuration would itself decide on which kind of device it trains."""
    trainer = config.get("trainer") or {}
    return trainer.get("accelerator") == "auto" and (
        one_device(trainer.get("devices")) or trainer.get("devices") in ("auto", None)
    )


def _pinned(typed: Sequence[str], config: DictConfig, knob: str, value: Any) -> tuple[tuple[str, ...], DictConfig]:
    return (*typed, override(knob, value)), with_values(config, {knob: value})


@contextmanager
def as_job(config: DictConfig) -> Iterator[DictConfig]:
    """The trial's part of a composed configuration, without its loggers, which name the run they belong to."""
    job = copy.deepcopy(config)
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)
    try:
        with open_dict(job):
            del job["hydra"]
            job.logger = {}
        yield job
    finally:
        HydraConfig.instance().cfg = before


def resolved(config: DictConfig) -> dict[str, Any]:
    """A composed configuration as its trial's plain data."""
    with as_job(config) as job:
        return description.resolved(job)


def hash_of(config: DictConfig, values: Mapping[str, Any] | None = None) -> str:
    """The hash of what a trial of this configuration, with these values, will be asked."""
    return asked_hash(resolved(with_values(config, values or {})))


def settings_of(config: DictConfig) -> dict[str, Any]:
    """Every setting, flat, but those that follow the seed or the directory, and those that change no number."""
    with as_job(config) as job:
        settings = description.flat(description.settled(job))
    hidden = (*NOT_IN_HASH, "data.data_dir")
    return {
        name: value
        for name, value in settings.items()
        if not any(name == one or name.startswith(f"{one}.") for one in hidden)
    }
