"""Rules on how the net that is judged comes from a run: its averaged weights, its tail, its folds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from litmus.claims.finding import Finding, about, error, using, warning
from litmus.claims.lint.differences import comparisons, named, unbalanced
from litmus.claims.notation import listing
from litmus.claims.study import Study

Configs = Mapping[str, Mapping[str, Any]]
RULE = "average._target_"
# Settings on which it depends how much weights jitter about where they settle.
JITTER = ("lr", "optimizer", "batch_size", "batching", "scheduler", "momentum")


def other_recipes(study: Study, configs: Configs) -> Iterator[Finding]:
    """Averaging makes another net of the same run: a comparison may be about that, or be changed by it, in silence."""
    averaged = {arm: averages(configs.get(arm, {}), overrides) for arm, overrides in study.arms.items()}
    for name, prediction in study.predictions.items():
        found: set[str] = set()
        for weights in comparisons(study, prediction):
            kinds = {arm: {"average": averaged[arm]} for arm in weights}
            if unbalanced(kinds, weights):
                if "average" not in {key.partition(".")[0] for key in named(study, prediction)}:
                    found.add("one side is judged by averaged weights and the other is not, or by another average")
            elif any(averaged[arm] for arm in weights):
                keys = unbalanced({arm: configs.get(arm, {}) for arm in weights}, weights)
                told = [key for key in keys if key.partition(".")[0] in JITTER or key.rpartition(".")[2] in JITTER]
                if told:
                    found.add(
                        f"both sides are judged by averaged weights and differ in {listing(told, 2)}, which changes "
                        "how much there is to average away"
                    )
        for reason in sorted(found):
            yield warning("averaged", f"{name}: {reason}; the nets of the runs themselves may rank otherwise.", [name])


def averages(config: Mapping[str, Any], overrides: Mapping[str, Any]) -> str:
    """The rule by which an arm averages its weights; empty where it does not."""
    chosen = next((value for key, value in overrides.items() if key.lstrip("+~") == "average"), None)
    return str(config.get(RULE) or chosen or "").rpartition(".")[2]


def no_tail(study: Study, configs: Configs) -> Iterator[Finding]:
    """A run that validation ends has no tail: its last epochs are those after the best one."""
    for name, quantity in study.quantities.items():
        if quantity.at != "tail":
            continue
        early = [arm for arm in study.arms if any(key.startswith("callbacks.early_") for key in configs.get(arm, {}))]
        if early:
            message = f"The quantity {name} is judged at: tail, but validation ends the runs of {listing(early)} early."
            yield error("no_tail", message, about(study, name, using(study, early)))


def tuned_on_tested_rows(study: Study, configs: Configs) -> Iterator[Finding]:
    """Knobs that are tuned once for all folds have seen the rows that most of the folds are tested on."""
    if study.resampling is not None and any(one.per != "seed" for one in study.nuisance.values()):
        message = (
            f"{listing(list(study.nuisance))} is tuned once for all folds, on rows that other folds are tested on: "
            "per: seed tunes within each fold."
        )
        yield warning("tuned_on_tested_rows", message)
