"""Knobs that nothing reads because a subclass of one's own overrides the method that would have read them."""

from collections.abc import Iterator, Mapping
from inspect import signature
from typing import Any, NamedTuple

from omegaconf import DictConfig

from litmus.training.reading import names_in
from litmus.trial.signatures import own_methods

LOSS = ("task.label_smoothing", "task.class_weights", "task.loss")
MEASURED = ("task.top_k", "task.metrics")
# Either of them is enough for what is measured.
JUDGING = ("validation_step", "test_step")
SHARES = ("val_fraction", "test_fraction", "folds", "fold")
# Method of the base class → knob → by what an override may read it, beside super().
OF_MODEL: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "configure_optimizers": {"optimizer": ("make_optimizer",), "scheduler": ("make_scheduler",)},
    "training_step": {
        **dict.fromkeys(LOSS, ("criterion", "task", "_single_step", "_stretch")),
        "task.train_metrics": ("trained", "_count", "_single_step", "_stretch"),
    },
    "criterion": dict.fromkeys(LOSS, ("task",)),
    **dict.fromkeys(JUDGING, dict.fromkeys(MEASURED, ("measured", "tested", "_evaluate", "task"))),
}
OF_DATA: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "split": {f"data.{name}": (name,) for name in SHARES},
    "train_dataloader": {
        name: (name.removeprefix("data."),) for name in ("batch_size", "updates_per_epoch", "data.augment")
    },
}


def may_leave_unread(config: DictConfig) -> bool:
    """Whether a class of data or model has such a method, or its source does not tell: nothing is imported."""
    methods = [own_methods(str(config[group].get("_target_"))) for group in ("data", "model")]
    return any(one is None or one & {*OF_MODEL, *OF_DATA} for one in methods)


class Unread(NamedTuple):
    """A knob, and why nobody reads it."""

    knob: str
    told: str


def unread_in(kind: type, base: type, methods: Mapping[str, Mapping[str, tuple[str, ...]]]) -> Iterator[Unread]:
    """What a class below `base` has these methods for and does not read there.

    A knob that the class, or one derived from it, takes in its constructor is its own matter.
    """
    own = kind.__mro__[: kind.__mro__.index(base)] if issubclass(kind, base) else ()
    found = list(_unread_by(kind, own, methods))
    for method, one in found:
        others = {other for other, another in found if another.knob == one.knob}
        if method not in JUDGING or others.issuperset(JUDGING):
            yield one


def _unread_by(
    kind: type, own: tuple[type, ...], methods: Mapping[str, Mapping[str, tuple[str, ...]]]
) -> Iterator[tuple[str, Unread]]:
    """The same of each method alone."""
    for method, knobs in methods.items():
        owner = next((number for number, one in enumerate(own) if method in vars(one)), None)
        if owner is None or own[owner].__module__.startswith("litmus."):
            continue
        words, inits = _names(kind, own, method, set()), (vars(one).get("__init__") for one in own[: owner + 1])
        named = {name for init in inits if init is not None for name in signature(init).parameters}
        for knob, readers in knobs.items():
            if knob.rpartition(".")[2] not in named and not words & {"super", *readers}:
                yield (
                    method,
                    Unread(
                        knob,
                        f"{kind.__name__} has a {method} of its own that does not read it; leave it out, or let "
                        f"{method} use self.{readers[0]} or super()",
                    ),
                )


def _names(kind: type, own: Any, method: str, seen: set[str]) -> set[str]:
    """Every name that a method uses, and those that its class's own methods which it calls use."""
    seen.add(method)
    code = getattr(getattr(kind, method, None), "__code__", None)
    if code is None:  # wrapped, or no function: who knows what it reads
        return {"super"}
    words = names_in(code)
    if method in words:  # as Base.method(self, …)
        return {"super"}
    for other in words - seen:
        if any(other in vars(one) for one in own):
            found = getattr(kind, other, None)
            words = words | (_names(kind, own, other, seen) if callable(found) else {"super"})
    return words
