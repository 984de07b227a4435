"""Rules on which data decides what: selection, verdict, and fitted statistics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from litmus.claims.finding import Finding, error, warning
from litmus.claims.notation import listing, text
from litmus.claims.study import Study

Configs = Mapping[str, Mapping[str, Any]]
# Settings that say on which rows means, SDs or vocabularies are fitted.
FITTED_ON = {"statistics", "statistics_split", "fit_on", "fitted_on", "normalize_on", "standardize_on"}


SPLITS = {"val": "validation", "train": "the training data", "test": "the test data"}


def selection_split(study: Study, configs: Configs) -> Iterator[Finding]:
    """Choosing an epoch (or a tuned setting) on the split that then gives the verdict flatters the winner."""
    for name, quantity in study.quantities.items():
        split = quantity.metric.split("/")[0]
        using = [key for key, prediction in study.predictions.items() if prediction.quantity == name]
        # Knobs are tuned by the leading quantity's `select`, which is of validation unless it says otherwise.
        chosen = {study.leading.select.split("/")[0]} if study.nuisance else set()
        if quantity.at == "best":
            chosen = {split} | (chosen & {"test"})
        elif quantity.at == "best_val":
            chosen = {quantity.select.split("/")[0]} | (chosen & {"test"})
        if "/" not in quantity.metric or split not in chosen:
            continue
        message = (
            f"{name} is measured on {SPLITS.get(split, split)}, which also picked the epoch or the settings, so "
            f"winners look better than they are. Judge test/… at: best_val{', by a select: val/…' * (split == 'test')}."
        )
        # A validation claim may be what is studied; the test set has no such excuse.
        yield (error if split == "test" else warning)("selection_split", message, using)


def statistics_split(study: Study, configs: Configs) -> Iterator[Finding]:
    """Statistics fitted on more than the training rows let the other splits leak in."""
    for key in sorted({key for config in configs.values() for key in config}):
        if key.split(".")[-1] not in FITTED_ON:
            continue
        bad = sorted({text(c[key]) for c in configs.values() if key in c} - {"train", "none", "null", "false"})
        if bad:
            yield error("statistics_split", f"Statistics are fitted outside the train split: {key} is {listing(bad)}.")
