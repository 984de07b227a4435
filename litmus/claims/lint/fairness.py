"""Rules on comparing like with like: unnamed differences, other test sets, other machines, one rate for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from litmus.claims.finding import Finding, error, using, warning
from litmus.claims.lint.budgets import SIZE_WORDS
from litmus.claims.lint.differences import comparisons, is_numeric, named, settings, unbalanced, unnamed
from litmus.claims.notation import listing, text
from litmus.claims.study import Study

Configs = Mapping[str, Mapping[str, Any]]
RATES = {"lr", "learning_rate"}
NEED_OWN_RATE = {"optimizer", "batch_size", "batching"}
# Words in the names of data settings that decide which rows a split has.
SPLITTING = ("split", "fold", "draw", "seed", "source", "path", "file", "name", "_target_")


def unnamed_differences(study: Study, configs: Configs) -> Iterator[Finding]:
    """A comparison, of whatever kind, whose sides differ in more than it names, or are averages over unlike arms."""
    full = settings(study, configs)
    for name, prediction in study.predictions.items():
        more: dict[str, None] = {}
        pair: tuple[list[str], list[str]] | None = None
        for weights in comparisons(study, prediction):
            found = [key for key in unnamed(study, prediction, full, weights) if not is_numeric(key)]
            if found and pair is None:
                pair = _sides(weights)
            more |= dict.fromkeys(found)
        if pair is None:
            continue
        if len(pair[0]) == len(pair[1]) == 1:
            told = f"{name} compares {pair[0][0]} with {pair[1][0]}, which differ in more than it names"
            yield warning("unnamed_differences", f"{told}: {listing(list(more))}.", [name])
        else:
            told = f"{name} averages over unlike arms, {listing(pair[0], 3)} against {listing(pair[1], 3)}"
            yield warning(
                "unbalanced_average", f"{told}; they differ in more than it names: {listing(list(more))}.", [name]
            )


def different_numerics(study: Study, configs: Configs) -> Iterator[Finding]:
    """Sides that run on other devices, with other number types or threads, though the prediction is not about that."""
    full = settings(study, configs)
    for name, prediction in study.predictions.items():
        found = (unnamed(study, prediction, full, weights) for weights in comparisons(study, prediction))
        keys = dict.fromkeys(key for one in found for key in one if is_numeric(key))
        if keys:
            message = f"{name} compares arms that do not compute alike: they differ in {listing(list(keys))}."
            yield error("different_numerics", message, [name])


def different_rows(study: Study, configs: Configs) -> Iterator[Finding]:
    """Sides that are measured on other rows: a difference of their scores is one of data."""
    full = settings(study, configs)
    for name, prediction in study.predictions.items():
        if not prediction.needs_quantity or "/" not in prediction.measured(study).metric:
            continue
        split = prediction.measured(study).metric.split("/")[0]
        if split == "train":
            continue
        keys = dict.fromkeys(
            key
            for weights in comparisons(study, prediction)
            for key in unbalanced(full, weights)
            if _splits(key, split)
        )
        if keys:
            message = f"{name} compares arms on different {split} sets: they differ in {listing(list(keys))}."
            meant = set(keys) <= named(study, prediction)
            yield (warning if meant and prediction.kind != "best" else error)("different_rows", message, [name])


def one_learning_rate(study: Study, configs: Configs) -> Iterator[Finding]:
    """Each optimizer, batch size, depth and width has its own best learning rate; a shared one measures the misfit."""
    if RATES & {key.split(".")[-1] for key in (*study.nuisance, *study.varied)}:
        return
    varied = [key for key in study.varied if _needs_own_rate(key)]
    varied = [key for key in varied if len({text(config.get(key)) for config in study.arms.values()}) > 1]
    if varied:
        message = f"{listing(varied)} varies at one fixed learning rate: tune lr per arm (study.nuisance.lr)."
        arms = [arm for arm in study.arms if any(key in study.arms[arm] for key in varied)]
        yield warning("one_learning_rate", message, using(study, arms, least=2))


def _needs_own_rate(key: str) -> bool:
    last = key.split(".")[-1].lower()
    return bool(NEED_OWN_RATE & {key.split(".")[0], last}) or any(word in last for word in SIZE_WORDS)


def _splits(key: str, split: str) -> bool:
    """Whether a setting decides which rows a split has."""
    first, _, rest = key.partition(".")
    return first == "data" and (not rest or any(word in rest.lower() for word in (split, *SPLITTING)))


def _sides(weights: Mapping[str, float]) -> tuple[list[str], list[str]]:
    return [arm for arm in weights if weights[arm] > 0], [arm for arm in weights if weights[arm] < 0]
