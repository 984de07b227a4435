"""How many trials the chosen launcher runs at once, and what it cannot run."""

import os
from collections.abc import Mapping
from typing import Any

from litmus.trial.ranks import one_device

MANY_PROCESSES = ("ddp", "fsdp", "deepspeed")


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def kind_of(launcher: Mapping[str, Any]) -> str:
    """basic, joblib, local or slurm (both submitit's), or other."""
    target = str(launcher["_target_"]).lower()
    kinds = {"basiclauncher": "basic", "joblib": "joblib", "locallauncher": "local", "slurmlauncher": "slurm"}
    return next((kind for word, kind in kinds.items() if word in target), "other")


def at_once(launcher: Mapping[str, Any]) -> int:
    """Trials that run side by side.

    Raises:
        ValueError: for none.
    """
    kind = kind_of(launcher)
    if kind == "joblib":
        jobs = int(launcher["n_jobs"])
        if jobs == 0:
            raise ValueError(
                "hydra.launcher.n_jobs must be a number of workers from 1 on, or -1 for a core each, got 0"
            )
        return jobs if jobs > 0 else max(1, cores() + 1 + jobs)
    each = int(launcher.get("trials_per_job") or 1)
    if kind == "local":
        return max(1, cores() // int(launcher.get("cpus_per_task") or 1)) * each
    return int(launcher["array_parallelism"]) * each if kind == "slurm" else 1


def refuse_many_processes(trainer: Mapping[str, Any], launcher: Mapping[str, Any]) -> None:
    """Refuses a trainer that starts processes of its own where they would each start the whole sweep again.

    Raises:
        ValueError: naming the way out.
    """
    counted = trainer.get("devices") not in ("auto", None) and trainer.get("accelerator") != "tpu"
    several = counted and not one_device(trainer.get("devices"))
    strategy = str(trainer.get("strategy"))
    # Elsewhere Lightning starts the other processes itself, with the command of the sweep or of submitit.
    by_scheduler = kind_of(launcher) == "slurm" and launcher.get("tasks_per_node") == trainer.get("devices")
    if (several or strategy.startswith(MANY_PROCESSES)) and not by_scheduler:
        raise ValueError(
            f"trainer.strategy={strategy} with trainer.devices={trainer.get('devices')} would start the whole sweep "
            "again in each of its processes; take trainer=default, or hydra/launcher=submitit_slurm with "
            f"hydra.launcher.tasks_per_node={trainer.get('devices')}, where the scheduler starts them"
        )
