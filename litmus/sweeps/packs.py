"""Trials that go to a launcher as one job and make their updates together: which, how many, and how the job runs them.

A pack changes nothing that a trial gives: each runs as it would alone, in its own directory, and one that can share no
update makes its own (`litmus/training/pack.py`). So here trials are gathered by what will probably be alike.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

import psutil
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, run_job
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from litmus.sweeps.composition import settings_of
from litmus.trial.command_line import imports
from litmus.trial.signatures import constant_of

# More than so many gain nothing: what is left is arithmetic.
MOST = 8
# Knobs by whose number no call of an update changes; of a dropout, whether there is one does.
OWN, SWITCHED = ("lr", "weight_decay"), ("dropout",)


def common_of(config: DictConfig) -> dict[str, str] | None:
    """What an arm's trials have in common with those of others in a pack; None if they are better off alone."""
    trainer = config.trainer
    timed = trainer.get("max_time") is not None or any(
        "Timer" in str((one or {}).get("_target_")) for one in (config.get("callbacks") or {}).values()
    )
    elsewhere = trainer.get("accelerator") not in ("auto", "cpu")
    unknown = constant_of(str((config.get("model") or {}).get("_target_")), "packs") is not True
    watched = config.get("logger") or config.get("average") or not config.get("fast", True)
    return None if timed or elsewhere or unknown or watched else _common(settings_of(config))


def kin_of(common: Mapping[str, str] | None, values: Mapping[str, Any], extra: Sequence[str] = ()) -> str | None:
    """What trials of one pack have in common; None for one that is better off alone.

    Args:
        common: of the arm.
        values: of its tuned knobs.
        extra: overrides of this trial alone, as those of a pruner, which asks what others have reached by then.
    """
    return None if extra or common is None else repr(sorted({**common, **_common(values)}.items()))


def _common(settings: Mapping[str, Any]) -> dict[str, str]:
    last = {knob: knob.rpartition(".")[2] for knob in settings}
    return {
        knob: str(bool(value) if last[knob] in SWITCHED else value)
        for knob, value in settings.items()
        if last[knob] not in OWN
    }


def gathered(kin: Sequence[str | None], most: int) -> list[list[int]]:
    """The places of trials, pack by pack, in the order of their first ones."""
    if most < 2 or find_spec("greenlet") is None:
        return [[place] for place in range(len(kin))]
    packs: list[list[int]] = []
    for place, own in enumerate(kin):
        open_one = next((one for one in packs if own is not None and kin[one[0]] == own and len(one) < most), None)
        if open_one is None:
            packs.append([place])
        else:
            open_one.append(place)
    return packs


class Packing:
    """The task of a job: a trial, and with it those that were gathered with it.

    Args:
        context, task, master: what the sweep's launcher was set up with.

    Attributes:
        others: place of a trial → overrides and numbers of those that go with it.
    """

    def __init__(self, context: HydraContext, task: TaskFunction, master: DictConfig) -> None:
        self.context, self.task, self.master = context, task, master
        self.others: dict[str, list[tuple[list[str], int]]] = {}

    def __call__(self, config: DictConfig) -> Any:
        """Runs them all; what the first gives."""
        goes_on = True
        try:
            return self._run(config, self.others.get(str(HydraConfig.get().sweep.subdir), []))
        except KeyboardInterrupt:
            goes_on = False  # an import may be half done, and what it lacks would be said in place of the interruption
            raise
        finally:
            if goes_on:
                with imports():
                    from litmus.trial.memory import give_back_memory  # with torch, whose import is the job's own
                give_back_memory()

    def _run(self, config: DictConfig, others: Sequence[tuple[list[str], int]]) -> Any:
        if not others:
            return self.task(config)
        with imports():
            from litmus.training.pack import Pack
        calls: list[Callable[[], Any]] = [partial(self._job, *one) for one in others]
        first, *_ = Pack([(_hydra, _set_hydra)], Room()).run([partial(self.task, config), *calls])
        if isinstance(first, BaseException):
            raise first
        return first

    def _job(self, overrides: list[str], number: int) -> JobReturn:
        """What a launcher does for each of its jobs."""
        config = self.context.config_loader.load_sweep_config(self.master, overrides)
        with open_dict(config):
            config.hydra.job.id = f"{config.hydra.job.name}_{number}"
            config.hydra.job.num = number
        HydraConfig.instance().set_config(config)
        return run_job(
            hydra_context=self.context,
            task_function=self.task,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )


def _hydra() -> Any:
    return HydraConfig.instance().cfg


def _set_hydra(config: Any) -> None:
    HydraConfig.instance().cfg = config


class Room:
    """Whether memory has room for another trial: twice what the smallest so far took to begin must be left."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._before = self._process.memory_info().rss
        self._each: int | None = None

    def __call__(self) -> bool:
        now = self._process.memory_info().rss
        grown, self._before = max(0, now - self._before), now
        self._each = grown if self._each is None else min(self._each, grown)
        return psutil.virtual_memory().available > 2 * self._each
