"""Rules on what each arm was given: epochs, updates, samples, seconds, and parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from litmus.claims.finding import Finding, about, error, using, warning
from litmus.claims.notation import listing, number, text
from litmus.claims.reductions import ROUGHNESS_EPOCHS
from litmus.claims.results import Results
from litmus.claims.study import Study

Configs = Mapping[str, Mapping[str, Any]]
# Of these the largest arm may exceed the smallest by so much. Seconds are no part: verdicts hang on no clock.
COUNTED = ("epochs", "updates", "samples")
TOLERANCE = 1.01
# What a knob sets the budget of, by the last part of its name.
BUDGETS = {
    "batch_size": "updates",
    "accumulate_grad_batches": "updates",
    "updates_per_epoch": "updates, samples and seconds",
    "limit_train_batches": "updates, samples and seconds",
    "max_steps": "updates, samples and seconds",
    **dict.fromkeys(("epochs", "max_epochs", "max_time"), "epochs, updates, samples and seconds"),
}
SIZE_WORDS = (
    "model",
    "arch",
    "layer",
    "depth",
    "width",
    "unit",
    "filter",
    "channel",
    "hidden",
    "block",
    "neuron",
    "size",
)


def planned_budgets(study: Study, configs: Configs) -> Iterator[Finding]:
    """Equal epochs at different batch sizes are unequal updates, and different epochs are unequal everything."""
    told: set[tuple[float | None, ...]] = set()
    keys = dict.fromkeys(key for config in configs.values() for key in config)
    for key in sorted(keys, key=lambda key: key.count(".")):  # epochs before trainer.max_epochs, which follows it
        what = BUDGETS.get(key.lstrip("+~").split(".")[-1])
        sizes = {arm: number(config[key]) for arm, config in configs.items() if key in config} if what else {}
        known = {arm: size for arm, size in sizes.items() if size and size > 0}
        pattern = tuple(sizes.values())
        if len(set(known.values())) > 1 and pattern not in told:
            told.add(pattern)
            low, high = min(known, key=lambda arm: known[arm]), max(known, key=lambda arm: known[arm])
            message = (
                f"The arms have unequal budgets of {what}: {key} goes from {known[low]:g} ({low}) "
                f"to {known[high]:g} ({high}); compare at equal updates as well."
            )
            yield warning("unequal_budgets", message)


def short_curves(study: Study, configs: Configs) -> Iterator[Finding]:
    """A roughness that no run can have, for its curve is too short: better told before the runs than after."""
    epochs = {arm: number(config.get("epochs")) for arm, config in configs.items()}
    short = {arm: f"{arm} has {count:g}" for arm, count in epochs.items() if count and count < ROUGHNESS_EPOCHS}
    for name, quantity in study.quantities.items():
        if quantity.at == "roughness" and short:
            message = f"The quantity {name} needs {ROUGHNESS_EPOCHS} epochs: {listing(list(short.values()), 3)}."
            concerned = set(about(study, name)) & set(using(study, short))
            yield error("short_curves", message, [one for one in study.predictions if one in concerned])


def unequal_budgets(study: Study, results: Results) -> Iterator[Finding]:
    """Unequal budgets as measured; all three are always told."""
    spreads, unequal = [], False
    for name in COUNTED:
        found = {arm: value for arm in study.arms if (value := results.counter(name, arm)) is not None}
        if not found:
            spreads.append(f"{name} not recorded")
            continue
        low, high = min(found, key=lambda arm: found[arm]), max(found, key=lambda arm: found[arm])
        if found[high] > TOLERANCE * found[low]:
            unequal = True
            spreads.append(f"{name} {found[low]:.6g} ({low}) to {found[high]:.6g} ({high})")
        else:
            spreads.append(f"{name} {found[high]:.6g}")
    if unequal:
        yield warning("unequal_budgets", f"The arms had unequal budgets: {', '.join(spreads)}.")


def planned_sizes(study: Study, configs: Configs) -> Iterator[Finding]:
    """Parameter counts known before the run, as the setting `params` of each arm."""
    yield from sizes(study, {arm: number(config.get("params")) for arm, config in configs.items()})


def unequal_sizes(study: Study, results: Results) -> Iterator[Finding]:
    """Parameter counts as recorded."""
    yield from sizes(study, {arm: results.counter("params", arm) for arm in study.arms})


def sizes(study: Study, counts: Mapping[str, float | None]) -> Iterator[Finding]:
    """Parameter counts that differ by more than 10 % where no varied factor is about size."""
    known = {arm: count for arm, count in counts.items() if count}
    changing = [key for key in study.varied if len({text(o.get(key)) for o in study.arms.values()}) > 1]
    if len(known) < 2 or any(word in key.lower() for key in changing for word in SIZE_WORDS):
        return
    low, high = min(known, key=lambda arm: known[arm]), max(known, key=lambda arm: known[arm])
    if known[high] > 1.1 * known[low]:
        yield warning(
            "unequal_sizes",
            f"Parameter counts go from {known[low]:,.0f} ({low}) to {known[high]:,.0f} ({high}), "
            "although size is no factor.",
        )
