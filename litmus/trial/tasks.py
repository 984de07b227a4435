"""The task of a run: what the configuration says, of what the data ask for."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from litmus.contract import Target
from litmus.tasks.kinds import TASKS
from litmus.tasks.task import Task, count_by_class
from litmus.trial.knobs import check_part
from litmus.trial.making import make

BALANCED = "balanced"


def task_in(config: DictConfig, target: Target | None, data: Any = None) -> Task | None:
    """The task; None where the data ask for nothing that is known.

    Args:
        config: of the run.
        target: what the data ask for.
        data: whose train targets `task.class_weights=balanced` counts; they are set up for it.

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
    if asked.get("class_weights") == BALANCED:
        asked["class_weights"] = balanced(data, target)
    whole = OmegaConf.create({"task": asked})
    check_part(whole.task)
    metrics: Any = OmegaConf.to_container(whole.task.metrics, resolve=True) if "metrics" in asked else None
    task: Task = make(whole.task, target=target, metrics=metrics)
    return task


def balanced(data: Any, target: Target) -> list[float]:
    """A weight for each class by which all have the same part in the loss of the training, whose mean weight is 1.

    Raises:
        ValueError: where classes cannot be counted, or one has no train row.
    """
    if target.kind == "classes" and "train" not in data.splits:
        data.prepare_data()
        data.setup("fit")
    y = data.splits["train"][1] if target.kind == "classes" else None
    if y is None:
        raise ValueError(f"task.class_weights={BALANCED} needs train rows with classes to count; give the numbers")
    counts = count_by_class(y, target.number)
    if not counts.all():
        raise ValueError(
            f"task.class_weights={BALANCED} needs train rows of every class, got {[int(count) for count in counts]} of "
            f"the {target.number}; give the numbers"
        )
    weights: list[float] = (counts.sum() / (target.number * counts)).tolist()
    return weights
