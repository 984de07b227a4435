"""Whether a run is one process or several, and an environment that does not say otherwise."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from omegaconf import DictConfig

# By these schedulers and launchers tell a process its place among others.
RANKS = (
    *("RANK", "LOCAL_RANK", "GROUP_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID"),
    *("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_NTASKS", "SLURM_NTASKS_PER_NODE"),
    *("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_SIZE", "PMI_RANK"),
    *("JSM_NAMESPACE_RANK", "JSM_NAMESPACE_LOCAL_RANK", "JSM_NAMESPACE_SIZE"),
)
FIRST = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")  # is zero for the first of several
# What `trainer.accelerator=auto` is where this is set, as the tests do; an accelerator that is typed is respected.
AUTO = "LITMUS_ACCELERATOR"
# Of which a machine has one, so that "all of them" is one.
SINGLE = ("cpu", "mps")


def one_device(devices: Any) -> bool:
    """Whether trainer.devices says one device: 1, "1", [3] or "3,", which is the device with this number."""
    if isinstance(devices, str) and "," in devices:
        devices = [one for one in devices.split(",") if one.strip()]
    listed = isinstance(devices, Sequence) and not isinstance(devices, str)
    return len(devices) == 1 if listed else str(devices) == "1"


def several(trainer: Mapping[str, Any]) -> bool:
    """Whether a trainer may train in several processes; `auto` devices may be many, where a machine may have many."""
    if not isinstance(trainer, Mapping):  # a word in the place of a trainer's settings, refused where knobs are checked
        return False
    devices, every = trainer.get("devices"), ("auto", None)
    one = one_device(devices) or (devices in every and trainer.get("accelerator") in SINGLE)
    return not one or trainer.get("num_nodes") not in (1, None)


def follows(trainer: Mapping[str, Any]) -> bool:
    """Whether this process trains together with others, the first of which owns the run's directory."""
    ranks = (os.environ.get(name) or "0" for name in FIRST)
    return several(trainer) and any(rank.isdigit() and int(rank) > 0 for rank in ranks)


def on_one_device(config: DictConfig) -> DictConfig:
    """The configuration with one device where it would take all: a job of a sweep, or a setting, is one process."""
    if config.trainer.get("devices") not in ("auto", None):
        return config
    changed = config.copy()
    changed.trainer.devices = 1
    return changed


@contextmanager
def own_environment(trainer: Mapping[str, Any]) -> Iterator[None]:
    """Hides the ranks that the environment tells from a run of one process, and gives them back.

    A shell inside an allocation, or a task of srun's that trains alone, has them: Lightning would take the run for one
    part of a larger one, which writes nothing and waits for the others.
    """
    if several(trainer):
        yield
        return
    hidden = {name: os.environ.pop(name) for name in RANKS if name in os.environ}
    rank_zero: Any = sys.modules.get("lightning_utilities.core.rank_zero")
    if hidden and rank_zero is not None:  # it was read when the module was imported
        rank_zero.rank_zero_only.rank = 0
    try:
        yield
    finally:
        os.environ.update(hidden)
