"""One kind of device for all trials of a study: each would decide by its size, and other devices give other digits."""

import multiprocessing
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from litmus.claims.study_file import COMMAND
from litmus.legible import read_object
from litmus.sweeps.arms import Arm
from litmus.sweeps.composition import left_open, one_accelerator, resolved
from litmus.sweeps.workers import kind_of
from litmus.trial.ranks import AUTO

# Launchers whose trials run on this machine; whether there are accelerators where others send them is not known here.
HERE = ("basic", "joblib", "local")
# One of these is there where torch may find an accelerator: NVIDIA's driver, AMD's, and Windows' below Linux.
DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
TOLD = {
    "gpu": "every trial on the accelerator, since an arm gains by it; trainer.accelerator=cpu takes the processor",
    "cpu": "every trial on the processor, since no arm is large enough to gain by the accelerator; "
    "trainer.accelerator=gpu takes it",
}


def accelerator_of(directory: Path, arms: Iterable[Arm], launcher: Mapping[str, Any]) -> str | None:
    """gpu or cpu for all trials that leave it open; None where there is nothing to decide.

    A study stays with what it began with, on whichever machine it goes on. Otherwise one arm that gains is enough: an
    accelerator costs a small arm milliseconds, and the processor a large one hours.
    """
    begun = read_object(directory / COMMAND)
    if begun:
        stored = begun.get("accelerator")
        return stored if stored in tuple(TOLD) else None
    asked = [resolved(arm.config) for arm in arms if left_open(arm.config)]
    if not asked or os.environ.get(AUTO) or kind_of(launcher) not in HERE or not _may_have_one():
        return None
    # In a process of its own, for this one never imports torch.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as apart:
        return apart.submit(decided, asked).result()


def on_accelerator(arm: Arm, kind: str | None) -> Arm:
    """The arm with the kind of device pinned, where it was left open."""
    overrides, config = one_accelerator(arm.overrides, arm.config, kind)
    return replace(arm, overrides=overrides, config=config)


def decided(configs: Sequence[Mapping[str, Any]]) -> str | None:
    """gpu if a trial of one of these resolved configurations gains by this machine's accelerator, if it has one."""
    import torch

    from litmus.trial.devices import float16, needless
    from litmus.trial.making import make
    from litmus.trial.parts import net_of

    if not torch.accelerator.is_available():
        return None
    for plain in configs:
        config: Any = OmegaConf.create(dict(plain))
        try:
            data = make(config.data)
            if float16(config.get("trainer") or {}) or needless(net_of(config, data), data) is None:
                return "gpu"
        except Exception:  # whatever is wrong with an arm is for its trials to say
            continue
    return "cpu"


def _may_have_one() -> bool:
    return sys.platform != "linux" or any(Path(driver).exists() for driver in DRIVERS)
