"""Rules on comparing like with like: unnamed differences, one learning rate for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from litmus.claims.arms import varying
from litmus.claims.finding import Finding, using, warning
from litmus.claims.kinds.compare import Compare
from litmus.claims.notation import listing, text
from litmus.claims.prediction import several
from litmus.claims.study import Study

Configs = Mapping[str, Mapping[str, Any]]
RATES = {"lr", "learning_rate"}
NEED_OWN_RATE = {"optimizer", "batch_size", "batching"}


def unnamed_differences(study: Study, configs: Configs) -> Iterator[Finding]:
    """A compare whose two arms differ in more than it names."""
    for name, prediction in study.predictions.items():
        if not isinstance(prediction, Compare):
            continue
        for rival in several(prediction.than):
            pair = (*study.select(prediction.better), *study.select(rival))
            if len(pair) != 2:
                continue  # averages over a factor compare like with like by construction
            named = {key for cell in (prediction.better, rival) if isinstance(cell, Mapping) for key in cell}
            more = unexplained(study, configs, pair, named)
            if more:
                message = (
                    f"{name} compares {pair[0]} with {pair[1]}, which differ in more than it names: {listing(more)}."
                )
                yield warning("unnamed_differences", message, [name])


def unexplained(study: Study, configs: Configs, pair: tuple[str, ...], named: set[str]) -> list[str]:
    """The settings in which two arms differ, less those named and those that follow them.

    Arms called by name may differ in one setting, or one group of them (batching and batching.start), without saying.
    """
    own = varying(study.arms, pair)
    if not named:
        if len({key.split(".")[0] for key in own}) > 1 and not study.factors:
            return own
        named = set(own)
    values = {tuple(text(configs[arm].get(key)) for arm in pair) for key in named}
    return [
        key
        for key in varying(configs, pair)
        if not any(key == name or key.startswith(f"{name}.") or key.endswith(f".{name}") for name in named)
        # ${epochs} → trainer.max_epochs: another key that takes the named one's values follows it.
        and tuple(text(configs[arm].get(key)) for arm in pair) not in values
    ]


def one_learning_rate(study: Study, configs: Configs) -> Iterator[Finding]:
    """Each optimizer or batch size has its own best learning rate; a shared one measures the misfit."""
    if RATES & {key.split(".")[-1] for key in (*study.nuisance, *study.varied)}:
        return
    varied = [key for key in study.varied if NEED_OWN_RATE & {key.split(".")[0], key.split(".")[-1]}]
    varied = [key for key in varied if len({text(config.get(key)) for config in study.arms.values()}) > 1]
    if varied:
        message = f"{listing(varied)} varies at one fixed learning rate: tune lr per arm (study.nuisance.lr)."
        arms = [arm for arm in study.arms if any(key in study.arms[arm] for key in varied)]
        yield warning("one_learning_rate", message, using(study, arms, least=2))
