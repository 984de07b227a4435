"""What parts are told of the data: the facts that a constructor names, and the task."""

import math
from collections.abc import Mapping
from inspect import Parameter
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict

from litmus.contract import Target
from litmus.tasks.kinds import TASKS
from litmus.tasks.task import Task, count_by_class
from litmus.training.stand_in import FACT, NAMES
from litmus.trial.directed import parameters_of
from litmus.trial.knobs import check_part
from litmus.trial.making import make

MEANING = {name: fact for fact, names in NAMES.items() for name in names}
# In many nets these are widths of their own: they are given only where a constructor cannot do without.
IF_NEEDED = {
    *("channels", "num_channels", "n_channels", "features", "num_features", "n_features", "labels", "target"),
    *("output_size", "output_dim", "out_dim"),
}


def facts_of(data: Any) -> dict[str, Any]:
    """What a data module tells of its samples and of what it asks for, as far as it does."""
    facts: dict[str, Any] = {}
    shape = getattr(data, "input_shape", None)
    if shape is not None:
        facts = {"input_shape": tuple(shape), "features": math.prod(shape)}
        facts |= {"channels": shape[0]} if len(shape) > 1 else {}
    facts |= {name: told for name in ("input_dtype", "untold") if (told := getattr(data, name, None))}
    target = target_of(data)
    if target is None and "untold" in facts:
        return facts
    if target is None:
        return facts | ({"classes": data.classes} if hasattr(data, "classes") else {})
    number = {"classes": "classes", "labels": "labels"}.get(target.kind)
    return facts | {"target": target, "outputs": target.outputs} | ({number: target.number} if number else {})


def target_of(data: Any) -> Target | None:
    """What the data ask for; None where they say nothing, or ask for nothing."""
    target, classes = getattr(data, "target", None), getattr(data, "classes", None)
    if isinstance(target, Target):
        return target
    return Target("classes", classes) if classes else None


def given(target: str, facts: Mapping[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that the constructor of this path names, but for what is typed.

    Raises:
        ValueError: for one that it needs and the data do not tell.
    """
    found = {}
    for name, parameter in parameters_of(target).items():
        fact, needed = MEANING.get(name), parameter.default is Parameter.empty
        if fact is None or typed.get(name) is not None or (name in IF_NEEDED and not needed):
            continue
        if fact in facts:
            found[name] = facts[fact]
        elif needed:
            raise ValueError(f"{target} asks for {name}, which these data do not have: {_told(facts)}")
    return found


def with_facts(config: DictConfig, facts: Mapping[str, Any]) -> DictConfig:
    """The configuration with every `fact:NAME` replaced by the fact.

    Raises:
        ValueError: for a name that is none, or of nothing that the data tell.
    """
    changed = config.copy()
    with open_dict(changed):
        for group in changed:
            if group not in ("hydra", "data"):
                _replace(changed, group, facts, str(group))
    return changed


def _replace(parent: Any, name: Any, facts: Mapping[str, Any], place: str) -> None:
    node = parent._get_node(name)
    if isinstance(node, DictConfig | ListConfig):
        if not node._is_none() and not node._is_missing() and not node._is_interpolation():
            for inner in node if isinstance(node, DictConfig) else range(len(node)):
                _replace(node, inner, facts, f"{place}.{inner!s}")
        return
    value = node._value() if node is not None else None
    if isinstance(value, str) and value.startswith(FACT):
        fact = MEANING.get(value.removeprefix(FACT))
        if fact is None or fact not in facts or fact == "target":
            raise ValueError(f"{place}={value} is nothing that these data tell: {_told(facts)}")
        parent[name] = list(facts[fact]) if isinstance(facts[fact], tuple) else facts[fact]


def _told(facts: Mapping[str, Any]) -> str:
    known = ", ".join(f"{name} {value}" for name, value in facts.items() if name not in ("target", "untold"))
    return f"{known or 'nothing'}{'; ' + facts['untold'] if 'untold' in facts else ''}"


def plain_with_facts(node: DictConfig, facts: Mapping[str, Any]) -> dict[str, Any]:
    """A node as plain data, with the facts that its constructor names."""
    plain: Any = OmegaConf.to_container(node, resolve=True)
    named = given(str(node["_target_"]), facts, plain)
    known = {name: list(value) if isinstance(value, tuple) else value for name, value in named.items()}
    return known | {name: value for name, value in plain.items() if value is not None or name not in known}


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
    if task.train_metrics and not task.measures:
        raise ValueError(
            f"task.train_metrics=true would have no effect: nothing is measured beside loss and {task.mean}, which "
            "the training has anyhow; leave it out, or name metrics in task.metrics"
        )
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
