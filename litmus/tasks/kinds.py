"""Which task is for which kind of target."""

from collections.abc import Mapping
from typing import Any

from litmus.contract import Kind, Target
from litmus.tasks.classification import Classification
from litmus.tasks.labels import Labels
from litmus.tasks.regression import Regression
from litmus.tasks.task import Task
from litmus.training.plain import class_of

TASKS: Mapping[Kind, type[Task]] = {"classes": Classification, "real": Regression, "labels": Labels}


def usual_task(target: Target) -> Task:
    """The task of data that ask for this, with nothing else said."""
    return TASKS[target.kind](target)


def is_usual(task: Task) -> bool:
    """Whether it is what its target alone says."""
    return type(task) is TASKS[task.kind] and task.plain() == usual_task(task.target).plain()


def task_of(plain: Mapping[str, Any]) -> Task:
    """The task that `Task.plain` described."""
    known = dict(plain)
    made: Any = class_of(str(known.pop("_target_")), "task")
    return made(**known)
