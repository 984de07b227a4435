"""The task of a run: what the configuration says, of what the data ask for."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from litmus.contract import Target
from litmus.tasks.kinds import TASKS
from litmus.tasks.task import Task
from litmus.trial.knobs import check_part
from litmus.trial.making import make


def task_in(config: DictConfig, target: Target | None) -> Task | None:
    """The task; None where the data ask for nothing that is known.

    Raises:
        ValueError: for knobs of another kind of task, or of any where the data ask for nothing.
    """
    node = config.get("task")
    asked = {} if node is None else {name: node[name] for name in node if node[name] is not None}
    if target is None:
        if asked:
            raise ValueError(f"task.{next(iter(asked))} needs data that say what they ask for, by a target or classes")
        return None
    if "_target_" not in asked:
        kind = TASKS[target.kind]
        asked = {"_target_": f"{kind.__module__}.{kind.__qualname__}", **asked}
    whole = OmegaConf.create({"task": asked})
    check_part(whole.task)
    metrics: Any = OmegaConf.to_container(whole.task.metrics, resolve=True) if "metrics" in asked else None
    task: Task = make(whole.task, target=target, metrics=metrics)
    return task
